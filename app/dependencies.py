"""What routes are given: the parts of the service, and values of the path that look like names."""

import pathlib
import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path
from pydantic import AfterValidator
from starlette.requests import Request

from app.batching import Batcher
from app.documents import DocumentCache
from app.encoder_cache import EncoderCache
from app.errors import NotFoundError
from app.gate import Admission
from app.job_feed import JobFeed
from app.queue import JobAnnouncer
from app.readiness import Readiness
from app.settings import ApiSettings
from app.tables.table import TableLimits
from app.telemetry import Telemetry
from worker.store import Store

PLAUSIBLE_ID = re.compile(r"@?[A-Za-z0-9._-]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Services:
    """The parts of one API process, made at its start."""

    settings: ApiSettings
    store: Store
    encoders: EncoderCache
    batcher: Batcher
    documents: DocumentCache
    announcer: JobAnnouncer
    telemetry: Telemetry
    feed: JobFeed
    admission: Admission
    readiness: Readiness
    scratch_dir: pathlib.Path

    @property
    def table_limits(self) -> TableLimits:
        """What one upload may hold."""
        return TableLimits(
            max_rows=self.settings.max_rows,
            max_features=self.settings.max_features,
            max_expanded_bytes=self.settings.max_expanded_bytes,
            scratch_dir=self.scratch_dir,
        )

    @property
    def devices(self) -> list[str]:
        """What the workers that are there can compute on."""
        return sorted({device for worker in self.store.workers.list() for device in worker.devices})


async def _services(request: Request) -> Services:  # a plain function would be sent to a thread
    services: Services = request.app.state.services
    return services


def _plausible_id(value: str) -> str:
    """Let no database see what cannot be an id, such as a NUL character, which PostgreSQL refuses."""
    if not PLAUSIBLE_ID.fullmatch(value):
        raise NotFoundError("there is nothing of this id")
    return value


Api = Annotated[Services, Depends(_services)]
DatasetId = Annotated[str, Path(description="Id of a dataset."), AfterValidator(_plausible_id)]
JobId = Annotated[str, Path(description="Id of a job."), AfterValidator(_plausible_id)]
ModelId = Annotated[
    str, Path(description="Id of a model, or `@` and an alias."), AfterValidator(_plausible_id)
]
KeyId = Annotated[str, Path(description="Id of a key."), AfterValidator(_plausible_id)]
AliasName = Annotated[str, Path(description="Name of an alias."), AfterValidator(_plausible_id)]
NewAliasName = Annotated[
    str,
    Path(
        description="Letters, digits, and `.`, `_`, `-` within.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
    ),
]
