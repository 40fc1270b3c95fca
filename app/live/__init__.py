"""Live updates about jobs: messages to the queue, long polls, event streams.

Imports `schemas`, `tables` and the store.
"""
