"""Accepted becomes durable: frames in segments, synced before the acknowledgement."""
