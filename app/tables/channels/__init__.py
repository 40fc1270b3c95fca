"""Families whose features are channels, series or grids: out of a file, and into the store.

Imports `app.tables.table` and `app.tables.columns.options`.
"""
