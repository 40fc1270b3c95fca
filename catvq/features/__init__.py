"""Tables, their rows for each part of a run, and the cleaning of their features.

Imports `state` at most.
"""
