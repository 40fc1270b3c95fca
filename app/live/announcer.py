"""Sends the ids of new jobs to the queue; if the broker is down, workers find the jobs in the store."""

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import import_module
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK

if TYPE_CHECKING:
    from celery import Celery

MAX_WAITING = 1000  # further messages are dropped; a worker finds those jobs within seconds

_log = logging.getLogger(__name__)


class JobAnnouncer:
    """Sends the id of a new job to the training queue, on its own thread.

    Never raises and never blocks: a worker's reconciler finds jobs whose message was lost.

    Args:
        redis_url: The broker.
        timeout_s: A message is dropped after this time.
    """

    def __init__(self, redis_url: str, *, timeout_s: float) -> None:
        self._redis_url = redis_url
        self._timeout_s = timeout_s
        self._room = BoundedSemaphore(MAX_WAITING)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announcer")

    def announce(self, job_id: str) -> None:
        """Queue a job's id for sending."""
        if self._room.acquire(blocking=False):
            self._thread.submit(self._send, job_id)

    def close(self) -> None:
        """Drop the messages that were not sent yet."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if "_celery" in self.__dict__:
            self._celery.close()

    @cached_property
    def _celery(self) -> "Celery":
        # Imported on first use: it takes 7 MB, and most processes that encode never announce a job.
        celery: Celery = import_module("celery").Celery("catvq", broker=self._redis_url, set_as_current=False)
        celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_timeout=self._timeout_s,
            broker_transport_options={
                "socket_timeout": self._timeout_s,
                "socket_connect_timeout": self._timeout_s,
                "max_retries": 0,
            },
        )
        return celery

    def _send(self, job_id: str) -> None:
        try:
            self._celery.send_task(TRAIN_TASK, args=[job_id], queue=TRAIN_QUEUE, retry=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is safe without the message
            _log.warning(
                "the broker does not answer; job %s starts when a worker finds it: %s", job_id, error
            )
        finally:
            self._room.release()
