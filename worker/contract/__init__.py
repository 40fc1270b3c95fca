"""Definitions shared by the API and the workers: job configuration, names, settings, logging.

Imports no other room.
"""
