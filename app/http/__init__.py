"""HTTP below the routes: limits on heads, bodies and connections, conditional requests, errors.

Imports `auth`, `process`, `tables`.
"""
