"""Sends job ids to the Celery queue and counts the waiting messages."""

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK

if TYPE_CHECKING:
    from celery import Celery

TIMEOUT_S = 3.0


class Announcer:
    """Sends job ids to the training queue; every method raises when the broker does not answer in time.

    It has its own connections, because those of a Celery worker retry for ever.

    Args:
        redis_url: The broker.
        timeout_s: For a connection, and for each answer.
    """

    def __init__(self, redis_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._redis_url = redis_url
        self._timeout_s = timeout_s

    def count_waiting(self) -> int:
        """The number of messages that no worker has taken."""
        with self._celery.connection_for_write() as connection:
            try:
                declared = connection.default_channel.queue_declare(TRAIN_QUEUE, passive=True)
            except connection.channel_errors:  # Redis has no queue without messages
                return 0
            return int(declared.message_count)

    def announce(self, job_id: str) -> None:
        """Send a job's id to the queue; the next free worker takes it."""
        self._celery.send_task(TRAIN_TASK, args=[job_id], queue=TRAIN_QUEUE, retry=False)

    def close(self) -> None:
        """Close every connection."""
        if "_celery" in self.__dict__:
            self._celery.close()

    @cached_property
    def _celery(self) -> "Celery":
        # Loaded on its first use: it takes 7 MB, and most processes that encode never announce a job.
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
