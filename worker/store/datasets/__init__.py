"""Rows and files of datasets, and how many bytes they may take.

Imports `database`.
"""
