"""What the store refuses means the right status to a client."""

import time

import pytest

from app.http.error_handlers import from_store
from worker.store import LeaseLost, NotFound, StoreUnavailable
from worker.store.database.errors import Conflict, InvalidCursor, PreconditionFailed, QueueFull, TooManyJobs


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("job", "job_1"), 404, "job_not_found"),
        (Conflict("x", code="job_ended"), 409, "job_ended"),
        (Conflict("x", code="idempotency_key_reused"), 422, "idempotency_key_reused"),
        (PreconditionFailed("x", code="version_mismatch"), 412, "version_mismatch"),
        (InvalidCursor("x", code="invalid_cursor"), 422, "invalid_cursor"),
        (TooManyJobs("x", code="too_many_jobs"), 429, "too_many_jobs"),
        (QueueFull("x", code="queue_full"), 503, "queue_full"),
        (StoreUnavailable("x", code="database_unavailable"), 503, "database_unavailable"),
    ],
)
def test_a_refusal_of_the_store_has_its_status(error, status, code):
    answer = from_store(error)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "error", [QueueFull("x", code="q"), StoreUnavailable("x", code="u"), TooManyJobs("x", code="t")]
)
def test_what_may_pass_says_when_to_come_back(error):
    answer = from_store(error)
    assert answer.retryable
    assert int(answer.headers["Retry-After"]) > 0


def test_what_only_a_worker_can_cause_is_a_defect_here():
    with pytest.raises(LeaseLost):
        from_store(LeaseLost("x", code="lease_lost"))


def test_what_the_retention_removed_is_gone_rather_than_unknown(base_settings, serve, tmp_path):
    settings = base_settings.model_copy(update={"data_dir": tmp_path, "keep_jobs_days": 1e-9})
    with serve(settings) as api:
        job_id = api.job()
        api.store.controls.cancel(job_id)
        time.sleep(0.01)
        assert api.store.retention.expire() == [job_id]
        for path in ("", "/events", "/temperature"):
            answer = api.client.get(f"/v1/jobs/{job_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (410, "gone")
        assert api.client.get("/v1/jobs/job_0").status_code == 404
