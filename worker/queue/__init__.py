"""The Celery application, and the process that each job gets.

Imports every other room.
"""
