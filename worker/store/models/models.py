"""Published models: a row and a directory of files each."""

import time
from contextlib import suppress
from pathlib import Path

import orjson
import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import Conflict, NotFound, StorageUnavailable
from worker.store.database.ids import key_of
from worker.store.database.job_rows import remember_expired
from worker.store.database.pagination import Page, list_rows
from worker.store.database.row_records import to_record
from worker.store.database.schema import aliases, jobs, models
from worker.store.datasets.datasets import UNFINISHED
from worker.store.files.files import Files
from worker.store.records import Json, ModelRecord

ALIAS_MARK = "@"
KIND = "models"  # of files
LOOK_AGAIN_S = 0.001  # looking at the disk takes a tenth of the time of a request
FRESH_S = 1.0  # where a look at the database is needed


class Models:
    """All models, which never change."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._seen_at: dict[str, float] = {}

    def get(self, key: str) -> ModelRecord:
        """The model of this id or `@alias`.

        Raises:
            NotFound: No such model or alias.
        """
        with self._database.read() as connection:
            model_id = resolve_model_id(connection, key)
            row = (
                connection.execute(sa.select(models).where(models.c.id == model_id)).mappings().one_or_none()
            )
        if row is None:  # deleted between the two queries
            raise NotFound("model", model_id)
        self._seen_at[model_id] = time.monotonic()
        return to_record(ModelRecord, row)

    def is_known(self, model_id: str) -> bool:
        """Whether a model is there, without asking the database; False also where that cannot be told.

        A model that another process deletes is known for `LOOK_AGAIN_S` more, one that another machine
        deletes for `FRESH_S`.
        """
        age_s = time.monotonic() - self._seen_at.get(model_id, -FRESH_S)
        if age_s < LOOK_AGAIN_S:
            return True
        is_there = self._files.is_there_at_once(_key(model_id))
        if is_there is None:
            return age_s < FRESH_S
        if is_there:
            self._seen_at[model_id] = time.monotonic()
        return is_there

    def list(self, limit: int = 50, cursor: str | None = None) -> Page[ModelRecord]:
        """A page of all models, newest first."""
        return list_rows(self._database, models, ModelRecord, limit=limit, cursor=cursor)

    def delete(self, model_id: str, *, is_expired: bool = False) -> None:
        """Delete a model and its files.

        Args:
            is_expired: Record that retention deleted it.

        Raises:
            NotFound: No such model.
            Conflict: An alias names it, or an unfinished job needs it.
        """

        def forget(connection: sa.Connection) -> None:
            # Locks the row against a concurrent alias or job.
            row = connection.execute(
                sa.select(models.c.seq).where(models.c.id == model_id).with_for_update()
            ).one_or_none()
            if row is None:
                raise NotFound("model", model_id)
            _check_unused(connection, model_id)
            connection.execute(sa.delete(models).where(models.c.id == model_id))
            if is_expired:
                remember_expired(connection, model_id)

        key = _key(model_id)
        self._database.write_on_full_disk(forget)
        self._seen_at.pop(model_id, None)
        with suppress(StorageUnavailable):  # files without a row are removed later
            self._files.remove(key)
        self._database.reserve.refill()

    def directory(self, model_id: str) -> Path:
        """The directory of a model's files, to be read only.

        Raises:
            FileNotFoundError: There is none.
        """
        return self._files.fetch_directory(_key(model_id))

    def publish_files(self, model_id: str, source: Path) -> None:
        """Move a directory of `Store.spool_dir` to where a model's files are, before it is inserted."""
        self._files.publish(source, _key(model_id))

    def remove_files(self, model_id: str) -> None:
        """Remove the files of a model that was not inserted, if there are any."""
        self._files.remove(_key(model_id))

    def groups(self, model_id: str) -> dict[str, tuple[str, ...]]:
        """The features of each category of a model, by the category's name.

        Raises:
            NotFound: No such model.
        """
        grouping = self._grouping(model_id)
        return {category["name"]: tuple(category["features"]) for category in grouping["categories"]}

    def families(self, model_id: str) -> dict[str, tuple[str, ...]]:
        """The families that the features of each category of a model are of, by the category's name.

        Raises:
            NotFound: No such model.
        """
        grouping = self._grouping(model_id)
        found: dict[str, dict[str, None]] = {category["name"]: {} for category in grouping["categories"]}
        names = list(found)
        for feature in grouping["features"]:
            found[names[feature["category"]]][feature["family"]] = None
        return {name: tuple(families) for name, families in found.items()}

    def _grouping(self, model_id: str) -> Json:
        try:
            grouping: Json = orjson.loads((self.directory(model_id) / "grouping.json").read_bytes())
        except FileNotFoundError as error:
            raise NotFound("model", model_id) from error
        return grouping


def _key(model_id: str) -> str:
    return key_of(KIND, model_id)


def resolve_model_id(connection: sa.Connection, key: str, *, for_share: bool = False) -> str:
    """Resolve an id or `@alias` to a model's id.

    Args:
        for_share: Lock the model against deletion until the transaction ends.

    Raises:
        NotFound: No such model or alias.
    """
    query = sa.select(models.c.id)
    if for_share:
        query = query.with_for_update(read=True, of=models)
    if key.startswith(ALIAS_MARK):
        kind, key = "alias", key.removeprefix(ALIAS_MARK)
        query = query.join(aliases, aliases.c.model_id == models.c.id).where(aliases.c.name == key)
    else:
        kind, query = "model", query.where(models.c.id == key)
    model_id = connection.execute(query).scalar_one_or_none()
    if model_id is None:
        raise NotFound(kind, key)
    return str(model_id)


def _check_unused(connection: sa.Connection, model_id: str) -> None:
    alias = connection.execute(
        sa.select(aliases.c.name).where(aliases.c.model_id == model_id).order_by(aliases.c.name).limit(1)
    ).scalar_one_or_none()
    if alias is not None:
        raise Conflict(f"The alias {alias!r} names this model.", code="model_aliased")
    job_id = connection.execute(
        sa.select(jobs.c.id)
        .where(jobs.c.start_model_id == model_id, jobs.c.status.in_(UNFINISHED))
        .order_by(jobs.c.seq)
        .limit(1)
    ).scalar_one_or_none()
    if job_id is not None:
        raise Conflict(f"Job {job_id} still needs this model.", code="model_in_use")
