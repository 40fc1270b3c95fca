"""Bodies of the service's own routes."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body


class Health(Body):
    """The service answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"]


class Limits(Body):
    """How much is taken."""

    max_body_bytes: int
    max_json_bytes: int = Field(description="Of a table in JSON.")
    max_document_bytes: int = Field(description="Of any other JSON body.")
    max_expanded_bytes: int = Field(
        description="What a compressed upload may unpack to, and a dataset take as float32."
    )
    max_expansion: int = Field(
        description="How many times its own size an upload may unpack to, beyond 64 MiB."
    )
    max_rows: int
    max_features: int
    max_encode_rows: int = Field(description="Rows of one request for encodings or decodings.")
    max_encode_values: int = Field(
        description="Of one such request: its rows times the model's features or tokens, whichever are more; "
        "to decode, its codes."
    )
    max_stored_bytes: int | None = Field(description="Of all datasets; null: no limit.")
    max_stored_bytes_per_key: int | None = Field(
        description="Of the datasets of one key, where keys are needed; null: no limit."
    )
    max_queued_jobs: int
    max_jobs_per_key: int = Field(description="That have not ended, where keys are needed.")
    max_jobs_per_minute: int | None = Field(description="Of one key; null: any number.")
    max_uploads_per_minute: int | None = Field(description="Of one key; null: any number.")
    max_encoded_rows_per_minute: int | None = Field(description="Of one key; null: any number.")
    max_head_bytes: int = Field(description="Of a request's line and headers.")
    max_head_fields: int = Field(description="Headers of a request.")
    head_timeout_s: float = Field(description="For a head, and for a connection without a request.")
    body_timeout_s: float = Field(description="For the next piece of a body or of an answer.")
    min_body_rate: int = Field(description="Bytes a second that a body must come with.")
    max_connections: int = Field(description="Open at once, in each process of the API.")


class ServiceInfo(Body):
    """What the service is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "catvq",
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
        }
    )

    name: str
    links: dict[str, str]
    versions: dict[str, str]
    formats: dict[str, list[str]]
    limits: Limits
    devices: list[str] = Field(description="Of the workers that are there now.")
