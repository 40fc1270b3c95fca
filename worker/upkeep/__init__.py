"""Background threads of a worker: the reconciler and the webhook sender.

Imports `store`, `process`, `contract`.
"""
