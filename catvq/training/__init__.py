"""One training run, from a table to a frozen model.

Imports every room but `comparison`.
"""
