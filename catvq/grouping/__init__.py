"""The initial grouping of a run, and moves that improve a grouping.

Imports `dependence`, `model`, `features`.
"""
