"""Rows of jobs: who runs them, what they recorded, what is asked of them.

Imports the other rooms but `upkeep`.
"""
