"""Readiness checks of the API and the worker."""

import http.client

from celery import Celery
from kombu.exceptions import OperationalError

TIMEOUT_S = 2.0


def api_is_ready(host: str, port: int) -> bool:
    """Whether `GET /readyz` of the API succeeds."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()


def worker_answers(redis_url: str, node: str) -> bool:
    """Whether the Celery worker `node` answers a ping."""
    with Celery(broker=redis_url, set_as_current=False) as celery:
        celery.conf.broker_transport_options = {"max_retries": 0}  # the caller asks again
        try:
            return bool(celery.control.ping([node], timeout=TIMEOUT_S))
        except (OperationalError, OSError):
            return False
