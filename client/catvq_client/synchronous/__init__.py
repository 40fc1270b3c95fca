# Written by synchronize.py from the module of the same name in asynchronous/; change that one.
"""The client for programs that await; its twin in `synchronous` is written from it."""
