"""Housekeeping of the API process: temporary files, metrics, memory, readiness.

Imports problems and the store.
"""
