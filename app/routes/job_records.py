"""Routes of a job's records: temperature, assignment, metrics, events, checkpoints."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.formats import ASSIGNMENT_FORMATS, EVENT_FORMATS, METRIC_FORMATS, Format, asked_format
from app.http.bounded_route import Route
from app.http.responses import array_answer, json_answer, list_answer, rows_answer
from app.live.event_stream import EventStream, is_over
from app.openapi import array_response, problems
from app.pictures.line_charts import draw_metrics
from app.problems import NotFoundError
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.job_records import (
    Checkpoints,
    Event,
    Metrics,
    SoftAssignment,
    Temperature,
    to_checkpoint,
    to_event,
    to_temperature,
)
from app.services import Api, JobId, Services
from app.tables.stream_rows import Rows, cut
from app.tables.write import Answer, Column
from worker.store import AssignmentRecord, JobRecord, MetricRecord, NotFound
from worker.store.database.pagination import decode_cursor, encode_cursor

ASSIGNMENT_CSV = "feature,category_0,category_1\np0,0.9,0.1\np1,0.2,0.8\n"
EVENT_STREAM = (
    'id: 1\nevent: submitted\ndata: {"id":1,"time":"2026-01-01T12:00:00Z","type":"submitted","data":{}}\n\n'
)
METRICS_CSV = "epoch,step,time,total,validation\n1,400,2026-01-01T12:00:05+00:00,1.9,0.9\n"

router = APIRouter(
    prefix="/v1/jobs/{job_id}", route_class=Route, tags=["jobs"], responses=problems(404, 422, 503, 507)
)


@router.get("/temperature", response_model=Temperature)
def get_temperature(api: Api, job_id: JobId) -> Response:
    """Return a job's current temperature and its schedule."""
    return json_answer(to_temperature(api.store.jobs.get(job_id)))


@router.get(
    "/assignment",
    responses={
        **array_response(SoftAssignment, ASSIGNMENT_FORMATS, csv_example=ASSIGNMENT_CSV),
        **problems(406),
    },
)
def get_job_assignment(
    request: Request,
    api: Api,
    job_id: JobId,
    epoch: Annotated[
        int | None,
        Query(ge=0, le=100_000, description="Return the assignment after this epoch, if it was recorded."),
    ] = None,
) -> Response:
    """Return the current soft assignment; null (in NPY: no columns) before the first step."""
    job = api.store.jobs.get(job_id)
    found = api.store.jobs.assignment(job_id, epoch)
    if found is None and epoch is not None:
        raise NotFoundError(f"the assignment after epoch {epoch} was not recorded", code="epoch_not_found")
    asked = asked_format(request.headers.get("accept"), ASSIGNMENT_FORMATS)
    return rows_answer(_assignment_rows(_features_of(api, job), found), asked)


@router.get(
    "/metrics",
    responses={**array_response(Metrics, METRIC_FORMATS, csv_example=METRICS_CSV), **problems(406)},
)
def get_job_metrics(
    request: Request,
    api: Api,
    job_id: JobId,
    max_points: Annotated[
        int,
        Query(
            ge=2,
            le=10_000,
            description="Number of evenly spaced epochs, with the first and last.",
        ),
    ] = 500,
) -> Response:
    """Return the metrics measured after each epoch."""
    points = api.store.jobs.metrics(job_id, max_points)
    names = list(dict.fromkeys(name for point in points for name in point.values))
    table = _metric_columns(points, names)
    answer = Answer(
        document=lambda: {
            "columns": [column.name for column in table],
            "points": [
                {"epoch": point.epoch, "step": point.step, "time": point.time, **point.values}
                for point in points
            ],
        },
        array=lambda: np.empty((0, 0)),
        columns=lambda: table,
        drawing=lambda: draw_metrics(
            [point.epoch for point in points],
            {name: [point.values.get(name) for point in points] for name in names},
            job_id,
        ),
    )
    return array_answer(request, answer, METRIC_FORMATS)


@router.get(
    "/events",
    response_model=ListPage[Event],
    responses={
        200: {
            "description": "A page; with `Accept: text/event-stream` a stream of events as they happen.",
            "content": {Format.EVENT_STREAM.value: {"schema": {"type": "string"}, "example": EVENT_STREAM}},
        },
        204: {"description": "For a stream: the job has ended, and no event follows `Last-Event-ID`."},
        **problems(406),
    },
)
async def list_events(
    request: Request,
    api: Api,
    job_id: JobId,
    limit: PageLimit = 100,
    cursor: Cursor = None,
    last_event_id: Annotated[
        str | None,
        Header(pattern=r"^[0-9]{1,18}$", description="For a stream: the id of the last event received."),
    ] = None,
) -> Response:
    """List a job's events, oldest first, or stream them until the job has ended.

    `collapse` is reported once per onset, with its `kind` (`swallowing`, `empty`, `duplicate`,
    `flat_temperature` or `dead_codebook`), the `epoch`, the `subjects` with their measurements, the `cause`
    and the `action`.

    `settled` has the `epoch` at which the assignment was made hard ahead of schedule, and its `temperature`;
    `joined` a surplus `category` and the category that it was merged `into`; `moved` the `epoch` and the
    `features` that changed their category, at most 100 of `count`.

    The ids in a stream are the numbers of the events. Comments keep the stream alive. It can be resumed after
    any event, also after a restart of the service.
    """
    after = 0 if cursor is None else decode_cursor(cursor)
    if asked_format(request.headers.get("accept"), EVENT_FORMATS) is Format.EVENT_STREAM:
        after = after if last_event_id is None else int(last_event_id)
        is_complete = await run_in_threadpool(is_over, api.store.jobs, job_id, after)
        if is_complete or request.state.is_head:
            # 204 tells an EventSource not to reconnect.
            return Response(status_code=204 if is_complete else 200, media_type=Format.EVENT_STREAM.value)
        return EventStream(api.store.jobs, api.feed, job_id, after)
    events = await run_in_threadpool(api.store.jobs.events, job_id, after, limit + 1)
    shown = events[:limit]
    return list_answer(
        request,
        [to_event(event) for event in shown],
        encode_cursor(shown[-1].seq) if len(events) > limit else None,
    )


@router.get("/checkpoints", response_model=Checkpoints)
def list_checkpoints(api: Api, job_id: JobId) -> Response:
    """List the job's checkpoints, newest first, and the epochs whose assignment was kept."""
    records = api.store.jobs.checkpoints(job_id)
    assignments = api.store.jobs.assignment_epochs(job_id)
    return json_answer({"items": [to_checkpoint(record) for record in records], "assignments": assignments})


def _assignment_rows(features: list[str] | None, found: AssignmentRecord | None) -> Rows:
    if found is None:
        height = len(features or ())
        matrix, names = np.empty((height, 0), np.float32), []
        head: dict[str, Any] = {"categories": None, "temperature": None, "epoch": None}
    else:
        height, matrix, names = len(found.matrix), found.matrix, found.categories
        head = {"categories": names, "temperature": found.temperature, "epoch": found.epoch}
    return Rows(
        names=names,
        count=height,
        parts=cut(matrix, len(names)),
        head={"features": features} | head,
        list_name="matrix",
        keys={"feature": features or [None] * height},
        is_known=found is not None,
    )


def _features_of(api: Services, job: JobRecord) -> list[str] | None:
    """Return the names of the features; None if dataset and model were deleted."""
    try:
        return api.store.datasets.get(job.dataset_id).features
    except NotFound:
        if job.model_id is None:
            return None
    try:
        features: list[str] = api.store.models.get(job.model_id).document["features"]
    except NotFound:
        return None
    return features


def _metric_columns(points: list[MetricRecord], names: list[str]) -> list[Column]:
    return [
        Column("epoch", np.array([point.epoch for point in points], np.int64)),
        Column("step", np.array([point.step for point in points], np.int64)),
        Column("time", [point.time.isoformat() for point in points]),
        *(Column(name, np.array([point.values.get(name) for point in points], np.float64)) for name in names),
    ]
