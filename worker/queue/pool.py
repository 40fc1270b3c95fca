"""The pool of a worker: one thread, which waits for the process of its job."""

from typing import Any

from celery.concurrency.thread import TaskPool

from worker.queue.spawn import stop_jobs


class JobPool(TaskPool):  # type: ignore[misc]  # Celery has no types
    """Celery's pool of threads, which can end what it has begun: a worker told to stop at once needs that."""

    def terminate_job(self, *_: Any, **__: Any) -> None:
        """Stop the job, whichever process Celery takes it to run in."""
        stop_jobs()
