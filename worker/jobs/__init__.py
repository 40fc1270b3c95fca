"""Runs jobs: training, encoding and comparison, with heartbeat, recording and steering.

Imports `catvq`, `store`, `process`, `contract`.
"""
