"""Requests for jobs: what a body asks for is checked, planned, estimated and submitted.

Imports `app.services` and what lies below it.
"""
