"""The worker process and its machine: devices, memory, locks, health.

Imports `store` and `contract`.
"""
