"""One reader for each upload format.

Imports the modules of `tables`.
"""
