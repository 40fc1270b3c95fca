import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from worker.contract.settings import ServiceSettings
from worker.store import Store, StoreUnavailable


def test_a_store_opened_again_has_its_data(store, settings, dataset):
    again = Store.open(settings)
    assert again.datasets.get(dataset.id) == dataset
    again.close()


def test_files_may_be_in_another_directory_than_the_database(tmp_path, add_dataset):
    elsewhere = tmp_path / "shared" / "files"
    settings = ServiceSettings(data_dir=tmp_path / "own", storage_url=elsewhere.as_uri())
    opened = Store.open(settings)
    added = add_dataset(store=opened)
    assert opened.datasets.values_path(added.id) == elsewhere / "datasets" / added.id / "values.npy"
    assert not (tmp_path / "own" / "datasets").exists()
    opened.datasets.delete(added.id)
    assert list((elsewhere / "datasets").iterdir()) == []
    opened.close()


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


def test_an_unreachable_database_is_reported_as_unavailable(tmp_path):
    settings = ServiceSettings(data_dir=tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Store.open(settings)


def test_the_store_needs_neither_torch_nor_celery():
    imports = "import sys, worker.store, worker.contract.settings"
    code = f"{imports}; print({{'torch', 'celery', 'sklearn'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
