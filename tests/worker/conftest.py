"""What the worker's tests share: a store of their own, a small table in it, and requests to train on it."""

import hashlib
import time

import numpy as np
import pytest

from worker.contract.job_config import JobRequest
from worker.contract.settings import ServiceSettings
from worker.jobs.heartbeat import Heartbeat, stopped_by_sigterm
from worker.store import NewDataset, NewFiles, Progress, Store

FEATURES = ["a0", "a1", "a2", "b0", "b1", "b2"]
FAMILIES = {"a": FEATURES[:3], "b": FEATURES[3:]}
STEPS_INTO_EPOCH = 3


@pytest.fixture
def settings(tmp_path, database_url):
    return ServiceSettings(data_dir=tmp_path / "data", database_url=database_url)


@pytest.fixture
def store(settings):
    opened = Store.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def add_dataset(request):
    """Stores a table whose two families each vary together, in the test's own store unless given another."""

    def add(*, rows=64, members=3, noise=0.1, seed=0, name="tiny", scale=1.0, store=None):
        store = store or request.getfixturevalue("store")
        random = np.random.default_rng(seed)
        causes = random.normal(size=(rows, 2)).repeat(members, axis=1)
        values = (scale * (causes + noise * random.normal(size=causes.shape))).astype(np.float32)
        families = {family: [f"{family}{index}" for index in range(members)] for family in "ab"}
        path = store.spool_dir / f"{name}-{seed}.npy"
        np.save(path, values)
        new = NewDataset(
            name=name,
            features=families["a"] + families["b"],
            families=families,
            digest=hashlib.sha256(values.tobytes()).hexdigest(),
            rows=rows,
            warnings=[],
            reading={"na_values": ["-", -999]},
        )
        return store.datasets.create(new, NewFiles(values=path))[0]

    return add


@pytest.fixture
def dataset(add_dataset):
    return add_dataset()


@pytest.fixture
def submit(store, dataset):
    """Puts a job into the queue; fields as in the body of `POST /v1/jobs`."""

    def put(**fields):
        return store.jobs.submit(JobRequest(**({"dataset": dataset.id} | fields)), {}).job

    return put


@pytest.fixture
def make_progress():
    """What a job records after an epoch of three steps."""

    def make(epoch, *, epochs=100, columns=2):
        return Progress(
            epoch=epoch,
            epochs=epochs,
            step=epoch * 3,
            steps=epochs * 3,
            temperature=1.0 / (1 + epoch),
            losses={"total": float(epoch), "validation": float("nan")},
            assignment={"entropy": 0.5},
            codebook={"usage": 1.0},
            eta_seconds=1.5,
            matrix=np.full((6, columns), 1 / columns, dtype=np.float32),
            categories=[f"category_{index}" for index in range(columns)],
            metrics={"total": float(epoch)} if epoch else {},
        )

    return make


class PromptHeartbeat(Heartbeat):
    """Runs an action some steps into an epoch; training goes on once the heartbeat has read it."""

    def __init__(self, store, claim, actions, **options):
        super().__init__(store.leases, claim, **options)
        self._store = store
        self._job_id = claim.job.id
        self._actions = actions
        self._steps = 0

    def should_stop(self):
        actions = self._actions.get(self._job_id)
        if actions and self._epoch() >= actions[0][0]:
            self._steps += 1
        if self._steps == STEPS_INTO_EPOCH:
            self._steps = 0
            _, act = actions.pop(0)
            act()
            while not self.is_steered and not super().should_stop():
                time.sleep(0.01)
        return super().should_stop()

    def _epoch(self):
        live = self._store.jobs.get(self._job_id).live
        return -1 if live is None else live.progress["epoch"]


@pytest.fixture
def actions():
    return {}


@pytest.fixture
def when(actions):
    """Does something while a job trains, in the middle of an epoch after the given one; in that order."""
    return lambda job_id, epoch, act: actions.setdefault(job_id, []).append((epoch, act))


@pytest.fixture
def run(store, settings, actions):
    """Runs a claimed job by the code of the training process, in this one."""
    import torch  # noqa: PLC0415 - most tests here need no torch

    from worker.jobs.run_job import run_claim  # noqa: PLC0415

    before = torch.get_num_threads()

    def to_end(claim):
        with (
            stopped_by_sigterm() as is_stopping,
            PromptHeartbeat(
                store, claim, actions, lease_s=settings.lease_s, is_stopping=is_stopping
            ) as heartbeat,
        ):
            run_claim(store, claim, heartbeat)
        return store.jobs.get(claim.job.id)

    yield to_end
    torch.set_num_threads(before)
