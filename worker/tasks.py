"""The task that the queue's messages ask for."""

import logging
import threading
from typing import Any

from celery import shared_task, signals

from worker.contract import TRAIN_TASK
from worker.heartbeat import Heartbeat, stopped_by_sigterm
from worker.locks import held_lock
from worker.logs import about
from worker.settings import WorkerSettings
from worker.store import Claim, Store, StoreUnavailable

_log = logging.getLogger(__name__)


@shared_task(name=TRAIN_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def train(job_id: str) -> None:
    """Run the job, or, should it have found another worker meanwhile, the one that waits longest.

    Then, or should no job wait, compare published models, as long as no job waits.
    """
    settings = WorkerSettings()
    store = Store.connect(settings)
    try:
        with (
            held_lock(settings.workers_dir, settings.worker_name) as name,
            stopped_by_sigterm() as is_stopping,
        ):
            claim = store.leases.claim(job_id, name, threads=settings.threads)
            claim = claim or store.leases.claim_next(name, threads=settings.threads)
            if claim is not None:
                _run_job(store, settings, claim, is_stopping)
            if store.comparisons.first_due() is not None:
                from worker.comparing import compare_while_idle  # noqa: PLC0415

                compare_while_idle(store, settings, name, is_stopping)
    except StoreUnavailable:
        _log.warning("the database does not answer; job %s stays in the queue", job_id, exc_info=True)
    finally:
        store.close()


def _run_job(store: Store, settings: WorkerSettings, claim: Claim, is_stopping: threading.Event) -> None:
    heartbeat = Heartbeat(store.leases, claim, lease_s=settings.lease_s, is_stopping=is_stopping)
    with about(job_id=claim.job.id), heartbeat:
        # Torch is loaded only now, so that the job is seen to run at once; it may take longer than a lease on
        # a busy machine.
        from worker.attempt import run_claim  # noqa: PLC0415

        run_claim(store, claim, heartbeat)


def _load_torch_meanwhile(**_: Any) -> None:
    """Let a fresh training process load torch while it waits for its job."""

    def load() -> None:
        import torch  # noqa: PLC0415

        import worker.attempt  # noqa: F401, PLC0415

        # The first optimiser of a process loads another second's worth of modules.
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])

    threading.Thread(target=load, name="preload", daemon=True).start()


signals.worker_process_init.connect(_load_torch_meanwhile)
