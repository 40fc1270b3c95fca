"""A model that the core froze, served: codes of the training rows are the core's own."""

import io
import json

import numpy as np
import pytest
import torch

from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun

NPY = "application/x-npy"
WORDS, NAMES = (2, 4), ("low", "middle", "high")


def draw_rows():
    """Two causes seen by three features each, a constant, and some values missing."""
    random = np.random.default_rng(3)
    causes = random.normal(size=(80, 2)).repeat(3, axis=1)
    rows = np.column_stack([causes + 0.1 * random.normal(size=causes.shape), np.full(80, 7.0)])
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows.astype(np.float32)


def draw_fine_rows():
    """The same in float64 and in units that float32 cannot tell: Julian dates, pascal, something tiny."""
    rows = draw_rows().astype(np.float64)
    scale = np.array([0.25, 1, 1000, 0.01, 1e-46, 1, 1])
    return rows * scale + np.array([2460310.5, 0, 1.7e9, 101_325, 0, 0, 0])


def draw_words():
    """The same, the third and the fifth column cut into values, by their index; some of those are missing."""
    rows = draw_rows()
    for column in WORDS:
        cut = np.digitize(rows[:, column], [-0.5, 0.5])
        rows[:, column] = np.where(np.isnan(rows[:, column]), np.nan, cut)
    return rows


def train(rows, values_of=None):
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
    run = TrainingRun.start(FeatureTable(rows, features, {"all": features}, values_of or {}), config, None)
    while not run.is_finished:
        run.train_epoch()
    torch.set_num_threads(threads)
    return run.freeze()


@pytest.fixture(scope="module")
def frozen():
    return train(draw_rows())


@pytest.fixture(scope="module")
def fine():
    return train(draw_fine_rows())


@pytest.fixture(scope="module")
def worded():
    return train(draw_words(), {f"f{column}": NAMES for column in WORDS})


@pytest.fixture(scope="module")
def worded_model(api, worded):
    return publish(api, worded)


@pytest.fixture(scope="module")
def real_model(api, frozen):
    return publish(api, frozen)


@pytest.fixture(scope="module")
def fine_model(api, fine):
    return publish(api, fine)


def publish(api, frozen):
    """A frozen model, published as a worker would."""
    body = io.BytesIO()
    np.save(body, draw_rows())
    dataset = api.client.post("/v1/datasets", content=body.getvalue(), headers={"content-type": NPY}).json()
    job = api.client.post("/v1/jobs", json={"dataset": dataset["id"], "report": {"baselines": False}}).json()
    claim = api.store.leases.claim(job["id"], "tester", threads=1)
    model_id = f"model_{job['id'].removeprefix('job_')}"
    directory = api.store.models.directory(model_id)
    directory.mkdir(parents=True)
    frozen.save(directory)
    document = frozen.document() | {"reading": {}}  # nothing was said of the dataset's cells
    api.store.leases.publish(claim, model_id, document, frozen.digest)
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


def own_codes(frozen, rows):
    return frozen.weights.encode(torch.from_numpy(frozen.cleaner.normalize(rows))).numpy()


def test_a_model_of_float64_rows_is_served_in_float64(client, fine_model, fine):
    rows = draw_fine_rows()
    own = own_codes(fine, rows).tolist()
    path = f"/v1/models/{fine_model}"

    assert client.get(path).json()["rows_dtype"] == "float64"
    assert encode(client, fine_model, rows).tolist() == own
    raw = {"content-type": "application/octet-stream", "accept": NPY}
    for parameters in ({}, {"columns": "[]"}):  # the fast path, and the route
        answer = client.post(f"{path}/encodings", content=rows.tobytes(), headers=raw, params=parameters)
        assert np.load(io.BytesIO(answer.content)).tolist() == own
    decoded = client.post(f"{path}/decodings", json={"codes": own}).json()["rows"]
    spread = np.nanstd(rows[:, :6], axis=0)
    assert np.nanmean(np.square((np.array(decoded) - rows)[:, :6] / spread)) < 0.5
    assert own != own_codes(fine, rows.astype(np.float32)).tolist()


def test_codes_of_fewer_levels_are_shorter_codes_that_come_less_near(client, real_model, frozen):
    rows, path = draw_rows(), f"/v1/models/{real_model}"
    body, errors = {"rows": [[None if np.isnan(cell) else cell for cell in row] for row in rows.tolist()]}, []
    for levels in (1, 2):
        sent = client.post(f"{path}/encodings", json=body, params={"levels": levels}).json()["codes"]
        assert (
            sent == own_codes(frozen, rows).reshape(-1, 2, 2)[:, :, :levels].reshape(len(rows), -1).tolist()
        )
        decoded = client.post(f"{path}/decodings", json={"codes": sent}, params={"levels": levels}).json()
        errors.append(np.nanmean(np.square((np.array(decoded["rows"]) - rows)[:, :6])))
    assert errors[1] < 0.5 * errors[0]
    assert [each["levels"] for each in frozen.report["by_levels"]] == [1, 2]
    assert np.diff([each["reconstruction_error"] for each in frozen.report["by_levels"]]) < 0

    headers = {"accept": "text/csv"}
    table = client.post(f"{path}/encodings", json=body, params={"levels": 1}, headers=headers).text
    assert table.splitlines()[0].count(".0") == 2
    assert ".1" not in table.splitlines()[0]


@pytest.mark.parametrize("route", ["encodings", "decodings"])
@pytest.mark.parametrize("levels", [0, 3, "x"])
def test_levels_that_the_model_does_not_have_are_refused(client, real_model, route, levels):
    body = {"encodings": {"rows": [[0.0] * 7]}, "decodings": {"codes": [[0, 0]]}}[route]

    answer = client.post(f"/v1/models/{real_model}/{route}", json=body, params={"levels": levels})

    assert answer.status_code == 422
    assert "levels" in answer.json()["errors"][0]["field"]


def test_a_model_of_float64_rows_is_declared_as_fp64(client, fine_model, fine):
    rows = draw_fine_rows()
    path = f"/v2/models/{fine_model}"
    cells = [None if np.isnan(cell) else cell for cell in rows.ravel().tolist()]
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape)}
    outputs = [{"name": "codes"}]

    assert client.get(path).json()["inputs"] == [{"name": "rows", "datatype": "FP64", "shape": [-1, 7]}]
    answer = client.post(f"{path}/infer", json={"inputs": [tensor | {"data": cells}], "outputs": outputs})
    own = own_codes(fine, rows).ravel().tolist()
    assert answer.json()["outputs"][0]["data"] == own
    sized = tensor | {"parameters": {"binary_data_size": rows.nbytes}}
    head = json.dumps({"inputs": [sized], "outputs": outputs}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = client.post(f"{path}/infer", content=head + rows.tobytes(), headers=headers)
    assert answer.json()["outputs"][0]["data"] == own


def test_values_are_indices_in_arrays_and_text_elsewhere(client, worded_model, worded):
    rows = draw_words()
    codes = encode(client, worded_model, rows)
    decoded = client.post(f"/v1/models/{worded_model}/decodings", json={"codes": codes.tolist()})
    texts = [[row[column] for column in WORDS] for row in decoded.json()["rows"]]
    values = np.array([[NAMES.index(text) for text in row] for row in texts])

    assert codes.tolist() == own_codes(worded, rows).tolist()
    named = [[None if np.isnan(cell) else float(cell) for cell in row] for row in rows]
    for row in named:
        for column in WORDS:
            row[column] = None if row[column] is None else NAMES[int(row[column])]
    again = client.post(f"/v1/models/{worded_model}/encodings", json={"rows": named})
    assert again.json()["codes"] == codes.tolist()
    is_there = ~np.isnan(rows[:, WORDS])
    assert (values == rows[:, WORDS])[is_there].mean() > 0.6


def test_an_unknown_value_counts_as_missing(client, worded_model):
    rows = np.nan_to_num(draw_words()[:4])
    rows[:, 2] = [0, 3, -1, 0.5]
    body = io.BytesIO()
    np.save(body, rows)
    path, headers = f"/v1/models/{worded_model}/encodings", {"content-type": NPY}
    answer = client.post(path, content=body.getvalue(), headers=headers)
    assert answer.json()["status"] == ["ok", "imputed", "imputed", "imputed"]

    text = "f0,f1,f2,f3,f4,f5,f6\n1,1,low,1,high,1,7\n1,1,deep,1,high,1,7\n"
    answer = client.post(path, content=text, headers={"content-type": "text/csv"})
    assert answer.json()["status"] == ["ok", "imputed"]


def test_a_categorical_column_is_a_tensor_of_text(client, worded_model, worded):
    rows = np.nan_to_num(draw_words()[:6])
    inputs = []
    for index in range(7):
        cells = rows[:, index].tolist()
        tensor = {"name": f"f{index}", "datatype": "FP32", "shape": [6], "data": cells}
        if index in WORDS:
            tensor |= {"datatype": "BYTES", "data": [NAMES[int(cell)] for cell in cells]}
        inputs.append(tensor)
    answer = client.post(f"/v2/models/{worded_model}/infer", json={"inputs": inputs})
    assert answer.json()["outputs"][0]["data"] == own_codes(worded, rows).ravel().tolist()
