"""Frozen models in memory: loads them, runs them in batches, keeps documents about them.

Imports `http`, `process`.
"""
