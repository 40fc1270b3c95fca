"""Statistical dependence between features, and groupings derived from it.

Imports `features`.
"""
