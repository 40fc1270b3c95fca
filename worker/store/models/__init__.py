"""Rows and files of published models, and their aliases.

Imports `datasets` and `database`.
"""
