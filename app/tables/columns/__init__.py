"""What the columns of a table are: looked at, decided, read as numbers.

Imports `app.tables.table`.
"""
