"""Deployment settings of the API, read from `CATVQ_*` when the process starts."""

from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator

from app.loopback import is_loopback
from worker.contract.settings import ServiceSettings

MIB = 1 << 20
ORIGIN = r"^https?://[a-z0-9.\-\[\]:]+$"  # as browsers write it: lower case, without a path


class ApiSettings(ServiceSettings):
    """What only the API needs to know."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535, description="0: any free one.")
    trusted_network: bool = Field(
        False, description="Whether everybody who can reach the address may use the service without a key."
    )
    max_expanded_bytes: int = Field(
        4 << 30, ge=1, description="What a compressed upload may unpack to, and a dataset take as float32."
    )
    max_expansion: int = Field(
        1000,
        ge=1,
        description="How many times its own size an upload may unpack to, beyond 64 MiB. Of the files that "
        "were measured, columns of few values in order reach 800, and those where one in a thousand is not "
        "0 reach 500.",
    )
    max_channel_values: int = Field(
        1 << 29, ge=1, description="Of all series and grids of a dataset together; each takes four bytes."
    )
    max_series_length: int = Field(1_000_000, ge=1, description="Steps of one series.")
    max_grid_cells: int = Field(1 << 20, ge=1, description="Of one grid: its height times its width.")
    max_json_bytes: int = Field(32 * MIB, ge=1, description="Tables of JSON are parsed in memory.")
    max_document_bytes: int = Field(2 * MIB, ge=1, description="Other JSON bodies, such as a job.")
    encoder_cache_bytes: int = Field(512 * MIB, ge=0, description="Loaded models beyond this are dropped.")
    document_cache_bytes: int = Field(
        64 * MIB, ge=0, description="Groupings, reports and the like beyond this are made anew."
    )
    encoder_threads: int = Field(1, ge=1, description="Threads of one encoding.")
    broker_timeout_s: float = Field(1, gt=0, description="After this the message of a new job is given up.")

    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces go; null: nowhere. Other OTEL_* settings hold as well.",
    )

    require_keys: bool = Field(
        False, description="Demand keys on loopback, too: for a service behind a proxy on its machine."
    )
    open_docs: bool = Field(False, description="Let anybody read `/docs` and `/openapi.json`, without a key.")
    cors_origins: frozenset[Annotated[str, Field(pattern=ORIGIN)]] = Field(
        frozenset(),
        description="Origins of pages elsewhere whose scripts may use the service, such as "
        "`https://dashboard.example`.",
    )
    max_jobs_per_minute: int | None = Field(
        600, ge=1, description="Submitted with one key, in each API process; null: any number."
    )
    max_uploads_per_minute: int | None = Field(
        600, ge=1, description="Of datasets with one key, in each API process; null: any number."
    )
    max_encoded_rows_per_minute: int | None = Field(
        None, ge=1, description="Of one key, in each API process; null: any number."
    )
    allowed_hosts: frozenset[str] = Field(
        frozenset(),
        description="Names under which the service is asked, beside its loopback's, where keys are not "
        "demanded; on a trusted network any address is one as well.",
    )

    max_head_bytes: int = Field(65_536, ge=8192, le=65_536, description="Of a request's line and headers.")
    max_head_fields: int = Field(100, ge=1, le=100, description="Headers of a request.")
    head_timeout_s: float = Field(
        20, gt=0, le=60, description="For a head to come, and for a connection to stay without a request."
    )
    body_timeout_s: float = Field(
        30, gt=0, le=60, description="For the next piece of a body to come, or of an answer to be taken."
    )
    min_body_rate: int = Field(1024, ge=1, description="Bytes a second that a body must come with.")
    max_connections: int = Field(
        10_000, ge=1, description="Open at once in each API process; requests beyond them get 503."
    )

    @property
    def demands_keys(self) -> bool:
        """Whether nobody comes in without a key."""
        return self.require_keys or not (self.trusted_network or is_loopback(self.host))

    @model_validator(mode="after")
    def _trusts_or_demands(self) -> Self:
        if self.trusted_network and self.require_keys:
            raise ValueError("CATVQ_TRUSTED_NETWORK and CATVQ_REQUIRE_KEYS exclude each other")
        return self
