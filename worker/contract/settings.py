"""Deployment settings of the API and the worker, read from `CATVQ_*` when a process starts."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1 << 30
_BUCKET_URL = re.compile(
    r"s3://(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[\w.-]+)*/?)", re.ASCII
)
_ENDPOINT = re.compile(r"https?://[^\s/@?#]+/?")
_WEBHOOK_SECRET = re.compile(r"whsec_(?:[A-Za-z0-9+/]{4}){8,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True)
class Bucket:
    """Where in an object storage files are; without an endpoint it is AWS."""

    name: str
    prefix: str
    endpoint: str | None


class ServiceSettings(BaseSettings):
    """Locations of data, database and broker, and the limits of requests and jobs."""

    # Addresses may contain passwords, so errors do not show the input.
    model_config = SettingsConfigDict(
        env_prefix="CATVQ_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Path("data")
    database_url: str | None = Field(None, description="Null: SQLite in the data directory.")
    database_timeout_s: float = Field(
        10,
        gt=0,
        description="Of a transaction, a wait for a lock, or a silent PostgreSQL server. Less than half of a"
        " lease, or jobs lose their workers. The address may set more by its `options`.",
    )
    storage_url: str | None = Field(
        None,
        description="Where files are kept: `file:///directory` or `s3://bucket/prefix`; null: in the data "
        "directory.",
    )
    s3_endpoint: str | None = Field(None, description="Of an object storage that is not AWS.")
    storage_cache_bytes: int = Field(
        20 * GIB, ge=0, description="Of copies in the data directory of what is in an object storage."
    )
    redis_url: str = "redis://127.0.0.1:6379/0"

    lease_s: float = Field(
        20,
        gt=0,
        description="How long a silent worker keeps its job; it is requeued after a quarter more.",
    )
    reconcile_interval_s: float = Field(1, gt=0)
    max_attempts: int = Field(
        5, ge=1, description="Lost attempts in a row, without a new checkpoint, after which a job fails."
    )

    max_body_bytes: int = Field(GIB, ge=1)
    max_rows: int = Field(10_000_000, ge=1)
    max_features: int = Field(10_000, ge=1)
    max_encode_rows: int = Field(100_000, ge=1)
    max_encode_values: int = Field(
        1 << 25, ge=1, description="Of one request: its rows times the model's features or tokens."
    )
    max_stored_bytes: int | None = Field(None, ge=1, description="Of all datasets; null: no limit.")
    max_stored_bytes_per_key: int | None = Field(
        100 * GIB, ge=1, description="Of the datasets of one API key; null: no limit."
    )
    max_queued_jobs: int = Field(10_000, ge=1)
    max_jobs_per_key: int = Field(1000, ge=1, description="Jobs of one API key that have not ended.")

    keep_jobs_days: float | None = Field(None, gt=0, description="Days after their end; null: for ever.")
    keep_models_days: float | None = Field(
        None, gt=0, description="Days, for models without an alias; null: for ever."
    )
    keep_datasets_days: float | None = Field(
        None, gt=0, description="Days after the last job on them; null: for ever."
    )

    @model_validator(mode="after")
    def _names_a_storage(self) -> Self:
        location = self.storage_location
        if self.s3_endpoint is not None:
            if isinstance(location, Path):
                raise ValueError("CATVQ_S3_ENDPOINT needs a CATVQ_STORAGE_URL that begins with s3://")
            if not _ENDPOINT.fullmatch(self.s3_endpoint):
                raise ValueError(
                    "CATVQ_S3_ENDPOINT must be http:// or https:// and a host, without credentials, which "
                    "are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
        return self

    @property
    def storage_location(self) -> Path | Bucket:
        """The directory or the bucket where files are kept."""
        if self.storage_url is None:
            return self.data_dir.absolute()
        if (found := _BUCKET_URL.fullmatch(self.storage_url)) is not None:
            return Bucket(found["name"], (found["prefix"] or "").strip("/"), self.s3_endpoint)
        parts = urlsplit(self.storage_url)
        if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
            raise ValueError("CATVQ_STORAGE_URL must be file:///directory or s3://bucket/prefix")
        return Path(unquote(parts.path))

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address; by default SQLite in the data directory."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'catvq.db'}"


class WorkerSettings(ServiceSettings):
    """Settings that only a worker reads."""

    worker_name: str = Field(
        default_factory=platform.node,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Used in file names; must differ between workers on one machine.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="Torch threads of a job's first attempt; later attempts repeat it, for equal results. "
        "Null: the cores that are free when it starts.",
    )

    webhook_url: HttpUrl | None = Field(
        None, description="Receives a POST for every job that ends; null: none is sent."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Key of the webhook signatures: `whsec_` and 24 bytes or more in base64."
    )

    @model_validator(mode="after")
    def _signs_what_it_sends(self) -> Self:
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("CATVQ_WEBHOOK_URL and CATVQ_WEBHOOK_SECRET need each other")
        if self.webhook_secret and not _WEBHOOK_SECRET.fullmatch(self.webhook_secret.get_secret_value()):
            raise ValueError("CATVQ_WEBHOOK_SECRET must be `whsec_` and 24 bytes or more in base64")
        return self

    @property
    def workers_dir(self) -> Path:
        """The directory of the liveness locks of this machine's workers."""
        return self.data_dir / "workers"
