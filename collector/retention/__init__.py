"""Rows beyond their time go, by tenant and type; first into files of their own, where that is wanted."""
