"""What the API and the workers agree on: configurations, names, settings, log lines.

Imports no other room.
"""
