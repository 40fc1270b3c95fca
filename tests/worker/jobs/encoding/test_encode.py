"""Datasets encoded by the code of the job process, called in this one."""

import json
import shutil
import threading

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from catvq.frozen.table_encoder import _torch
from tests.worker.jobs.encoding.codes import ROWS, codes_by_hand, values_of, when_written
from worker.contract.job_config import JobKind, JobStatus
from worker.jobs.encoding import encode
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.run_job import run_claim
from worker.store import Store
from worker.store.database.errors import Conflict


def test_the_result_is_a_dataset_of_codes(store, model, ask, run):
    claim = ask(name="coded", labels={"team": "x"})
    job = run(claim)
    assert model.document["reading"] == {"na_values": ["-", -999]}
    assert (job.kind, job.status, job.model_id) == (JobKind.ENCODING, JobStatus.SUCCEEDED, None)
    assert job.live.progress["step"] == job.live.progress["steps"] == ROWS
    result = store.datasets.get(job.result_dataset_id)
    names = [f"{category}.{level}" for category in model.document["categories"] for level in range(2)]
    assert (result.name, result.rows, result.features) == ("coded", ROWS, names)
    assert list(result.families) == model.document["categories"]
    values = values_of(store, result.id)
    assert values.dtype == np.float32
    assert np.array_equal(values, codes_by_hand(store, model, job.dataset_id))
    assert not (store.spool_dir.parent / "jobs" / job.id).joinpath(encode.FILE_NAME).exists()


def test_a_result_that_would_exceed_the_quota_fails_the_job_before_it_is_made(store, settings, ask):
    claim = ask()  # of 24 kB, as codes 16 kB
    limited = Store.connect(settings.model_copy(update={"max_stored_bytes": 35_000}))
    with Heartbeat(
        limited.leases, claim, lease_s=settings.lease_s, is_stopping=threading.Event()
    ) as heartbeat:
        run_claim(limited, claim, heartbeat)
    limited.close()
    job = store.jobs.get(claim.job.id)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "quota_exceeded")
    assert not ((store.spool_dir.parent / "jobs" / job.id) / encode.FILE_NAME).exists()


def test_the_same_model_and_dataset_are_encoded_once(store, ask, run, dataset):
    first, second = run(ask(dataset)), run(ask(dataset))
    assert first.result_dataset_id == second.result_dataset_id
    assert second.live is None  # nothing was left to do


def test_columns_are_matched_by_name(store, model, ask, run, dataset, add_dataset):
    values = values_of(store, dataset.id)
    path = store.spool_dir / "reversed.npy"
    np.save(path, np.ascontiguousarray(values[:, ::-1]))
    turned = dataset.features[::-1]
    new = encode.NewDataset(
        name=None,
        features=turned,
        families={"all": turned},
        digest="reversed",
        rows=dataset.rows,
        warnings=[],
    )
    source = store.datasets.create(new, encode.NewFiles(values=path))[0]
    result = run(ask(source)).result_dataset_id
    assert np.array_equal(values_of(store, result), codes_by_hand(store, model, dataset.id))


def test_keys_become_those_of_the_result(store, ask, run, dataset):
    columns = {name: [f"{name}{row}" for row in range(dataset.rows)] for name in ("who", "site", "visit")}
    keys, values = store.spool_dir / "keys.parquet", store.spool_dir / "values.npy"
    parquet.write_table(pa.table(columns), keys)
    np.save(values, values_of(store, dataset.id))
    new = encode.NewDataset(
        name=None,
        features=dataset.features,
        families=dataset.families,
        columns=[{"name": name, "type": "key"} for name in columns],
        digest="keyed",
        rows=dataset.rows,
        warnings=[],
    )
    source = store.datasets.create(new, encode.NewFiles(values=values, keys=keys))[0]
    plain = run(ask(source)).result_dataset_id
    result = store.datasets.get(run(ask(source, keys=["visit", "who"])).result_dataset_id)

    assert [column for column in result.columns if column["type"] == "key"] == [
        {"name": "visit", "type": "key"},
        {"name": "who", "type": "key"},
    ]
    kept = parquet.read_table(store.datasets.keys_path(result.id)).to_pydict()
    assert kept == {name: columns[name] for name in ("visit", "who")}
    assert plain != result.id
    assert np.array_equal(values_of(store, result.id), values_of(store, plain))


def test_a_lost_worker_does_not_write_into_its_successors_file(store, model, ask, run):
    held = ask()
    store.outbox.release_worker("w")
    successor = store.leases.claim(held.job.id, "w2", threads=1)
    assert run(held).status is JobStatus.RUNNING  # the successor's; the first claim has changed nothing
    job = run(successor)
    assert np.array_equal(
        values_of(store, job.result_dataset_id), codes_by_hand(store, model, job.dataset_id)
    )


def test_a_cancelled_encoding_does_not_succeed(store, ask, run, in_small_parts, monkeypatch):
    held = ask()
    when_written(store, monkeypatch, ROWS, lambda: store.controls.cancel(held.job.id))  # at the last moment
    job = run(held)
    assert (job.status, job.result_dataset_id) == (JobStatus.CANCELLED, None)


def test_a_model_and_a_dataset_stay_while_they_are_needed(store, model, ask):
    held = ask()
    with pytest.raises(Conflict, match="still needs"):
        store.models.delete(model.id)
    with pytest.raises(Conflict, match="still needs"):
        store.datasets.delete(held.job.dataset_id)


def test_an_encoding_is_not_steered(store, ask):
    job_id = ask().job.id
    for change in (store.controls.finish, lambda job: store.controls.steer(job, held=True)):
        with pytest.raises(Conflict, match="encodes") as refused:
            change(job_id)
        assert refused.value.code == "not_training"


def test_a_model_whose_files_are_gone_fails_the_job_with_a_reason(store, model, ask, run):
    held = ask()
    shutil.rmtree(store.models.directory(model.id))
    job = run(held)
    assert (job.status, "model.json" in job.error.text) == (JobStatus.FAILED, True)


def test_torch_gives_the_codes_of_the_graph(store, model, dataset):
    directory = store.models.directory(model.id)
    document = json.loads((directory / "model.json").read_text())
    run = _torch(directory, document, torch.device("cpu"))
    assert np.array_equal(
        run({"rows": values_of(store, dataset.id)}), codes_by_hand(store, model, dataset.id)
    )


def test_times_are_counted_from_the_models_origin(store, model, ask, run, add_dataset):
    files = store.models.directory(model.id)
    document = json.loads((files / "model.json").read_text())
    name = document["features"][0]
    document["origins"][0] = "2026-01-31T00:00:00"
    (files / "model.json").write_text(json.dumps(document))
    plain = add_dataset(rows=50, seed=3)
    values = values_of(store, plain.id).astype(np.float64)
    path = store.spool_dir / "later.npy"
    np.save(path, values - np.eye(1, values.shape[1])[0] * 86_400)
    new = encode.NewDataset(
        name=None,
        features=plain.features,
        families=plain.families,
        columns=[{"name": name, "type": "datetime", "origin": "2026-02-01T00:00:00Z"}],
        digest="later",
        rows=plain.rows,
        warnings=[],
    )
    result = run(ask(store.datasets.create(new, encode.NewFiles(values=path))[0])).result_dataset_id
    assert np.array_equal(values_of(store, result), codes_by_hand(store, model, plain.id))
