"""Typed client of the catvq service.

with Client("http://127.0.0.1:8000") as client:
    dataset = client.datasets.upload(frame, name="digits", families="prefix:_")
    job = client.jobs.wait(client.jobs.submit({"dataset": dataset.id}).id)
    codes = client.models.encode(job.model, frame)

`AsyncClient` has the same methods as coroutines.
"""

from catvq_client.asynchronous.client import AsyncClient
from catvq_client.calls import DEFAULT_URL
from catvq_client.errors import (
    ApiError,
    CatvqError,
    ConfigFileError,
    FieldProblem,
    NotReachableError,
    Problem,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from catvq_client.synchronous.client import Client

__all__ = [
    "DEFAULT_URL",
    "ApiError",
    "AsyncClient",
    "CatvqError",
    "Client",
    "ConfigFileError",
    "FieldProblem",
    "NotReachableError",
    "Problem",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
]
