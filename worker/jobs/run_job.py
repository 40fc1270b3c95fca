"""Runs a claimed job of any kind until it ends, is requeued, or is lost to another worker."""

import logging

from catvq.errors import Interrupted, RankLost
from worker.contract.job_config import JobKind
from worker.jobs.encoding.encode import EncodingAttempt
from worker.jobs.failures import describe_failure
from worker.jobs.heartbeat import STOPPED, Heartbeat
from worker.jobs.train import TrainingAttempt
from worker.process.memory import OUT_OF_MEMORY, describe_memory_drivers
from worker.store import CancelRequested, Claim, LeaseLost, StorageUnavailable, Store, StoreUnavailable

_ATTEMPTS: dict[JobKind, type[TrainingAttempt] | type[EncodingAttempt]] = {
    JobKind.TRAINING: TrainingAttempt,
    JobKind.ENCODING: EncodingAttempt,
}

_log = logging.getLogger(__name__)


def run_claim(store: Store, claim: Claim, heartbeat: Heartbeat[Claim]) -> None:
    """Run a job until it ends, is requeued, or is lost; failures are recorded, not raised."""
    job = claim.job
    _log.info("job %s: attempt %d started", job.id, job.attempt.number)
    try:
        _run(store, claim, heartbeat)
    except (LeaseLost, StoreUnavailable) as error:
        if not heartbeat.is_cancelled:
            _log.warning("job %s was lost: %s", job.id, error)
    _log.info("job %s: attempt %d ended", job.id, job.attempt.number)


def _run(store: Store, claim: Claim, heartbeat: Heartbeat[Claim]) -> None:
    try:
        _ATTEMPTS[claim.job.kind](store, claim, heartbeat).run()
    except Interrupted:
        if not heartbeat.is_lost:
            heartbeat.persist(lambda: store.leases.release(claim, STOPPED))
    except CancelRequested:
        heartbeat.persist(lambda: store.leases.cancel(claim))
    except LeaseLost:
        raise
    except RankLost as error:  # this attempt has crashed, although not in this process
        _log.warning("job %s: %s", claim.job.id, error)
        heartbeat.persist(
            lambda: store.outbox.release_worker(claim.job.worker_name, "one of its processes died")
        )
    except StoreUnavailable as error:  # while something was read
        reason = str(error) if isinstance(error, StorageUnavailable) else "the database did not answer"
        heartbeat.persist(lambda: store.leases.release(claim, reason))
    except Exception as error:  # noqa: BLE001 - every failure is recorded
        _log.exception("job %s failed", claim.job.id)
        failure = describe_failure(error)
        advice = describe_memory_drivers(claim.job) if failure.code == OUT_OF_MEMORY else ""
        heartbeat.persist(lambda: store.leases.fail(claim, failure.code, failure.text + advice))
