"""The HTTP API of catvq."""
