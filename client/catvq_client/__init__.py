"""Typed client of the catvq service."""
