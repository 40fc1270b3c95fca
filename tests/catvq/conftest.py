"""One thread, and tables and runs so small that they train in a fraction of a second."""

import numpy as np
import pytest
import torch

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_run():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def make_table():
    """Blocks of features that rise and fall together: [rows, blocks * width], one family per block."""

    def make(rows=60, *, blocks=3, width=3, seed=0, edit=None):
        generator = np.random.default_rng(seed)
        hidden = np.repeat(generator.normal(size=(rows, blocks)), width, axis=1)
        values = (hidden + 0.5 * generator.normal(size=hidden.shape)).astype(np.float32)
        if edit is not None:
            edit(values)
        features = tuple(f"f{i}" for i in range(blocks * width))
        families = {f"family{b}": features[b * width : (b + 1) * width] for b in range(blocks)}
        return FeatureTable(values, features, families)

    return make


@pytest.fixture(scope="session")
def make_config():
    """A small model, two levels, four epochs, a scheduled temperature; every section can be changed."""

    def make(*, model=None, assignment=None, training=None, cleaning=None):
        return RunConfig.from_dict(
            {
                "model": {"categories": 3, "levels": 2, "embedding_dim": 8, "hidden_dim": 8} | (model or {}),
                "assignment": {"estimator": "softmax"} | (assignment or {}),
                "training": {"epochs": 4, "batch_size": 16, "device": "cpu"} | (training or {}),
                "cleaning": cleaning or {},
            }
        )

    return make


@pytest.fixture(scope="session")
def train(make_table, make_config):
    """Start a run and train it to its end."""

    def to_the_end(table=None, config=None, groups=None):
        run = TrainingRun.start(table or make_table(), config or make_config(), groups)
        while not run.is_finished:
            run.train_epoch()
        return run

    return to_the_end


@pytest.fixture
def _short_search(monkeypatch):
    """A search of a few steps: enough to see that it is repeated bit for bit, not to find anything."""
    for module in ("search.mirror_descent", "search.stage", "training.run"):
        monkeypatch.setattr(f"catvq.{module}.SEARCH_STEPS", 12)
    monkeypatch.setattr("catvq.search.stage.CHUNK_STEPS", 4)


@pytest.fixture(scope="session")
def blemished_table(make_table):
    """A table with missing values, a constant, an all-missing feature and a duplicate."""

    def edit(values):
        values[::3, 0] = np.nan
        values[:, 4] = 7.0
        values[:, 5] = np.nan
        values[:, 8] = 1 - 2 * values[:, 6]

    return make_table(edit=edit)


@pytest.fixture(scope="session")
def blemished_run(train, blemished_table):
    """A finished run on the blemished table."""
    return train(blemished_table)


@pytest.fixture(scope="session")
def frozen(blemished_run):
    """The frozen model of the blemished table."""
    return blemished_run.freeze()


@pytest.fixture
def covariance():
    """Of nine features with three common causes, unequally strong."""
    rng = np.random.default_rng(3)
    causes = rng.normal(size=(9, 3)) * np.repeat([1.0, 0.7, 0.4], 3)[:, None]
    matrix = causes @ causes.T + np.diag(rng.uniform(0.1, 0.5, 9))
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)
