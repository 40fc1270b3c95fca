"""Authentication and authorization: API keys, host and origin checks, rate limits of each key.

Imports settings, problems and the store.
"""
