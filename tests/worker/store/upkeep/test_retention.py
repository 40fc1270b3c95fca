"""What expires, what stays because it is in use, and what is left behind by processes that died."""

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from worker.contract.job_config import JobRequest
from worker.contract.settings import ServiceSettings
from worker.store import NotFound, Store
from worker.store.database import schema
from worker.store.database.errors import Conflict
from worker.store.upkeep.retention import DAY_S, LEFT_AFTER_S


@pytest.fixture
def settings(settings):
    keep = {"keep_jobs_days": 1, "keep_models_days": 2, "keep_datasets_days": 3}
    return ServiceSettings(**(settings.model_dump() | keep))


@pytest.fixture
def end(store):
    """Ends a job with a model, or without."""

    def to_end(job, *, model=None):
        claim = store.leases.claim(job.id, "w", threads=1)
        if model is None:
            store.leases.fail(claim, "x", "y")
        else:
            store.models.directory(model).mkdir(parents=True)
            store.leases.publish(claim, model, {}, model)
        return job

    return to_end


def age(store, table, days, *times):
    """Move everything in a table back by some days."""
    earlier = {name: table.c[name] - days * DAY_S for name in times}
    with store._database.write() as connection:
        connection.execute(sa.update(table).values(**earlier))


def test_jobs_expire_after_their_end_and_leave_their_models(store, submit, end):
    ended = end(submit(), model="model_1")
    waiting = submit()
    assert store.retention.expire() == []
    age(store, schema.jobs, 1.1, "created_at", "finished_at")
    assert store.retention.expire() == [ended.id]
    assert store.retention.is_expired(ended.id)
    assert not store.retention.is_expired(waiting.id)
    assert store.jobs.get(waiting.id)
    assert store.models.get("model_1")
    with pytest.raises(NotFound):
        store.jobs.get(ended.id)


def test_models_expire_unless_they_have_an_alias_or_a_job_starts_from_them(store, submit, end):
    for model in ("model_1", "model_2", "model_3"):
        end(submit(), model=model)
    store.aliases.put("best", "model_1")
    submit(assignment={"init": "model", "model": "model_2"})
    age(store, schema.models, 2.1, "created_at")
    assert store.retention.expire() == ["model_3"]
    assert not store.models.directory("model_3").exists()
    assert store.models.directory("model_1").exists()
    store.aliases.delete("best")
    assert store.retention.expire() == ["model_1"]


def test_datasets_expire_after_the_last_job_that_needed_them(store, submit, dataset, add_dataset, end):
    unused, tests = add_dataset(seed=1), add_dataset(seed=2)
    job = submit(training={"split": {"test": tests.id}})
    age(store, schema.datasets, 3.1, "created_at")
    assert store.retention.expire() == [unused.id]
    end(job)
    assert store.retention.expire() == []
    age(store, schema.jobs, 3.1, "finished_at")
    assert set(store.retention.expire()) == {job.id, dataset.id, tests.id}
    assert not store.datasets.values_path(dataset.id).exists()


def test_a_dataset_that_is_uploaded_again_is_a_new_one(store, dataset, add_dataset):
    age(store, schema.datasets, 3.1, "created_at")
    assert store.retention.expire() == [dataset.id]
    again = add_dataset()
    assert (again.digest, again.id != dataset.id) == (dataset.digest, True)


def test_nothing_expires_without_a_setting(tmp_path, database_url, dataset):
    store = Store.connect(ServiceSettings(data_dir=tmp_path / "data", database_url=database_url))
    age(store, schema.datasets, 10_000, "created_at")
    assert store.retention.expire() == []
    store.close()


@pytest.mark.parametrize("hostile", ["../../victim", "{tmp_path}/victim", ".."])
@pytest.mark.parametrize("kind", ["datasets", "models", "jobs"])
def test_a_row_whose_id_leads_elsewhere_is_neither_expired_nor_deleted_while_others_are(
    store, tmp_path, submit, end, kind, hostile
):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "kept").write_text("kept")
    hostile = hostile.format(tmp_path=tmp_path)
    end(submit(report={"baselines": False}), model="model_1")
    with store._database.write() as connection:
        connection.execute(sa.delete(schema.job_events))
        connection.execute(sa.update(schema.metadata.tables[kind]).values(id=hostile))
    age(store, schema.datasets, 9, "created_at")
    age(store, schema.models, 9, "created_at")
    age(store, schema.jobs, 9, "created_at", "finished_at")
    removed = store.retention.expire()
    assert (len(removed), hostile in removed) == (2, False)
    kept = getattr(store, kind)
    with pytest.raises(Conflict, match="is no id"):
        kept.delete(hostile)
    assert kept.get(hostile).id == hostile
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["kept"]


DIE = """
import os, signal, sys
import numpy as np
from worker.contract.settings import ServiceSettings
from worker.store import NewDataset, NewFiles, Store
from worker.store.database import durable_files

store = Store.connect(ServiceSettings(data_dir=sys.argv[1], database_url=sys.argv[2]))
path = store.spool_dir / "values.npy"
np.save(path, np.zeros((8, 1), np.float32))
move = durable_files.move_file_into_place

def move_and_die(source, target):
    move(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

durable_files.move_file_into_place = move_and_die
new = NewDataset(name=None, features=["a"], families={"a": ["a"]}, digest="x", rows=8, warnings=[])
store.datasets.create(new, NewFiles(values=path))
"""


def test_what_a_killed_process_left_behind_is_removed_later_and_what_is_known_stays(
    store, settings, dataset, submit, end
):
    end(submit(), model="model_1")
    arguments = [str(settings.data_dir), settings.sqlalchemy_url]
    subprocess.run([sys.executable, "-c", DIE, *arguments], check=False)
    (orphan,) = {path.name for path in settings.data_dir.glob("datasets/*")} - {dataset.id}
    left = [settings.data_dir / "models" / "model_9", settings.data_dir / "spool" / "job_8"]
    for path in left:
        path.mkdir(parents=True)
    assert store.retention.remove_orphans() == []
    earlier = settings.data_dir.stat().st_mtime - 2 * LEFT_AFTER_S
    for path in settings.data_dir.glob("*/*"):
        os.utime(path, (earlier, earlier))
    removed = set(store.retention.remove_orphans())
    assert removed == {f"datasets/{orphan}", "models/model_9", "job_8"}
    assert store.datasets.values_path(dataset.id).exists()
    assert store.models.directory("model_1").exists()


def test_expiry_by_several_workers_at_once_does_no_harm(store, settings, submit, end):
    for _ in range(5):
        end(submit())
    age(store, schema.jobs, 2, "finished_at")
    other = Store.connect(settings)
    first, second = store.retention.expire(), other.retention.expire()
    assert (len(first), second) == (5, [])
    other.close()


def test_a_job_submitted_in_the_last_moment_keeps_its_dataset(store, dataset):
    age(store, schema.datasets, 3.1, "created_at")
    store.jobs.submit(JobRequest(dataset=dataset.id), {})
    assert store.retention.expire() == []
