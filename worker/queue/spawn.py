"""Runs every job in its own process, forked from a fork server that has loaded torch.

The end of the process frees all memory of a job, a GPU's too. Loading torch takes seconds, so the fork server
does it once for all jobs. It starts no torch thread and no CUDA context, which would not survive a fork.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from functools import partial
from logging.config import dictConfig
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

from celery.platforms import set_pdeathsig

from worker.contract.json_logs import JSON_LOGS, log_context
from worker.contract.settings import WorkerSettings
from worker.jobs.heartbeat import Heartbeat, stopped_by_sigterm
from worker.process.cores import find_free_cores
from worker.process.liveness_lock import held_lock, process_prefix
from worker.process.memory import (
    OUT_OF_MEMORY,
    be_killed_first,
    count_memory_kills,
    describe_memory_kill,
    keep_freed_memory,
)
from worker.store import Store, StoreUnavailable

# Torch loads its compiler with the first optimiser of a process.
PRELOADED = ["worker.queue.fork_server", "worker.jobs.run_job", "worker.jobs.pieces", "torch._dynamo"]

# On other systems, threads that system libraries start when loaded do not survive a fork.
_context = (
    multiprocessing.get_context("forkserver")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)

# The system counts a kill before the process has ended, which takes a while for a large process.
SAMPLE_INTERVAL_S = 1.0
SAMPLES_KEPT = 10

_log = logging.getLogger(__name__)


def start_fork_server() -> None:
    """Start the fork server, which loads the modules of jobs while the worker waits for the first one."""
    if _context.get_start_method() == "forkserver":
        _context.set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()


def run_in_process(job_id: str) -> None:
    """Run a job, or other due work, in a new process and wait for its end."""
    process = _context.Process(target=_begin, args=(job_id, os.getpid()), daemon=True)
    try:
        process.start()
    except FileNotFoundError:
        # Its socket was deleted with the temporary files: the fork server runs, but cannot be reached.
        _log.critical("the fork server cannot be reached: the worker stops, to be restarted")
        signal.raise_signal(signal.SIGTERM)
        raise
    if _wait_for_end(process):
        _fail_for_memory(process)
    if process.exitcode != 0:
        _log.warning("the process for job %s ended with exit code %s", job_id, process.exitcode)


def stop_jobs() -> None:
    """Ask the job process of this worker to save its state and end."""
    for process in multiprocessing.active_children():
        process.terminate()


def _wait_for_end(process: BaseProcess) -> bool:
    """Wait for the end of a process; returns whether the system killed it because memory ran out."""
    kills = deque([count_memory_kills()], maxlen=SAMPLES_KEPT)
    while process.exitcode is None:
        process.join(SAMPLE_INTERVAL_S)
        kills.append(count_memory_kills())
    return process.exitcode == -signal.SIGKILL and kills[-1] > kills[0]


def _fail_for_memory(process: BaseProcess) -> None:
    """Fail the job of a process that was killed for memory: another attempt would be killed, too."""
    settings = WorkerSettings()
    store = Store.connect(settings)
    holder = f"{process_prefix(settings.worker_name, os.getpid())}{process.pid}."
    try:
        for job_id in store.outbox.fail_worker(holder, OUT_OF_MEMORY, describe_memory_kill):
            _log.warning("job %s needed more memory than is available; the system killed its process", job_id)
    except StoreUnavailable:
        _log.warning("the database does not answer; the job of %s will be retried", holder, exc_info=True)
    finally:
        store.close()


def _begin(job_id: str, worker_process_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker stops its jobs itself
    set_pdeathsig("SIGKILL")
    be_killed_first()
    keep_freed_memory()
    worker = multiprocessing.parent_process()
    if worker is None or not worker.is_alive():  # it died before set_pdeathsig
        return
    dictConfig(JSON_LOGS)
    try:
        _run(job_id, worker_process_id)
    except Exception:  # noqa: BLE001 - logged as a line of JSON
        _log.exception("the process for job %s failed", job_id)
        sys.exit(1)


def _run(job_id: str, worker_process_id: int) -> None:
    settings = WorkerSettings()
    store = Store.connect(settings, holds=True)
    try:
        with (
            held_lock(settings.workers_dir, settings.worker_name, worker_process_id) as name,
            stopped_by_sigterm() as is_stopping,
        ):
            _work(store, settings, job_id, name, is_stopping)
    except StoreUnavailable:
        _log.warning("the database does not answer; job %s stays in the queue", job_id, exc_info=True)
    finally:
        store.close()


def _work(
    store: Store, settings: WorkerSettings, job_id: str, name: str, is_stopping: threading.Event
) -> None:
    """Run the job, or the one that has waited longest if another worker took it; then do pieces of work.

    Those are done only while no job is queued.
    """
    threads, abandon = settings.threads or find_free_cores(), partial(os._exit, 1)
    claim = store.leases.claim(job_id, name, threads=threads)
    claim = claim or store.leases.claim_next(name, threads=threads)
    if claim is not None:
        heartbeat = Heartbeat(
            store.leases, claim, lease_s=settings.lease_s, is_stopping=is_stopping, abandon=abandon
        )
        with log_context(job_id=claim.job.id), heartbeat:
            # The fork server has loaded it; without one, the job is already shown as running meanwhile.
            from worker.jobs.run_job import run_claim  # noqa: PLC0415

            run_claim(store, claim, heartbeat)
    if store.pieces.first_due() is not None:
        from worker.jobs.pieces import work_on_pieces  # noqa: PLC0415

        work_on_pieces(store, settings, name, is_stopping, abandon)
