"""The Celery pool of a worker: one thread that waits for the process of its job."""

from typing import Any

from celery.concurrency.thread import TaskPool

from worker.queue.spawn import stop_jobs


class JobPool(TaskPool):  # type: ignore[misc]  # Celery has no types
    """Celery's thread pool, extended so that a worker that must stop at once can end its job."""

    def terminate_job(self, *_: Any, **__: Any) -> None:
        """Stop the job of this worker; Celery's arguments are ignored."""
        stop_jobs()
