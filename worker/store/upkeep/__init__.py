"""Backups, and deletion by age.

Imports every other room of the store.
"""
