"""The database engine, its tables and migrations, ids, pages and durable files.

Imports `contract` at most.
"""
