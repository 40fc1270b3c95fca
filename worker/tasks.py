"""The task that the queue's messages ask for."""

from celery import shared_task

from worker.contract import TRAIN_TASK
from worker.job_process import run_in_process


@shared_task(name=TRAIN_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def train(job_id: str) -> None:
    """Run the job in a process of its own and wait for its end."""
    run_in_process(job_id)
