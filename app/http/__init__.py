"""HTTP below the routes: heads, bodies, conditional requests, errors, connections.

Imports `auth`, `process`, `tables`.
"""
