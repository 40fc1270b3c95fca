"""What the API process does for itself: scratch files, metrics, memory, readiness.

Imports problems and the store.
"""
