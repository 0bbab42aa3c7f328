"""Ended spans leave the process: two lanes, each with its own OTLP exporter."""
