"""Interactions as plain JSON, for clients without OpenTelemetry: they become OTLP and go the way of all OTLP."""
