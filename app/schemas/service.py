"""Bodies of the service routes: health, limits, versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.schemas.common import Body, example
from worker.store import Scope, WorkerRecord


class Health(Body):
    """Health of the service."""

    model_config = example({"status": "ok"})

    status: Literal["ok"]


class Limits(Body):
    """Limits of the service."""

    max_body_bytes: int
    max_json_bytes: int = Field(description="Size of a table in JSON.")
    max_document_bytes: int = Field(description="Size of any other JSON body.")
    max_expanded_bytes: int = Field(description="Size of an unpacked upload, and of a dataset as float32.")
    max_expansion: int = Field(description="Ratio of unpacked to packed size of an upload, beyond 64 MiB.")
    max_rows: int
    max_features: int
    max_channel_values: int = Field(description="Values of all series and grids of a dataset together.")
    max_series_length: int = Field(description="Steps of one series.")
    max_grid_cells: int = Field(description="Cells of one grid: height times width.")
    max_encode_rows: int = Field(description="Rows in one request for encodings or decodings.")
    max_encode_values: int = Field(
        description="Values in one such request: rows times the model's features or tokens, whichever is "
        "larger; for decodings, codes."
    )
    max_stored_bytes: int | None = Field(description="Size of all datasets together; null: no limit.")
    max_stored_bytes_per_key: int | None = Field(
        description="Size of one key's datasets together, if keys are required; null: no limit."
    )
    max_queued_jobs: int
    max_jobs_per_key: int = Field(description="Jobs of one key that have not ended, if keys are required.")
    max_jobs_per_minute: int | None = Field(description="Jobs submitted with one key; null: no limit.")
    max_uploads_per_minute: int | None = Field(description="Datasets uploaded with one key; null: no limit.")
    max_encoded_rows_per_minute: int | None = Field(description="Rows encoded with one key; null: no limit.")
    max_head_bytes: int = Field(description="Size of a request's line and headers.")
    max_head_fields: int = Field(description="Number of a request's headers.")
    head_timeout_s: float = Field(description="Time limit for a head, and for an idle connection.")
    body_timeout_s: float = Field(description="Time limit for the next piece of a body or response.")
    min_body_rate: int = Field(description="Least bytes a second of a body.")
    max_connections: int = Field(description="Open connections of each API process.")


class ServiceInfo(Body):
    """Links, versions, formats, limits and devices of the service."""

    model_config = example(
        {
            "name": "catvq",
            "scope": "write",
            "links": {"self": "/v1", "datasets": "/v1/datasets"},
            "versions": {"api": "v1", "catvq": "0.1.0"},
            "formats": {"datasets": ["text/csv"], "arrays": ["application/json"]},
            "limits": {
                "max_body_bytes": 1073741824,
                "max_json_bytes": 33554432,
                "max_document_bytes": 2097152,
                "max_expanded_bytes": 4294967296,
                "max_expansion": 1000,
                "max_rows": 10000000,
                "max_features": 10000,
                "max_channel_values": 536870912,
                "max_series_length": 1000000,
                "max_grid_cells": 1048576,
                "max_encode_rows": 100000,
                "max_encode_values": 33554432,
                "max_stored_bytes": None,
                "max_stored_bytes_per_key": 107374182400,
                "max_queued_jobs": 10000,
                "max_jobs_per_key": 1000,
                "max_jobs_per_minute": 600,
                "max_uploads_per_minute": 600,
                "max_encoded_rows_per_minute": None,
                "max_head_bytes": 65536,
                "max_head_fields": 100,
                "head_timeout_s": 20,
                "body_timeout_s": 30,
                "min_body_rate": 1024,
                "max_connections": 10000,
            },
            "devices": ["cpu"],
        }
    )

    name: str
    scope: Scope = Field(description="Of the request's key; `write` where none is needed.")
    links: dict[str, str]
    versions: dict[str, str]
    formats: dict[str, list[str]]
    limits: Limits
    devices: list[str] = Field(description="Devices of all live workers.")


class Worker(Body):
    """A running worker."""

    name: str
    since: datetime = Field(description="When it started.")
    device: str = Field(description="What jobs with `device` `auto` run on: its first GPU, or `cpu`.")
    job: str | None = Field(description="The job that it runs.")
    last_heard_of: datetime = Field(description="When it last reported, which it does every second.")


class Workers(Body):
    """The running workers, by name."""

    model_config = example(
        {
            "items": [
                {
                    "name": "worker-1",
                    "since": "2026-01-01T11:00:00Z",
                    "device": "cuda:0",
                    "job": "job_8c0f2a6b1d3e4f5a6b7c8d9e",
                    "last_heard_of": "2026-01-01T12:00:04Z",
                }
            ]
        }
    )

    items: list[Worker]


def to_worker(record: WorkerRecord, held_jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a worker.

    Args:
        held_jobs: Jobs by the name of the job process that holds them, which begins with its worker's name.
    """
    own = (job for process, job in held_jobs.items() if process.rsplit(".", 3)[0] == record.name)
    return {
        "name": record.name,
        "since": record.since,
        "device": (*record.devices[1:], "cpu")[0],
        "job": next(own, None),
        "last_heard_of": record.reported_at,
    }
