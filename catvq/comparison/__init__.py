"""Compares a learnt grouping with others at equal cost, and judges it.

Imports every room but `frozen` and `search`.
"""
