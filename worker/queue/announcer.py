"""Sends the messages that wake workers up."""

from celery import Celery
from kombu.exceptions import ChannelError

from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK

TIMEOUT_S = 3.0


class Announcer:
    """Talks to the broker without patience: every method raises when it does not answer.

    Its connections are its own, because those of a worker wait for the broker for ever.
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
        """How many messages no worker has taken yet."""
        with self._celery.connection_for_write() as connection:
            try:
                declared = connection.default_channel.queue_declare(TRAIN_QUEUE, passive=True)
            except ChannelError:  # the broker knows no queue without messages
                return 0
            return int(declared.message_count)

    def announce(self, job_id: str) -> None:
        """Send a job's id to whichever worker is free first."""
        self._celery.send_task(TRAIN_TASK, args=[job_id], queue=TRAIN_QUEUE, retry=False)

    def close(self) -> None:
        """Close every connection."""
        self._celery.close()
