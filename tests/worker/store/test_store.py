import os
import sqlite3
import stat
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from worker.contract.settings import ServiceSettings
from worker.store import Store, StoreUnavailable
from worker.store.database.engine import Database
from worker.store.database.migrate import MIGRATIONS, newest_revision
from worker.store.database.schema import metadata


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


def test_datasets_of_an_older_layout_count_with_what_they_take(settings):
    settings.data_dir.mkdir()
    database = Database(settings.sqlalchemy_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        connection.execute(
            sa.text(
                "INSERT INTO datasets (id, rows, features, families, digest, warnings, strict, created_at) "
                """VALUES ('ds_1', 3000000000, '["a", "b"]', '{}', 'x', '[]', false, 0)"""
            )
        )
    Store.open(settings).close()
    with database.read() as connection:
        stored = connection.execute(sa.text("SELECT size_bytes, key_id FROM datasets")).one()
    database.close()
    assert tuple(stored) == (24_000_000_128, None)


def test_a_store_opened_again_has_its_data(store, settings, dataset):
    again = Store.open(settings)
    assert again.datasets.get(dataset.id) == dataset
    again.close()


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes_below(directory):
    return {
        str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*")
    }


def test_a_new_data_directory_is_closed_to_others(tmp_path, usual_umask):
    Store.open(ServiceSettings(data_dir=tmp_path / "data")).close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_data_directory_that_others_can_look_into_is_closed_with_all_that_is_in_it(tmp_path, usual_umask):
    data_dir, outside = tmp_path / "data", tmp_path / "outside"
    (data_dir / "models" / "model_1").mkdir(parents=True)
    (data_dir / "models" / "model_1" / "grouping.json").write_text("{}")
    outside.write_text("not ours")
    (data_dir / "link").symlink_to(outside)
    Store.open(ServiceSettings(data_dir=data_dir)).close()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert modes_below(data_dir / "models") == {"model_1": 0o700, "model_1/grouping.json": 0o600}
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


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
    imports = "import sys, worker.store, worker.contract.settings"
    code = f"{imports}; print({{'torch', 'celery', 'catvq'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_migrate_command_prepares_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv("CATVQ_DATA_DIR", str(tmp_path))
    subprocess.run([sys.executable, "-m", "worker.store", "migrate"], check=True, capture_output=True)
    with sqlite3.connect(tmp_path / "catvq.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert set(metadata.tables) <= tables
