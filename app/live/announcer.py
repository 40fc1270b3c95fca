"""Sends the ids of new jobs to the queue; if the broker is down, workers find the jobs in the store."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from worker.contract.announcer import Announcer

MAX_WAITING = 1000  # further messages are dropped; a worker finds those jobs within seconds

_log = logging.getLogger(__name__)


class JobAnnouncer:
    """Sends the ids of new jobs to the training queue, from a thread of its own.

    Never raises and never blocks: a worker's reconciler finds jobs whose message was lost.

    Args:
        redis_url: The broker.
        timeout_s: A message is dropped after this time.
    """

    def __init__(self, redis_url: str, *, timeout_s: float) -> None:
        self._announcer = Announcer(redis_url, timeout_s=timeout_s)
        self._room = BoundedSemaphore(MAX_WAITING)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announcer")

    def announce(self, job_id: str) -> None:
        """Queue a job's id for sending."""
        if self._room.acquire(blocking=False):
            self._thread.submit(self._send, job_id)

    def close(self) -> None:
        """Drop the messages that were not sent yet."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._announcer.close()

    def _send(self, job_id: str) -> None:
        try:
            self._announcer.announce(job_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is safe without the message
            _log.warning(
                "the broker does not answer; job %s starts when a worker finds it: %s", job_id, error
            )
        finally:
            self._room.release()
