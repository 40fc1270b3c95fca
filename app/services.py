"""Dependencies of routes: the service's components, and validated path parameters."""

import pathlib
import re
from dataclasses import dataclass
from io import SEEK_END
from typing import Annotated, Any, BinaryIO

from fastapi import Depends, Path, Query
from pydantic import AfterValidator
from starlette.requests import Request

from app.auth.gate import Admission
from app.auth.quotas import Quotas
from app.http.connections import ConnectionLimit
from app.http.uploads import BodyMemory
from app.inference.batcher import Batcher
from app.inference.document_cache import DocumentCache
from app.inference.encoder_cache import EncoderCache
from app.inference.model_lookup import ModelLookup
from app.live.announcer import JobAnnouncer
from app.live.job_feed import JobFeed
from app.problems import NotFoundError
from app.process.metrics import Telemetry
from app.process.readiness import Readiness
from app.settings import ApiSettings
from app.tables.table import TableLimits
from app.web.page import Page
from worker.store import Store

UNQUESTIONED_BYTES = 64 << 20  # any upload may unpack to this size, however small it is

PLAUSIBLE_ID = re.compile(r"@?[A-Za-z0-9._-]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Services:
    """The components of one API process, created at its start."""

    settings: ApiSettings
    store: Store
    encoders: EncoderCache
    models: ModelLookup
    batcher: Batcher
    documents: DocumentCache
    announcer: JobAnnouncer
    telemetry: Telemetry
    feed: JobFeed
    admission: Admission
    quotas: Quotas
    connections: ConnectionLimit
    body_memory: BodyMemory
    readiness: Readiness
    page: Page
    scratch_dir: pathlib.Path

    def table_limits(self, file: BinaryIO) -> TableLimits:
        """Return the limits for one upload; the limit on unpacking depends on its size."""
        size_bytes = file.seek(0, SEEK_END)
        file.seek(0)
        return TableLimits(
            max_rows=self.settings.max_rows,
            max_features=self.settings.max_features,
            max_expanded_bytes=self.max_unpacked_bytes(size_bytes),
            max_channel_values=self.settings.max_channel_values,
            max_series_length=self.settings.max_series_length,
            max_grid_cells=self.settings.max_grid_cells,
            scratch_dir=self.scratch_dir,
        )

    def max_unpacked_bytes(self, size_bytes: int) -> int:
        """What a file of a size may unpack to."""
        expanded = max(UNQUESTIONED_BYTES, self.settings.max_expansion * size_bytes)
        return min(self.settings.max_expanded_bytes, expanded)

    @property
    def devices(self) -> list[str]:
        """The devices of all live workers."""
        return sorted({device for worker in self.store.workers.list() for device in worker.devices})


async def _services(request: Request) -> Services:  # a plain function would be sent to a thread
    services: Services = request.app.state.services
    return services


def _plausible_id(value: str) -> str:
    """Refuse what cannot be an id before it reaches the database; PostgreSQL fails on NUL characters."""
    if not PLAUSIBLE_ID.fullmatch(value):
        raise NotFoundError("no such id")
    return value


def _id_of(description: str, *, place: Any = Path) -> Any:
    documented = {"pattern": f"^{PLAUSIBLE_ID.pattern}$"}  # anything else gets 404, not 422
    return place(description=description, json_schema_extra=documented)


Api = Annotated[Services, Depends(_services)]
DatasetId = Annotated[str, _id_of("Id of a dataset."), AfterValidator(_plausible_id)]
JobId = Annotated[str, _id_of("Id of a job."), AfterValidator(_plausible_id)]
ModelId = Annotated[str, _id_of("Id of a model, or `@` and an alias."), AfterValidator(_plausible_id)]
OtherModelId = Annotated[
    str, _id_of("Id of the other model, or `@` and an alias.", place=Query), AfterValidator(_plausible_id)
]
KeyId = Annotated[str, _id_of("Id of a key."), AfterValidator(_plausible_id)]
AliasName = Annotated[str, _id_of("Name of an alias."), AfterValidator(_plausible_id)]
NewAliasName = Annotated[
    str,
    Path(
        description="Letters and digits; `.`, `_` and `-` are allowed after the first character.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    ),
]
