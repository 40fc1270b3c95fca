"""What a job does: trains, encodes or compares, and records it.

Imports `catvq`, `store`, `process`, `contract`.
"""
