"""Routes that control a job: cancel, pause, resume, finish, retry, temperature."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from app.http.bounded_route import Route
from app.http.responses import json_answer
from app.live.long_poll import POLL_AFTER_S, position_of
from app.openapi import problems
from app.schemas.job_records import Temperature, TemperatureChange, to_temperature
from app.schemas.jobs import Job, to_job
from app.services import Api, JobId, Services
from worker.contract.job_config import JobStatus
from worker.store import JobRecord

router = APIRouter(
    prefix="/v1/jobs/{job_id}", route_class=Route, tags=["jobs"], responses=problems(404, 409, 422, 503, 507)
)


@router.post("/cancel", status_code=202, response_model=Job)
def cancel_job(api: Api, job_id: JobId) -> Response:
    """Cancel a job: a queued one at once, a running one within a second."""
    return _answer(api, job_id, api.store.controls.cancel)


@router.post("/pause", status_code=202, response_model=Job)
def pause_job(api: Api, job_id: JobId) -> Response:
    """Pause a job: its state is saved, and it leaves its worker or the queue until it is resumed."""
    return _answer(api, job_id, api.store.controls.pause)


@router.post("/resume", status_code=202, response_model=Job)
def resume_job(api: Api, job_id: JobId) -> Response:
    """Put a paused job back into the queue; it continues at the step where it stopped."""
    return _answer(api, job_id, api.store.controls.resume)


@router.post("/finish", status_code=202, response_model=Job)
def finish_job(api: Api, job_id: JobId) -> Response:
    """Stop training early and publish the model; at least one epoch is trained."""
    return _answer(api, job_id, api.store.controls.finish)


@router.post("/retry", status_code=202, response_model=Job)
def retry_job(api: Api, job_id: JobId) -> Response:
    """Put a failed or cancelled job back into the queue; it continues from its last checkpoint."""
    return _answer(api, job_id, api.store.controls.retry)


@router.patch("/temperature", response_model=Temperature, responses=problems(400, 413, 415))
def steer_temperature(api: Api, job_id: JobId, body: TemperatureChange) -> Response:
    """Hold a running job's temperature at its current or a given value, or return to the schedule.

    The change takes effect within a second. It is recorded with its step, and a resumed job repeats it.
    """
    job = api.store.controls.steer(job_id, held=body.is_held, temperature=body.temperature)
    return json_answer(to_temperature(job))


def _answer(api: Services, job_id: str, action: Callable[[str], JobRecord]) -> Response:
    job = action(job_id)
    if job.status is JobStatus.QUEUED:
        api.announcer.announce(job.id)
    headers = {"Location": f"/v1/jobs/{job_id}", "Retry-After": POLL_AFTER_S}
    return json_answer(to_job(job, position_of(api.store.jobs, job)), 202, headers)
