"""What submissions of every kind of job share: the idempotency key, and the answer."""

import hashlib
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.http.responses import json_answer
from app.live.long_poll import POLL_AFTER_S, position_of
from app.schemas.jobs import to_job
from app.services import Services
from worker.store import KeyRecord, Submission

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Requests with one key and one body make one job.",
    ),
]


def sender_of(request: Request, body: BaseModel, idempotency_key: str | None) -> dict[str, Any]:
    """Return what the store is told about who submits a body."""
    said = f"{request.url.path}\0{body.model_dump_json()}"
    return {
        "idempotency_key": idempotency_key,
        "key_id": key_id_of(request),
        "request_digest": hashlib.sha256(said.encode()).hexdigest(),
    }


def key_id_of(request: Request) -> str | None:
    """Return which key a request brings; None where it needs none."""
    key: KeyRecord | None = request.state.key
    return None if key is None else key.id


def submission_answer(api: Services, submission: Submission) -> Response:
    """Tell the workers of a job that is new, and describe it."""
    job = submission.job
    headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": POLL_AFTER_S}
    if submission.replayed:
        headers["Idempotency-Replayed"] = "true"
    else:
        api.announcer.announce(job.id)
    return json_answer(to_job(job, position_of(api.store.jobs, job)), 202, headers)
