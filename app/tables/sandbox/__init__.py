"""Child processes for formats whose libraries a harmful file can crash.

Imports `readers` and `tables`.
"""
