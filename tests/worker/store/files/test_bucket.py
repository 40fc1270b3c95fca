import logging
import os
import subprocess
import sys
import traceback

import pytest

from tests.s3 import FAILURE, REFUSAL
from worker.contract.settings import ServiceSettings
from worker.store import NotFound, Store, StoreUnavailable
from worker.store.database import schema
from worker.store.files import bucket
from worker.store.files.files import open_files
from worker.store.models import models

KEY = "datasets/ds_1/values.npy"
SIZE = 12_000_000  # more than one part, and more than one piece
UPLOAD = """
import sys
from pathlib import Path
from worker.contract.settings import ServiceSettings
from worker.store.files.files import open_files
files = open_files(ServiceSettings(data_dir=Path(sys.argv[1])), holds=False)
print("begins", flush=True)
files.publish(files.spool_dir / "x", "datasets/ds_1/values.npy")
"""


@pytest.fixture
def files(s3, tmp_path):
    """Opens the same bucket from a directory of another machine each time."""

    def open_as(name):
        opened = open_files(ServiceSettings(data_dir=tmp_path / name, **s3.settings), holds=False)
        opened.prepare()
        return opened

    return open_as


@pytest.fixture
def publish():
    def put(files, key=KEY, size=SIZE):
        content = os.urandom(size)
        (files.spool_dir / "x").write_bytes(content)
        files.publish(files.spool_dir / "x", key)
        return content

    return put


def test_what_one_machine_publishes_another_reads(files, publish, s3):
    content = publish(files("a"))
    assert files("b").fetch(KEY).read_bytes() == content
    assert s3.object_names() == [KEY]


def test_a_directory_comes_whole(files, s3):
    here, there = files("a"), files("b")
    source = here.spool_dir / "model"
    for name in ("a", "deep/b"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    here.publish(source, "models/m")
    found = there.fetch_directory("models/m")
    assert (found / "deep" / "b").read_text() == "deep/b"
    assert sorted(path.name for path in found.iterdir()) == ["a", "deep"]
    assert there.names("models") == ["m"]


def test_what_is_not_there_is_a_missing_file(files):
    for fetch in (files("a").fetch, files("a").fetch_directory):
        with pytest.raises(FileNotFoundError):
            fetch("models/none")


def test_what_is_removed_is_gone_with_its_copy(files, publish, s3):
    here = files("a")
    publish(here, size=10)
    publish(here, key="datasets/ds_10/values.npy", size=10)
    here.remove("datasets/ds_1")
    assert s3.object_names() == ["datasets/ds_10/values.npy"]
    with pytest.raises(FileNotFoundError):
        here.fetch(KEY)


@pytest.mark.parametrize("fault", ["errors", "cuts"])
def test_a_request_that_fails_is_made_again(files, publish, s3, fault):
    here, there = files("a"), files("b")
    setattr(s3.faults, fault, 2)
    content = publish(here)
    setattr(s3.faults, fault, 2)
    assert there.fetch(KEY).read_bytes() == content


def test_a_slow_storage_is_waited_for(files, publish, s3):
    here, there = files("a"), files("b")
    s3.faults.delay_s = 0.01
    assert publish(here) == there.fetch(KEY).read_bytes()


def test_a_storage_that_is_away_is_unavailable_and_leaves_nothing_behind(files, publish, s3, monkeypatch):
    monkeypatch.setattr(bucket, "RETRY_FOR", bucket.RETRY_FOR / 20)
    here, there = files("a"), files("b")
    content = publish(here)
    s3.faults.is_away = True
    with pytest.raises(StoreUnavailable, match="object storage does not answer"):
        there.fetch(KEY)
    with pytest.raises(StoreUnavailable):
        publish(there, key="datasets/ds_2/values.npy")
    assert (there.spool_dir / "x").exists()
    assert list((there.spool_dir.parent / "cache").iterdir()) == []
    s3.faults.is_away = False
    there.publish(there.spool_dir / "x", "datasets/ds_2/values.npy")
    assert there.fetch(KEY).read_bytes() == content
    assert s3.object_names() == [KEY, "datasets/ds_2/values.npy"]


def test_an_upload_whose_process_is_killed_leaves_no_part_of_a_file(files, s3):
    here = files("a")
    (here.spool_dir / "x").write_bytes(os.urandom(SIZE))
    s3.faults.delay_s = 0.02
    command = [sys.executable, "-c", UPLOAD, str(here.spool_dir.parent)]
    with subprocess.Popen(command, env=s3.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begins\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()
    s3.faults.delay_s = 0.0
    assert s3.object_names() == []


def test_a_bucket_that_is_not_there_is_said_at_once(s3, tmp_path):
    settings = ServiceSettings(data_dir=tmp_path, storage_url="s3://not-there", s3_endpoint=s3.endpoint)
    with pytest.raises(StoreUnavailable, match="no bucket 'not-there'"):
        open_files(settings, holds=False).prepare()


@pytest.mark.parametrize(
    ("error", "told"), [(FAILURE, "does not answer"), (REFUSAL, "refuses these credentials")]
)
def test_an_error_says_what_failed_and_holds_no_credential(s3, files, caplog, monkeypatch, error, told):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(bucket, "RETRY_FOR", bucket.RETRY_FOR / 20)
    here = files("a")
    s3.faults.error, s3.faults.errors = error, 1000
    with pytest.raises(StoreUnavailable, match=told) as caught:
        here.fetch(KEY)
    everything = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not any(secret in everything for secret in ("hidden-key-id", "hidden-secret"))


def test_a_model_that_another_machine_deletes_is_known_for_a_second_at_most(s3, tmp_path, monkeypatch):
    database = f"sqlite:///{tmp_path / 'catvq.db'}"
    here, there = (
        Store.open(ServiceSettings(data_dir=tmp_path / name, database_url=database, **s3.settings))
        for name in ("here", "there")
    )
    with here._database.write() as connection:
        values = {"id": "model_1", "digest": "d", "job_id": "j", "dataset_id": "ds", "document": {}}
        connection.execute(schema.models.insert().values(created_at=1.0, **values))
    assert not there.models.is_known("model_1")
    there.models.get("model_1")
    assert there.models.is_known("model_1")
    here.models.delete("model_1")
    monkeypatch.setattr(models, "FRESH_S", 0.0)
    assert not there.models.is_known("model_1")
    with pytest.raises(NotFound):
        there.models.get("model_1")
    here.close()
    there.close()
