"""Celery signal handlers: open the store, start the worker's threads, drain on shutdown."""

import logging
import os
import sys
from logging.config import dictConfig
from typing import Any

from celery import signals

from worker.contract.json_logs import JSON_LOGS
from worker.contract.settings import WorkerSettings
from worker.queue.spawn import start_fork_server
from worker.store import Store, StoreError
from worker.store.database import durable_files
from worker.upkeep.reconciler import Reconciler
from worker.upkeep.webhook import Notifier

_log = logging.getLogger(__name__)


class _Worker:
    """The store and threads of the worker in this process."""

    store: Store | None = None
    reconciler: Reconciler | None = None
    notifier: Notifier | None = None


def current_store() -> Store:
    """The store of this worker process."""
    if _Worker.store is None:
        raise RuntimeError("no worker runs in this process")
    return _Worker.store


def _prepare(**_: Any) -> None:
    """Open the store and start the fork server before the first message is taken."""
    settings = WorkerSettings()
    durable_files.keep_private()
    # For the job processes: threads that spin while they wait make every step ten times as long on cores
    # that are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Lets torch look for a GPU without initialising CUDA, which would break every forked process.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    try:
        _Worker.store = Store.open(settings)
    except StoreError as error:
        reason = f" ({error.__cause__})" if error.__cause__ else ""
        _log.critical("cannot start: %s%s", error, reason)
        sys.exit(1)
    try:
        start_fork_server()
    except OSError as error:
        _log.critical("cannot start: the fork server did not start: %s", error)
        sys.exit(1)
    _Worker.reconciler = Reconciler(_Worker.store, settings, process_id=os.getpid())
    if settings.webhook_url is not None:
        _Worker.notifier = Notifier(_Worker.store, settings)


def _start_reconciling(**_: Any) -> None:
    if _Worker.reconciler is not None:
        _Worker.reconciler.start()
    if _Worker.notifier is not None:
        _Worker.notifier.start()


def _drain(**_: Any) -> None:
    if _Worker.reconciler is not None:
        _Worker.reconciler.drain()


def _close(**_: Any) -> None:
    if _Worker.notifier is not None:
        _Worker.notifier.stop()
    if _Worker.reconciler is not None:
        _Worker.reconciler.stop()
    if _Worker.store is not None:
        _Worker.store.close()


def _write_json(**_: Any) -> None:
    dictConfig(JSON_LOGS)


signals.setup_logging.connect(_write_json)
signals.worker_init.connect(_prepare)
signals.worker_ready.connect(_start_reconciling)
signals.worker_shutting_down.connect(_drain)
signals.worker_shutdown.connect(_close)
