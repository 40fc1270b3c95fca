"""News of jobs: announcements to workers, long polls, event streams.

Imports `schemas`, `tables` and the store.
"""
