"""Backups, and the removal of what has been kept long enough.

Imports every other room of the store.
"""
