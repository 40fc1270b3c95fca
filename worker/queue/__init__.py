"""The Celery application, its task, and the process that runs each job.

Imports every other room.
"""
