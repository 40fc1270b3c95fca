"""Databases that are made, recognised, or refused for their format."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import worker
from worker.contract.settings import ServiceSettings
from worker.store import Store, WrongFormat
from worker.store.database.engine import Database
from worker.store.database.migrate import MIGRATIONS, newest_revision
from worker.store.database.schema import metadata

WORKER = ["celery", "-A", "worker.queue.celery_app", "worker"]
OURS = int(newest_revision().partition("_")[0])  # the format that this version reads
STARTS = {
    "api": ["app"],
    "worker": WORKER,
    "migrate": ["worker.store", "migrate"],
    "restore": ["worker.store", "restore", "{tmp_path}/backup"],
}


def run(arguments, settings, cwd=None):
    """Run a command on a store, of the code in `cwd`; gives its exit status and all that it said."""
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(settings.data_dir),
        "CATVQ_DATABASE_URL": settings.sqlalchemy_url,
        "CATVQ_REDIS_URL": "redis://127.0.0.1:1/0",
        "CATVQ_PORT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def write_revision(settings, revision):
    with closing(Database(settings.sqlalchemy_url)) as database, database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


def contents(settings):
    """Every file of a store with its mode and time of change, and every row where they are not in a file."""
    files = {
        str(path): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [settings.data_dir, *settings.data_dir.rglob("*")]
    }
    if settings.sqlalchemy_url.startswith("sqlite"):
        path = sa.make_url(settings.sqlalchemy_url).database
        with open(path, "rb") as file:  # noqa: PTH123
            return files | {path: file.read()}
    with closing(Database(settings.sqlalchemy_url)) as database, database.read() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        return files | {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in found.sorted_tables
        }


@pytest.fixture
def closed_store(settings, store, dataset, tmp_path):
    """The settings of a store with a dataset and a backup, in use by nobody."""
    store.backups.make(tmp_path / "backup")
    store.close()
    return settings


@pytest.mark.parametrize("command", STARTS.values(), ids=STARTS)
def test_a_store_of_another_format_is_refused_in_words_and_left_as_it_is(closed_store, tmp_path, command):
    write_revision(closed_store, f"{OURS + 1}_0003")
    closed_store.data_dir.chmod(0o755)
    before = contents(closed_store)
    status, said = run([part.format(tmp_path=tmp_path) for part in command], closed_store)
    assert status != 0
    assert f"holds a store of format {OURS + 1}, but this version of catvq reads format {OURS}: " in said
    assert f"run the version that wrote it, or move {closed_store.data_dir} away" in said
    assert "Traceback" not in said
    assert contents(closed_store) == before


@pytest.mark.parametrize(
    ("revision", "named"),
    [
        ("0010", "format 0"),
        (f"{OURS}_9999", f"format {OURS} with a later change ({OURS}_9999)"),
        ("1000_0001", "format 1000"),
    ],
)
def test_every_revision_that_is_not_known_is_refused(closed_store, revision, named):
    write_revision(closed_store, revision)
    before = contents(closed_store)
    with pytest.raises(WrongFormat, match="run the version that wrote it") as caught:
        Store.open(closed_store)
    assert f"holds a store of {named}, but" in str(caught.value)
    assert caught.value.code == "wrong_format"
    assert contents(closed_store) == before


def test_a_backup_of_another_format_is_refused_before_anything_is_restored(settings, closed_store, tmp_path):
    backup = tmp_path / "backup"
    with closing(sqlite3.connect(backup / "catvq.db")) as connection, connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{OURS + 1}_0001'")
    before = {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()}
    empty = settings.model_copy(update={"data_dir": tmp_path / "new", "database_url": None})
    Store.open(empty).close()
    restored_before = {path: path.read_bytes() for path in empty.data_dir.rglob("*") if path.is_file()}
    status, said = run(["worker.store", "restore", str(backup)], empty)
    assert (status, "Traceback" in said) == (1, False)
    assert f"{backup}/catvq.db holds a store of format {OURS + 1}" in said
    assert "run the version that wrote it, or restore another backup" in said
    assert {
        path: path.read_bytes() for path in empty.data_dir.rglob("*") if path.is_file()
    } == restored_before
    assert {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()} == before


def test_a_refused_sqlite_file_keeps_what_a_killed_process_left_beside_it(tmp_path):
    """A WAL that was not merged is still to be merged by the version that wrote it."""
    path = tmp_path / "catvq.db"
    code = f"""
import os, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE alembic_version AS SELECT '{OURS + 1}_0001' AS version_num")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    wal = tmp_path / "catvq.db-wal"
    before = path.read_bytes(), wal.read_bytes()
    status, said = run(["worker.store", "migrate"], ServiceSettings(data_dir=tmp_path))
    assert (status, f"format {OURS + 1}" in said) == (1, True)
    assert (path.read_bytes(), wal.read_bytes()) == before


def test_a_new_store_has_the_tables_that_the_code_expects(store, settings):
    with closing(Database(settings.sqlalchemy_url)) as database, database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_a_store_of_an_earlier_revision_gets_what_changed_since(closed_store, tmp_path):
    """Of a later version of the code, which has one migration more."""
    later = tmp_path / "later"
    shutil.copytree(Path(worker.__file__).parent, later / "worker")
    (later / "worker/migrations/versions" / f"{OURS}_9000_notes.py").write_text(
        f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{OURS}_9000", "{newest_revision()}"


def upgrade():
    op.add_column("datasets", sa.Column("notes", sa.String))
"""
    )
    status, said = run(["worker.store", "migrate"], closed_store, cwd=later)
    assert (status, said) == (0, "The database is in the newest layout.\n")
    with closing(Database(closed_store.sqlalchemy_url)) as database, database.read() as connection:
        rows = connection.execute(sa.text("SELECT rows, notes FROM datasets")).all()
        revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    assert (len(rows), rows[0].notes, revision) == (1, None, f"{OURS}_9000")


def test_a_database_in_the_newest_layout_is_recognised_without_alembic(store, settings):
    assert newest_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
    program = """
import sys
from worker.contract.settings import ServiceSettings
from worker.store import Store
Store.open(ServiceSettings()).close()
assert "alembic" not in sys.modules
"""
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(settings.data_dir),
        "CATVQ_DATABASE_URL": settings.database_url,
    }
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_several_processes_may_prepare_an_empty_database_at_once(settings):
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(settings.data_dir),
        "CATVQ_DATABASE_URL": settings.database_url,
    }
    command = [sys.executable, "-m", "worker.store", "migrate"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [(*process.communicate(), process.returncode) for process in processes]
    assert results == [("The database is in the newest layout.\n", "", 0)] * 3


def test_the_migrate_command_prepares_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv("CATVQ_DATA_DIR", str(tmp_path))
    subprocess.run([sys.executable, "-m", "worker.store", "migrate"], check=True, capture_output=True)
    with closing(sqlite3.connect(tmp_path / "catvq.db")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert set(metadata.tables) <= tables
