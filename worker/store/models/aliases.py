"""Aliases: movable names of models, such as `production`."""

from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import NotFound, PreconditionFailed
from worker.store.database.pagination import Page, list_rows
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, aliases
from worker.store.models.models import resolve_model_id
from worker.store.records import AliasRecord


class Aliases:
    """All aliases; each names one model.

    Args:
        journal: A file that grows with every change, so that other processes see a change by its size.
    """

    def __init__(self, database: Database, journal: Path) -> None:
        self._database = database
        self._journal = journal

    @property
    def revision(self) -> int:
        """A number that changes when any process moves or deletes an alias."""
        try:
            return self._journal.stat().st_size
        except FileNotFoundError:
            return 0

    def put(self, name: str, model_id: str, expected_version: int | None = None) -> AliasRecord:
        """Create an alias or move it to a model.

        Args:
            model_id: The model's id or an `@alias` of it.
            expected_version: Only move the alias from this version; 0: it must not exist.

        Raises:
            NotFound: No such model.
            PreconditionFailed: The alias is in another version.
        """
        try:
            record = self._put(name, model_id, expected_version)
        except sa.exc.IntegrityError:  # a concurrent request created it
            record = self._put(name, model_id, expected_version)
        self._note_change()
        return record

    def get(self, name: str) -> AliasRecord:
        """The alias of this name.

        Raises:
            NotFound: No such alias.
        """
        with self._database.read() as connection:
            return _read(connection, name)

    def delete(self, name: str, expected_version: int | None = None) -> None:
        """Delete an alias; its model stays.

        Raises:
            NotFound: No such alias.
            PreconditionFailed: The alias is in another version than expected.
        """

        def forget(connection: sa.Connection) -> None:
            _check_version(name, _read(connection, name, for_update=True).version, expected_version)
            connection.execute(sa.delete(aliases).where(aliases.c.name == name))

        self._database.write_on_full_disk(forget)
        self._note_change()

    def list(self, limit: int = 50, cursor: str | None = None) -> Page[AliasRecord]:
        """A page of all aliases, newest first."""
        return list_rows(self._database, aliases, AliasRecord, limit=limit, cursor=cursor)

    def _note_change(self) -> None:
        # If the write fails on a full disk, other processes still reread an alias after a second.
        with suppress(OSError), self._journal.open("ab") as journal:
            journal.write(b".")

    def _put(self, name: str, model_id: str, expected_version: int | None) -> AliasRecord:
        with self._database.write() as connection:
            target = resolve_model_id(connection, model_id, for_share=True)
            try:
                current = _read(connection, name, for_update=True).version
            except NotFound:
                current = 0
            _check_version(name, current, expected_version)
            values = {"model_id": target, "version": current + 1, "updated_at": DatabaseNow()}
            if current == 0:
                connection.execute(sa.insert(aliases).values(name=name, **values))
            else:
                connection.execute(sa.update(aliases).where(aliases.c.name == name).values(**values))
            return _read(connection, name)


def _read(connection: sa.Connection, name: str, *, for_update: bool = False) -> AliasRecord:
    query = sa.select(aliases).where(aliases.c.name == name)
    row = connection.execute(query.with_for_update() if for_update else query).mappings().one_or_none()
    if row is None:
        raise NotFound("alias", name)
    return to_record(AliasRecord, row)


def _check_version(name: str, current: int, expected: int | None) -> None:
    if expected is not None and current != expected:
        raise PreconditionFailed(
            f"The alias {name!r} is in version {current}, not {expected}.", code="version_mismatch"
        )
