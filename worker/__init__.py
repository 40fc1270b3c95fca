"""The Celery worker of catvq: takes a job, drives the core, records what happens."""
