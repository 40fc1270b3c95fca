"""Posts ended jobs to the operator's webhook, signed as standardwebhooks.com specifies."""

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from worker.contract.settings import WorkerSettings
from worker.store import JobRecord, Store, StoreUnavailable

TIMEOUT_S = 10.0
INTERVAL_S = 1.0
BATCH = 10
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret

_log = logging.getLogger(__name__)


class _NoRedirect(HTTPRedirectHandler):
    """Treats a redirect as a failure: only the operator chooses addresses."""

    def redirect_request(self, *_args: Any) -> None:
        """Do not follow the redirect."""


class Notifier:
    """A thread of every worker that sends webhooks; separate from the reconciler, as a receiver may be slow.

    The end of a job is delivered at least once, always with the same `webhook-id`.
    """

    def __init__(self, store: Store, settings: WorkerSettings) -> None:
        self._store = store
        self._url = str(settings.webhook_url)
        secret = "" if settings.webhook_secret is None else settings.webhook_secret.get_secret_value()
        self._key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
        self._opener = build_opener(_NoRedirect)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; another worker sends what was not delivered."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(INTERVAL_S):
            try:
                for job in self._store.webhook_outbox.take_due(BATCH):
                    self._send(job)
            except StoreUnavailable as error:
                _log.warning("webhooks are not sent for now: %s", error)

    def _send(self, job: JobRecord) -> None:
        message_id = f"{job.id}.{job.event_count}"
        body = json.dumps(_describe(job)).encode()
        sent_at = int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": sign(self._key, message_id, sent_at, body),
        }
        try:
            # The settings accept only http and https.
            with self._opener.open(Request(self._url, body, headers), timeout=TIMEOUT_S):  # noqa: S310
                pass
        except (URLError, OSError) as error:
            _log.warning("job %s: the webhook was not delivered: %s", job.id, error)
        else:
            self._store.webhook_outbox.acknowledge(job)


def sign(key: bytes, message_id: str, sent_at: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    content = b".".join([message_id.encode(), str(sent_at).encode(), body])
    return f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}"


def _describe(job: JobRecord) -> dict[str, Any]:
    ended_at = job.finished_at or job.updated_at
    return {
        "type": f"job.{job.status}",
        "timestamp": ended_at.isoformat(),
        "data": {
            "job": job.id,
            "name": job.name,
            "labels": job.labels,
            "status": job.status,
            "status_reason": job.status_reason,
            "model": job.model_id,
            "error": None if job.error is None else {"code": job.error.code, "text": job.error.text},
        },
    }
