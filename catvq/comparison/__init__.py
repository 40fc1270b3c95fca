"""Compares a learnt grouping with those of simpler methods at equal bits.

Imports every room but `frozen` and `search`.
"""
