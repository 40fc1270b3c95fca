"""The Celery task that runs a job."""

import logging

from celery import shared_task

from worker.contract.job_config import TRAIN_TASK
from worker.queue.lifecycle import current_store
from worker.queue.spawn import run_in_process
from worker.store import StoreUnavailable

_log = logging.getLogger(__name__)


@shared_task(name=TRAIN_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def train(job_id: str) -> None:
    """Run the job in its own process and wait for its end; returns at once when no work is due."""
    try:
        is_work = current_store().has_work()
    except StoreUnavailable:
        _log.warning("the database does not answer; job %s stays in the queue", job_id, exc_info=True)
        return
    if is_work:
        run_in_process(job_id)
