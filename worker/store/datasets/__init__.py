"""Rows, files and quotas of datasets.

Imports `database`.
"""
