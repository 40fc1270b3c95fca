"""Serving of frozen models: loads them, runs them in batches, caches documents about them.

Imports `http`, `process`, `tables`.
"""
