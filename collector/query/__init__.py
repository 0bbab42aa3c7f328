"""Questions and answers, read only."""
