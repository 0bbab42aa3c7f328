"""A frozen segment becomes rows, once."""
