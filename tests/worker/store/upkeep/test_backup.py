"""Backups made while the store is in use, and restored into either kind of database."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from worker.contract.settings import ServiceSettings
from worker.store import Claim, Store
from worker.store.database import schema
from worker.store.database.errors import Conflict
from worker.store.upkeep.backup import BackupError


@pytest.fixture
def filled(store, settings, submit, make_progress):
    """A store with something of everything."""
    first = store.leases.claim(submit(labels={"team": "x"}, name="first").id, "w", threads=1)
    store.recordings.record_progress(first, make_progress(1))
    store.models.directory("model_1").mkdir(parents=True)
    (store.models.directory("model_1") / "grouping.json").write_text("{}")
    store.leases.publish(first, "model_1", {"levels": 3}, "abc")
    store.aliases.put("best", "model_1")
    running = store.leases.claim(submit().id, "w", threads=1)
    checkpoint = (store.spool_dir.parent / "jobs" / running.job.id) / "checkpoint"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"state")
    store.recordings.record_checkpoint(
        running, epoch=1, step=3, file_name=checkpoint.name, digest="d", size_bytes=5
    )
    submit()
    return store


@pytest.fixture
def empty(tmp_path):
    settings = ServiceSettings(data_dir=tmp_path / "restored", lease_s=0.01)
    opened = Store.open(settings)
    yield opened
    opened.close()


def rows(store):
    with store._database.snapshot() as connection:
        return {
            table.name: [
                row._asdict() for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in schema.metadata.sorted_tables
        }


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for kind in ("datasets", "models", "jobs")
        for path in (directory / kind).rglob("*")
        if path.is_file()
    }


def test_a_restored_store_equals_the_one_that_was_backed_up(filled, settings, empty, tmp_path):
    filled.backups.make(tmp_path / "backup")
    empty.backups.restore(tmp_path / "backup")
    assert rows(empty) == rows(filled)
    assert contents(tmp_path / "restored") == contents(settings.data_dir)
    assert len(contents(settings.data_dir)) == 3


def test_a_backup_is_restored_into_the_kind_of_database_that_it_came_from_and_numbers_go_on(
    filled, store, tmp_path, submit
):
    filled.backups.make(tmp_path / "backup")
    before = rows(filled)
    with store._database.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(sa.delete(table))
    store.backups.restore(tmp_path / "backup")
    assert rows(store) == before
    newest = submit()
    assert store.jobs.list().items[0].id == newest.id
    store.aliases.put("another", "model_1")
    assert [alias.name for alias in store.aliases.list().items] == ["another", "best"]


def test_a_job_that_ran_when_the_backup_was_made_is_taken_up_again(filled, empty, tmp_path):
    filled.backups.make(tmp_path / "backup")
    empty.backups.restore(tmp_path / "backup")
    (running,) = empty.jobs.list(status="running").items
    with empty._database.write() as connection:
        connection.execute(sa.update(schema.jobs).values(lease_expires_at=1.0))
    assert empty.outbox.expire_leases() == []
    time.sleep(0.02)
    assert empty.outbox.expire_leases() == [running.id]
    (checkpoint,) = empty.jobs.checkpoints(running.id)
    path = empty.recordings.fetch_checkpoint(Claim(running, running.token), checkpoint)
    assert path.read_bytes() == b"state"


def test_a_backup_goes_from_a_disk_into_an_object_storage_and_back(filled, empty, s3, tmp_path, dataset):
    filled.backups.make(tmp_path / "backup")
    elsewhere = Store.open(ServiceSettings(data_dir=tmp_path / "elsewhere", **s3.settings))
    elsewhere.backups.restore(tmp_path / "backup")
    assert f"datasets/{dataset.id}/values.npy" in s3.object_names()
    shutil.rmtree(tmp_path / "elsewhere" / "cache")
    elsewhere.files.prepare()
    elsewhere.backups.make(tmp_path / "again")
    elsewhere.close()
    assert contents(tmp_path / "again").keys() == contents(tmp_path / "backup").keys()
    empty.backups.restore(tmp_path / "again")
    assert rows(empty) == rows(filled)
    assert contents(empty.spool_dir.parent) == contents(filled.spool_dir.parent)


def test_nothing_is_restored_over_something_or_from_nothing(filled, empty, tmp_path):
    filled.backups.make(tmp_path / "backup")
    with pytest.raises(BackupError, match="already"):
        filled.backups.make(tmp_path / "backup")
    with pytest.raises(BackupError, match="not empty"):
        filled.backups.restore(tmp_path / "backup")
    with pytest.raises(BackupError, match="holds no backup"):
        empty.backups.restore(tmp_path / "nothing")
    (tmp_path / "backup" / "models" / "model_1" / "grouping.json").unlink()
    (tmp_path / "backup" / "models" / "model_1").rmdir()
    with pytest.raises(BackupError, match="model_1"):
        empty.backups.restore(tmp_path / "backup")
    assert empty.jobs.list().items == []


def test_a_backup_and_what_is_restored_from_it_are_closed_to_others(filled, empty, settings, tmp_path):
    def readable(directory):
        return [path for path in [directory, *directory.rglob("*")] if path.stat().st_mode & 0o077]

    assert readable(settings.data_dir / "models")  # made by this process, under the usual mask
    filled.backups.make(tmp_path / "backup")
    assert readable(tmp_path / "backup") == []
    for path in (tmp_path / "backup").rglob("*"):
        path.chmod(0o755)
    empty.backups.restore(tmp_path / "backup")
    assert readable(tmp_path / "restored") == []


@pytest.mark.parametrize("table", ["datasets", "models", "jobs"])
@pytest.mark.parametrize("hostile", ["../../../victim", "{tmp_path}/victim", "x/../../../victim", "..", ""])
def test_a_backup_whose_rows_lead_elsewhere_is_refused_before_anything_is_touched(
    filled, empty, tmp_path, table, hostile
):
    filled.backups.make(tmp_path / "backup")
    write_hostile(tmp_path / "backup", f"UPDATE {table} SET id = ? WHERE seq = 1", tmp_path, hostile)
    assert_refused(empty, tmp_path)


def test_a_backup_whose_checkpoint_lies_elsewhere_is_refused(filled, empty, tmp_path):
    filled.backups.make(tmp_path / "backup")
    write_hostile(tmp_path / "backup", "UPDATE checkpoints SET file_name = ?", tmp_path, "../../victim/kept")
    assert_refused(empty, tmp_path)


def write_hostile(backup, statement, tmp_path, name):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "kept").write_text("kept")
    with closing(sqlite3.connect(backup / "catvq.db")) as connection, connection:
        connection.execute(statement, [name.format(tmp_path=tmp_path)])


def assert_refused(store, tmp_path):
    with pytest.raises(Conflict, match="is no id and no name of a file") as caught:
        store.backups.restore(tmp_path / "backup")
    assert caught.value.code == "unsafe_id"
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["kept"]
    assert rows(store)["jobs"] == []
    assert contents(tmp_path / "restored") == {}


def test_a_backup_with_links_is_refused(filled, empty, tmp_path):
    filled.backups.make(tmp_path / "backup")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "backup" / "models" / "model_1" / "report.json").symlink_to(tmp_path / "secret")
    with pytest.raises(BackupError, match="holds links"):
        empty.backups.restore(tmp_path / "backup")
    assert contents(tmp_path / "restored") == {}


def test_the_commands_say_what_they_did(filled, settings, tmp_path):
    def run(command, data_dir, database_url=None):
        environment = os.environ | {"CATVQ_DATA_DIR": str(data_dir)}
        environment |= {"CATVQ_DATABASE_URL": database_url} if database_url else {}
        return subprocess.run(
            [sys.executable, "-m", "worker.store", command, str(tmp_path / "backup")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("backup", settings.data_dir, settings.sqlalchemy_url).returncode == 0
    restored = run("restore", tmp_path / "new")
    assert (restored.returncode, "was restored" in restored.stdout) == (0, True)
    again = run("restore", tmp_path / "new")
    assert (again.returncode, "not empty" in again.stderr) == (1, True)
    assert json.loads((tmp_path / "new" / "models" / "model_1" / "grouping.json").read_text()) == {}
