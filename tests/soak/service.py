"""An API process with a model of real size, and rows whose codes are known."""

from contextlib import contextmanager

import numpy as np
import torch

from app.inference.encoder import Encoder
from benchmarks.frozen_model import NAMES, BenchmarkModel, draw_rows
from catvq.frozen.verify import TIE_TOLERANCE
from tests.soak.traffic import Pool
from worker.contract.settings import ServiceSettings
from worker.store import Store


@contextmanager
def published(data_dir):
    """A store with a model; yields the model's id and directory."""
    store = Store.open(ServiceSettings(data_dir=data_dir))
    model_id = BenchmarkModel.make().publish(store)
    yield model_id, store.models.directory(model_id)
    store.close()


def make_pool(directory, rows=2000):
    """Rows of which some miss values and some are invalid, all with codes that rounding does not change."""
    model, values = BenchmarkModel.make(), draw_rows(rows, 5)
    random = np.random.default_rng(5)
    values[random.random(rows) < 0.1, 7] = np.nan
    latents = model.weights.latents(torch.from_numpy(model.cleaner.normalize(values)))
    clearness = model.weights.search(latents)[1].amin(dim=0)
    values = values[(clearness > TIE_TOLERANCE).numpy()]
    values[random.random(len(values)) < 0.05, 9] = np.inf
    encoded = Encoder(lambda: directory, threads=1).encode(values, with_doubt=False)
    return Pool(values, encoded.codes, np.array(encoded.status), tuple(NAMES))


def publish_models(data_dir, count):
    """Publish more models, all alike; returns their ids."""
    store = Store.open(ServiceSettings(data_dir=data_dir))
    model = BenchmarkModel.make()
    ids = [model.publish(store) for _ in range(count)]
    store.close()
    return ids
