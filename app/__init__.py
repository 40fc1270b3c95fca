"""The HTTP face of catvq."""
