"""Measures of dependence between features, and groupings that they suggest.

Imports `features`.
"""
