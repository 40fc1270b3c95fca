"""Compares published models with baseline groupings while the queue is empty."""

import logging
import threading
from typing import Self

import torch
from threadpoolctl import threadpool_limits

from catvq.comparison.compare import compare
from catvq.comparison.learnt_model import LearntModel
from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.table import FeatureTable
from catvq.frozen.start_model import StartModel
from worker.contract.settings import WorkerSettings
from worker.jobs.failures import describe_failure
from worker.jobs.load_dataset import load_labels, load_table
from worker.process.cores import find_free_cores
from worker.store import ComparisonClaim, NotFound, StorageUnavailable, Store, StoreUnavailable

LONGEST_INTERVAL_S = 1.0  # the longest that a new job, or a stopping worker, waits

_log = logging.getLogger(__name__)


DATASET_GONE = "its dataset was deleted before the comparison was made"


def compare_while_idle(
    store: Store, settings: WorkerSettings, worker_name: str, is_stopping: threading.Event
) -> None:
    """Make comparisons until none is due, a job is queued, a claim is lost or `is_stopping` is set."""
    threads = settings.threads or find_free_cores()
    torch.set_num_threads(threads)
    with threadpool_limits(limits=threads):
        while not is_stopping.is_set() and store.outbox.count_queued() == 0:
            claim = store.comparisons.claim(worker_name)
            if claim is None:
                return
            with ClaimRenewer(store, claim, is_stopping, lease_s=settings.lease_s):
                _make(store, claim, is_stopping)


def _make(store: Store, claim: ComparisonClaim, is_stopping: threading.Event) -> None:
    """Make one comparison and record its result or its error; an interrupted one is released."""
    model_id = claim.model_id
    _log.info("comparison of %s started", model_id)
    try:
        learnt = LearntModel.read(store.models.directory(model_id), claim.training_seconds)
        config = RunConfig.from_dict(claim.config)
        table = _load_table_or_none(store, claim.dataset_id, config)
        if table is None:
            store.comparisons.fail(claim, DATASET_GONE)
            return
        if config.assignment.take == "weights":  # its features are in the order of the model it went on from
            table = StartModel.read(store.models.directory(model_id)).align(table)
        labels = load_labels(store, claim.dataset_id, config)
        found = compare(table, config, learnt, labels=labels, should_stop=is_stopping.is_set)
    except Interrupted:
        store.comparisons.release(claim)
        _log.info("comparison of %s was released", model_id)
    except StoreUnavailable as error:
        if isinstance(error, StorageUnavailable):  # no fault of the comparison: it is made later
            store.comparisons.release(claim)
        raise
    except Exception as error:  # noqa: BLE001 - every failure is recorded
        _log.exception("comparison of %s failed", model_id)
        store.comparisons.fail(claim, describe_failure(error).text)
    else:
        store.comparisons.finish(claim, found.to_dict())
        _log.info("comparison of %s: %s", model_id, found.verdict.outcome)


def _load_table_or_none(store: Store, dataset_id: str, config: RunConfig) -> FeatureTable | None:
    try:
        return load_table(store, dataset_id, config)
    except (NotFound, FileNotFoundError):
        return None


class ClaimRenewer:
    """A thread that renews the claim of a comparison; use it as a context manager.

    It sets `is_stopping` when a job is queued or the claim was lost.
    """

    def __init__(
        self, store: Store, claim: ComparisonClaim, is_stopping: threading.Event, *, lease_s: float
    ) -> None:
        self._store = store
        self._claim = claim
        self._is_stopping = is_stopping
        self._interval_s = min(lease_s / 4, LONGEST_INTERVAL_S)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renew-claim", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.is_set() and not self._is_over.wait(self._interval_s):
            try:
                is_held = self._store.comparisons.renew(self._claim)
                if not is_held or self._store.outbox.count_queued() > 0:
                    self._is_stopping.set()
            except StoreUnavailable as error:
                _log.warning("comparison of %s: claim not renewed: %s", self._claim.model_id, error)
            except Exception:  # noqa: BLE001 - without this thread the comparison would never stop
                _log.exception("comparison of %s: the renewing thread failed", self._claim.model_id)
                self._is_stopping.set()
