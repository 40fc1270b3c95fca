import os
import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from worker.settings import ServiceSettings
from worker.store import Store, StoreUnavailable
from worker.store.database import Database
from worker.store.migrate import MIGRATIONS, newest_revision
from worker.store.schema import metadata


def test_the_migrations_build_the_tables_that_the_code_expects(store, settings):
    database = Database(settings.sqlalchemy_url)
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    assert differences == []


def test_a_database_in_the_newest_layout_is_recognised_without_alembic(store, settings):
    assert newest_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
    program = """
import sys
from worker.settings import ServiceSettings
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


def test_a_store_opened_again_has_its_data(store, settings, dataset):
    again = Store.open(settings)
    assert again.datasets.get(dataset.id) == dataset
    again.close()


def test_sqlite_lets_readers_go_on_while_somebody_writes(tmp_path):
    settings = ServiceSettings(data_dir=tmp_path)
    store = Store.open(settings)
    writer = sqlite3.connect(tmp_path / "catvq.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    store.outbox.count_queued()
    writer.close()
    store.close()


def test_an_unreachable_database_is_said_to_be_unavailable(tmp_path):
    settings = ServiceSettings(data_dir=tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Store.open(settings)


def test_the_store_needs_neither_torch_nor_celery():
    code = "import sys, worker.store, worker.settings; print({'torch', 'celery', 'catvq'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_migrate_command_prepares_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv("CATVQ_DATA_DIR", str(tmp_path))
    subprocess.run([sys.executable, "-m", "worker.store", "migrate"], check=True, capture_output=True)
    with sqlite3.connect(tmp_path / "catvq.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert set(metadata.tables) <= tables
