"""The grouping that a run starts from, and moves that improve it.

Imports `dependence`, `model`, `features`.
"""
