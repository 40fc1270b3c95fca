"""The Celery application of the workers: `celery -A worker.queue.celery_app worker`.

A message only wakes a worker; the store decides which job runs where. The settings follow from that: a
message may be lost or duplicated, but a worker must survive every failure of the broker.
"""

from typing import Any

from celery import Celery

from worker.contract.job_config import TRAIN_QUEUE
from worker.contract.settings import ServiceSettings

# Longer than any job, so that a message is not redelivered while its worker still runs the job.
VISIBILITY_TIMEOUT_S = 604_800


def _configuration() -> dict[str, Any]:
    return {
        "broker_url": ServiceSettings().redis_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "task_default_queue": TRAIN_QUEUE,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_ignore_result": True,
        "worker_pool": "worker.queue.pool:JobPool",
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


app = Celery("catvq", include=["worker.queue.tasks", "worker.queue.lifecycle"])
app.add_defaults(_configuration)  # read when a worker starts, not when this module is imported
