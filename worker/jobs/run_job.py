"""Runs a claimed job, whatever it is for, until it has ended, was put back or was taken away."""

import logging

from catvq.errors import Interrupted
from worker.contract.job_config import JobKind
from worker.jobs.encode import EncodingAttempt
from worker.jobs.failures import describe_failure
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.train import TrainingAttempt
from worker.process.memory import OUT_OF_MEMORY, name_drivers
from worker.store import CancelRequested, Claim, LeaseLost, Store, StoreUnavailable

_ATTEMPTS: dict[JobKind, type[TrainingAttempt] | type[EncodingAttempt]] = {
    JobKind.TRAINING: TrainingAttempt,
    JobKind.ENCODING: EncodingAttempt,
}

_log = logging.getLogger(__name__)


def run_claim(store: Store, claim: Claim, heartbeat: Heartbeat) -> None:
    """Run a job until it has ended, was put back into the queue, or was taken away. Raises nothing of it."""
    job = claim.job
    _log.info("job %s: attempt %d begins", job.id, job.attempt.number)
    try:
        _run_to_an_end(store, claim, heartbeat)
    except (LeaseLost, StoreUnavailable) as error:
        if not heartbeat.is_cancelled:
            _log.warning("job %s is no longer ours: %s", job.id, error)
    _log.info("job %s: attempt %d is over", job.id, job.attempt.number)


def _run_to_an_end(store: Store, claim: Claim, heartbeat: Heartbeat) -> None:
    try:
        _ATTEMPTS[claim.job.kind](store, claim, heartbeat).run()
    except Interrupted:
        if not heartbeat.is_lost:
            heartbeat.persist(lambda: store.leases.release(claim, "its worker was stopped"))
    except CancelRequested:
        heartbeat.persist(lambda: store.leases.cancel(claim))
    except LeaseLost:
        raise
    except StoreUnavailable:  # while something was read
        heartbeat.persist(lambda: store.leases.release(claim, "the database did not answer"))
    except Exception as error:  # noqa: BLE001 - every job ends with a reason
        _log.exception("job %s failed", claim.job.id)
        failure = describe_failure(error)
        advice = name_drivers(claim.job) if failure.code == OUT_OF_MEMORY else ""
        heartbeat.persist(lambda: store.leases.fail(claim, failure.code, failure.text + advice))
