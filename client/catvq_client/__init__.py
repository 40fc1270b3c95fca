"""Typed client of the catvq service.

with Client("http://127.0.0.1:8000") as client:
    dataset = client.datasets.upload(frame, name="digits", families="prefix:_")
    job = client.jobs.wait(client.jobs.submit({"dataset": dataset.id}).id)
    codes = client.models.encode(job.model, frame)
"""

from catvq_client.client import DEFAULT_URL, Client
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

__all__ = [
    "DEFAULT_URL",
    "ApiError",
    "CatvqError",
    "Client",
    "ConfigFileError",
    "FieldProblem",
    "NotReachableError",
    "Problem",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
]
