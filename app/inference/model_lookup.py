"""Resolves model ids and aliases to loaded models; a cache avoids the database where that is safe."""

from dataclasses import dataclass
from time import monotonic

from starlette.concurrency import run_in_threadpool

from app.http.conditional import IMMUTABLE, REVALIDATE
from app.inference.encoder import Encoder
from app.inference.encoder_cache import EncoderCache
from app.tables.columns.options import ReadOptions
from worker.store import ModelRecord, NotFound, Store
from worker.store.models.models import ALIAS_MARK

FRESH_S = 1.0  # an alias moved by a process that died before announcing it is stale for at most this time
NEGOTIATED_PARTS = {"/assignment", "/grouping"}  # those with several formats
FIRST_VERSION = "1"  # the only version of a model, which never changes; an alias counts its moves


@dataclass(frozen=True, slots=True)
class Named:
    """The model that a name refers to; `version` is the alias's, or a model's only one."""

    model_id: str
    version: str = FIRST_VERSION


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready to encode.

    Args:
        options: How to read its rows: its features, and what was said of the cells of its dataset.
    """

    record: ModelRecord
    encoder: Encoder
    version: str
    options: ReadOptions


@dataclass(frozen=True, slots=True)
class _Alias:
    named: Named
    revision: int
    read_at: float


class ModelLookup:
    """Caches aliases until one of them moves, and the records of loaded models.

    Args:
        store: Read if the cache cannot answer.
        encoders: Hold the loaded models.
    """

    def __init__(self, store: Store, encoders: EncoderCache) -> None:
        self._store = store
        self._encoders = encoders
        self._aliases: dict[str, _Alias] = {}
        self._records: dict[str, ModelRecord] = {}
        self._options: dict[str, ReadOptions] = {}

    def resolve_at_once(self, key: str) -> Named | None:
        """Resolve an id or `@alias` from the cache; None if the database must be read."""
        if not key.startswith(ALIAS_MARK):
            return Named(key)
        alias = self._aliases.get(key)
        if alias is None or alias.revision != self._store.aliases.revision:
            return None
        return alias.named if monotonic() - alias.read_at < FRESH_S else None

    def find_at_once(self, key: str) -> ServedModel | None:
        """Return the model of an id or `@alias` if it is cached, else None."""
        named = self.resolve_at_once(key)
        encoder = named and self._encoders.loaded(named.model_id)
        record = named and self._records.get(named.model_id)
        options = named and self._options.get(named.model_id)
        if not (named and encoder and record and options):
            return None
        return ServedModel(record, encoder, named.version, options)

    async def find(self, key: str) -> ServedModel:
        """Return the model of an id or `@alias`; load it if necessary.

        Raises:
            NotFound: There is no such model or alias.
            DamagedModelError: Its files cannot be loaded.
        """
        found = self.find_at_once(key)
        return await run_in_threadpool(self.find_in_store, key) if found is None else found

    def find_in_store(self, key: str) -> ServedModel:
        """Do the work of `find` in a thread: this may block."""
        named = self._resolve(key)
        record = self._records.get(named.model_id)
        if record is None or self._encoders.loaded(named.model_id) is None:
            try:
                record = self._store.models.get(named.model_id)
            except NotFound:
                self.forget(named.model_id)
                raise
        encoder = self._encoders.get(record.id)
        reading = record.document["reading"]
        self._options[record.id] = ReadOptions(
            known=encoder.values_of,
            origins=encoder.origins,
            na_values=tuple(reading.get("na_values", ())),
            date_order=reading.get("date_order", "year"),
        )
        self._records[record.id] = record
        return ServedModel(record, encoder, named.version, self._options[record.id])

    def _resolve(self, key: str) -> Named:
        if not key.startswith(ALIAS_MARK):
            return Named(key)
        revision, read_at = self._store.aliases.revision, monotonic()
        alias = self._store.aliases.get(key.removeprefix(ALIAS_MARK))
        named = Named(alias.model_id, str(alias.version))
        self._aliases[key] = _Alias(named, revision, read_at)
        return named

    def forget(self, model_id: str) -> None:
        """Remove a deleted model from the caches."""
        self._records.pop(model_id, None)
        self._options.pop(model_id, None)
        self._encoders.drop(model_id)


def document_headers(key: str, model_id: str, part: str) -> dict[str, str]:
    """Return cache headers for a document about a model: an alias may move, a model never changes."""
    headers = {"Vary": "Accept"} if part in NEGOTIATED_PARTS else {}
    if key == model_id:
        return headers | {"Cache-Control": IMMUTABLE}
    return headers | {"Cache-Control": REVALIDATE, "Content-Location": f"/v1/models/{model_id}{part}"}


def result_headers(key: str, model_id: str) -> dict[str, str]:
    """Return a `Link` header to the model that an alias was resolved to."""
    return {} if key == model_id else {"Link": f'</v1/models/{model_id}>; rel="describedby"'}
