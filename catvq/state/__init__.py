"""Resumable states on disk and random states of one run.

Imports no other room.
"""
