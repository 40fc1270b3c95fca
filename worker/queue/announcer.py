"""Sends job ids to the Celery queue and counts the waiting messages."""

from celery import Celery
from kombu.exceptions import ChannelError

from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK

TIMEOUT_S = 3.0


class Announcer:
    """A client of the broker whose methods raise after a short timeout.

    It has its own connections, because those of a Celery worker retry for ever.
    """

    def __init__(self, redis_url: str) -> None:
        self._celery = Celery("catvq", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_timeout=TIMEOUT_S,
            broker_transport_options={
                "socket_timeout": TIMEOUT_S,
                "socket_connect_timeout": TIMEOUT_S,
                "max_retries": 0,
            },
        )

    def count_waiting(self) -> int:
        """The number of messages that no worker has taken."""
        with self._celery.connection_for_write() as connection:
            try:
                declared = connection.default_channel.queue_declare(TRAIN_QUEUE, passive=True)
            except ChannelError:  # Redis has no queue without messages
                return 0
            return int(declared.message_count)

    def announce(self, job_id: str) -> None:
        """Send a job's id to the queue; the next free worker takes it."""
        self._celery.send_task(TRAIN_TASK, args=[job_id], queue=TRAIN_QUEUE, retry=False)

    def close(self) -> None:
        """Close every connection."""
        self._celery.close()
