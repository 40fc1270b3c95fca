"""Codebooks and their codes: placed by k-means, searched level by level, moved by training.

Imports nothing of the other rooms.
"""
