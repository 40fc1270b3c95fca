"""Encoding jobs that are claimed, of small parts where a test asks for them."""

import pytest

from tests.worker.jobs.encoding.codes import ROWS
from worker.contract.job_config import EncodingJobRequest
from worker.contract.settings import WorkerSettings
from worker.jobs.encoding import row_codes

SHORT = {"training": {"epochs": 2}, "model": {"categories": 2, "levels": 2}, "assignment": {"mode": "static"}}


@pytest.fixture
def settings(tmp_path):
    return WorkerSettings(data_dir=tmp_path / "data", threads=1)


@pytest.fixture
def model(store, submit, run):
    job = submit(**SHORT, report={"baselines": False})
    return store.models.get(run(store.leases.claim(job.id, "w", threads=1)).model_id)


@pytest.fixture
def ask(store, model, add_dataset):
    """Puts the encoding of a dataset, a new one unless given, into the queue and claims it."""

    def put(source=None, **fields):
        source = source or add_dataset(rows=ROWS, seed=7)
        request = EncodingJobRequest(dataset=source.id, **fields)
        job = store.jobs.submit_encoding(request, model.id, rows=source.rows).job
        return store.leases.claim(job.id, "w", threads=1)

    return put


@pytest.fixture
def in_small_parts(monkeypatch):
    """A test need not be large to be stopped on its way."""
    monkeypatch.setattr(row_codes, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(row_codes, "BATCHES_PER_PART", 1)
