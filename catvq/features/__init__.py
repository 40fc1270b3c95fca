"""Tables, and their rows for each part of a run.

Imports `state` at most.
"""
