"""Routes that submit, list, read and delete jobs."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.http.bounded_route import LABEL_PREFIX, LABELS_PARAMETER, Route
from app.http.conditional import REVALIDATE, is_known, not_modified
from app.http.responses import json_answer, list_answer
from app.live.long_poll import JobSnapshot, requested_wait_s, take_snapshot, wait_for_change
from app.openapi import problems
from app.problems import InvalidError, Place
from app.requests.jobs.plan import find_shortage, plan_of
from app.requests.jobs.submit import IdempotencyKey, sender_of, submission_answer
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.jobs import Job, JobPlan, complete_config, to_job
from app.services import Api, JobId
from catvq.names import Name
from worker.contract.job_config import MAX_LABELS, JobRequest, JobStatus

JOB_REQUEST_EXAMPLE = {
    "dataset": "ds_2f9c51d1a0b34c7e8d6f5a21",
    "name": "digits",
    "labels": {"team": "x"},
    "model": {"categories": 8, "levels": 3},
    "training": {"epochs": 50, "seed": 0},
}
LABELS = {
    "name": LABELS_PARAMETER,
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "Any number of `label.NAME=VALUE`; only jobs that have all these labels are listed.",
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": r"^label\.[a-z]{1,20}$"},
        "additionalProperties": {"type": "string", "maxLength": 200},
    },
    "example": {"label.team": "x"},
}

router = APIRouter(prefix="/v1/jobs", route_class=Route, tags=["jobs"], responses=problems(422, 503, 507))


@router.post(
    "",
    status_code=202,
    response_model=Job,
    responses={
        200: {"model": JobPlan, "description": "With `dry_run`: the plan of the job; nothing is stored."},
        **problems(400, 404, 413, 415),
    },
    openapi_extra={"requestBody": {"content": {"application/json": {"example": JOB_REQUEST_EXAMPLE}}}},
)
def create_job(
    request: Request,
    api: Api,
    body: JobRequest,
    dry_run: Annotated[bool, Query(description="Return the plan of the job without submitting it.")] = False,  # noqa: FBT002 - a query parameter
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a job; only the dataset is required.

    A job is refused with `too_large_for_workers` if its estimated memory exceeds that of every worker; a dry
    run only warns.
    """
    plan = plan_of(api, body)
    shortage = find_shortage(api, plan)
    if dry_run:
        config = complete_config(body.dataset, body.name, body.labels, plan.config)
        warnings = [*plan.warnings, *([shortage.detail] if shortage else [])]
        return json_answer(plan.to_dict() | {"config": config, "warnings": warnings})
    if shortage:
        raise shortage
    api.quotas.count(request.scope["state"], "jobs")
    submission = api.store.jobs.submit(body, plan.to_dict(), **sender_of(request, body, idempotency_key))
    return submission_answer(api, submission)


@router.get("", response_model=ListPage[Job], openapi_extra={"parameters": [LABELS]})
def list_jobs(
    request: Request,
    api: Api,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
    dataset: Annotated[Name | None, Query(description="Only jobs on this dataset.")] = None,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> Response:
    """List jobs, newest first."""
    page = api.store.jobs.list(
        status=status, labels=_labels(request), dataset=dataset, limit=limit, cursor=cursor
    )
    waiting = {record.id for record in page.items if record.status is JobStatus.QUEUED}
    positions = api.store.jobs.queue_positions(waiting) if waiting else {}
    items = [to_job(record, positions.get(record.id)) for record in page.items]
    return list_answer(request, items, page.next_cursor)


@router.get(
    "/{job_id}",
    response_model=Job,
    responses={304: {"description": "Not changed since the `ETag` in `If-None-Match`."}, **problems(404)},
)
async def get_job(
    request: Request,
    api: Api,
    job_id: JobId,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of the last response.")] = None,
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=30`: respond at the job's next change, after at most 30 s.",
            examples=["wait=5"],
        ),
    ] = None,
) -> Response:
    """Return a job's state, progress and configuration."""
    seen: JobSnapshot = await run_in_threadpool(take_snapshot, api.store.jobs, job_id)
    headers = {"Cache-Control": REVALIDATE}
    wait_s = requested_wait_s(prefer)
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
        if if_none_match is None or is_known(request, seen.tag):
            seen = await wait_for_change(request, api.store.jobs, api.feed, seen, wait_s)
    headers["ETag"] = seen.tag
    if is_known(request, seen.tag):
        return not_modified(headers)
    return json_answer(to_job(seen.job, seen.position), headers=headers)


@router.delete("/{job_id}", status_code=204, responses=problems(404, 409))
def delete_job(api: Api, job_id: JobId) -> Response:
    """Delete a job that has ended; its model is kept."""
    api.store.jobs.delete(job_id)
    return Response(status_code=204)


def _labels(request: Request) -> dict[str, str]:
    labels = {
        name.removeprefix(LABEL_PREFIX): value
        for name, value in request.query_params.items()
        if name.startswith(LABEL_PREFIX)
    }
    if len(labels) > MAX_LABELS:
        raise InvalidError(f"at most {MAX_LABELS} labels can be given")
    for name, value in labels.items():
        if not name or "\0" in name + value:
            field = f"{LABEL_PREFIX}{name}"
            raise InvalidError(
                "a label must have a name and no NUL character", [Place(detail="invalid", field=field)]
            )
    return labels
