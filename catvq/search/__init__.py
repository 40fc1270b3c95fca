"""Search for an assignment by mirror descent on held-out error, before the training.

Imports `grouping`, `model`, `state`.
"""
