"""The database engine, tables and migrations; ids, pagination and durable files.

Imports `contract` at most.
"""
