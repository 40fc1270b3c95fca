"""The search for an assignment on held-out error, before the training.

Imports `grouping`, `model`, `state`.
"""
