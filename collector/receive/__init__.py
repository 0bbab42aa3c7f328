"""Bytes from the network become an accepted request."""
