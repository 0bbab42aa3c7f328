"""Forgets one user wherever something of them is kept, and proves it."""
