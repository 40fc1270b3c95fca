"""The whole service with one dataset, one job that has ended and its model."""

import os
import subprocess
import sys

import numpy as np
import pytest
from catvq_client import Client

ROWS = 120
COLUMNS = [f"{family}_{index}" for family in ("left", "right") for index in range(4)]


@pytest.fixture(scope="session")
def values():
    """Two families of four features that follow one angle each."""
    random = np.random.default_rng(7)
    angles = random.uniform(0, 2 * np.pi, (ROWS, 2))
    waves = [np.cos(angles[:, side] * k + k) for side in (0, 1) for k in (1, 1, 1, 1)]
    return (np.stack(waves, axis=1) + 0.1 * random.normal(size=(ROWS, 8))).astype(np.float32)


@pytest.fixture(scope="session")
def client(service):
    with Client(service.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def dataset(client, values):
    return client.datasets.upload(values, name="waves", columns=COLUMNS, families="prefix:_")


@pytest.fixture(scope="session")
def request_body(dataset):
    return {
        "dataset": dataset.id,
        "name": "waves",
        "model": {"categories": 2, "levels": 2, "hidden_dim": 16, "embedding_dim": 8},
        "assignment": {"estimator": "softmax"},  # the quickest: what is learnt is not the question here
        "training": {"epochs": 2, "batch_size": 32},
        "report": {"baselines": False},
    }


@pytest.fixture(scope="session")
def states(client, request_body):
    job = client.jobs.submit(request_body)
    return list(client.jobs.watch(job.id, timeout_s=120))


@pytest.fixture(scope="session")
def model(client, states):
    assert states[-1].status == "succeeded", states[-1].reason
    return client.models.get(states[-1].model)


@pytest.fixture(scope="session")
def catvq(service):
    def run(*arguments):
        command = [sys.executable, "-c", "from catvq_client.cli import main; main()", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={
                "CATVQ_URL": service.url,
                "COLUMNS": "160",
                "PATH": "",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
        )

    return run
