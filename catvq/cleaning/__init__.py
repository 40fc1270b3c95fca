"""The cleaning of features: missing cells, outliers, constants and repeats, learnt from training rows.

Imports `features` and what lies below it.
"""
