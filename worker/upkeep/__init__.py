"""What a worker does beside jobs: gives lost jobs back, calls webhooks.

Imports `store`, `process`, `contract`.
"""
