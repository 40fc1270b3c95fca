"""A model that the core froze, served: codes of the training rows are the core's own."""

import io

import numpy as np
import pytest
import torch

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun

NPY = "application/x-npy"


def draw_rows():
    """Two causes seen by three features each, a constant, and some values missing."""
    random = np.random.default_rng(3)
    causes = random.normal(size=(80, 2)).repeat(3, axis=1)
    rows = np.column_stack([causes + 0.1 * random.normal(size=causes.shape), np.full(80, 7.0)])
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def frozen():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    features = tuple(f"f{index}" for index in range(7))
    config = RunConfig.from_dict(
        {
            "model": {"categories": 2, "levels": 2, "embedding_dim": 8, "hidden_dim": 8},
            "assignment": {"mode": "static"},
            "training": {"epochs": 20, "batch_size": 16, "learning_rate": 0.01, "device": "cpu"},
            "cleaning": {},
        }
    )
    run = TrainingRun.start(FeatureTable(draw_rows(), features, {"all": features}), config, None)
    while not run.is_finished:
        run.train_epoch()
    yield run.freeze()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def real_model(api, frozen):
    """The frozen model, published as a worker would."""
    body = io.BytesIO()
    np.save(body, draw_rows())
    dataset = api.client.post("/v1/datasets", content=body.getvalue(), headers={"content-type": NPY}).json()
    job = api.client.post("/v1/jobs", json={"dataset": dataset["id"], "report": {"baselines": False}}).json()
    claim = api.store.leases.claim(job["id"], "tester", threads=1)
    model_id = f"model_{job['id'].removeprefix('job_')}"
    directory = api.store.models.directory(model_id)
    directory.mkdir(parents=True)
    frozen.save(directory)
    api.store.leases.publish(claim, model_id, frozen.document(), frozen.digest)
    return model_id


def encode(client, model_id, rows):
    body = io.BytesIO()
    np.save(body, rows)
    headers = {"content-type": NPY, "accept": NPY}
    answer = client.post(f"/v1/models/{model_id}/encodings", content=body.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


def test_codes_of_the_training_rows_are_the_cores_own(client, real_model, frozen):
    rows = draw_rows()
    own = frozen.weights.encode(torch.from_numpy(frozen.cleaner.normalize(rows))).numpy()
    codes = encode(client, real_model, rows)
    assert codes.tolist() == own.tolist()
    one_by_one = np.concatenate([encode(client, real_model, row[np.newaxis]) for row in rows])
    assert one_by_one.tolist() == own.tolist()


def test_codes_decode_to_something_near_the_rows(client, real_model):
    rows = draw_rows()
    body = {"codes": encode(client, real_model, rows).tolist()}
    answer = client.post(f"/v1/models/{real_model}/decodings", json=body, headers={"accept": NPY})
    decoded = np.load(io.BytesIO(answer.content))
    assert decoded.shape == rows.shape
    assert (decoded[:, 6] == 7).all()
    assert np.nanmean(np.square(decoded - rows)[:, :6]) < 0.5 * np.nanvar(rows[:, :6])


def test_what_is_told_of_a_real_model_fits_together(client, real_model, frozen):
    path = f"/v1/models/{real_model}"
    model = client.get(path).json()
    grouping = client.get(f"{path}/grouping").json()
    codebook = client.get(f"{path}/codebook").json()
    soft = np.array(client.get(f"{path}/assignment").json()["matrix"])
    hard = np.array(client.get(f"{path}/assignment", params={"kind": "hard"}).json()["matrix"])
    assert model["digest"] == grouping["digest"] == frozen.digest
    assert sorted(name for part in grouping["categories"] for name in part["features"]) == model["features"]
    assert soft.sum(axis=1) == pytest.approx(1)
    assert hard.argmax(axis=1).tolist() == [feature["category"] for feature in grouping["features"]]
    sizes = [[level["codebook_size"] for level in part["levels"]] for part in codebook["categories"]]
    assert sizes == model["codebook_size"]
    assert client.get(f"{path}/report").json()["model"] == real_model
