"""Encodings by a model of a table, a series and a grid."""

import io

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.inference import channels
from tests.app.hand_channels import DOCUMENT, code_of, write_model

RANDOM = np.random.default_rng(0)
ROWS = np.arange(10.0).reshape(5, 2)
WAVES = [RANDOM.integers(0, 3, (length, 2)).astype(float) for length in (3, 1, 4, 2, 1)]
FIELDS = RANDOM.integers(0, 5, (5, 1, 2, 3)).astype(float)
CODES = [[code] for code in code_of(ROWS, WAVES, FIELDS)]
OFFSETS = np.concatenate([[0], np.cumsum([len(wave) for wave in WAVES])])


@pytest.fixture(scope="module")
def model_id(api):
    claim = api.running_job(report={"baselines": False})
    model_id = f"model_{claim.job.id.removeprefix('job_')}"
    write_model(api.store.models.directory(model_id))
    api.store.leases.publish(claim, model_id, DOCUMENT, "sha256:channels")
    return model_id


def padded(junk=np.inf):
    array = np.full((5, 6, 2), junk)
    for row, wave in enumerate(WAVES):
        array[row, : len(wave)] = wave
    return array


def npz(arrays):
    body = io.BytesIO()
    np.savez(body, **arrays)
    return body.getvalue()


def hdf5(arrays):
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return body.getvalue()


def as_table():
    return pa.table(
        {
            "b": ROWS[:, 1],
            "a": ROWS[:, 0],
            "who": ["p", "q", "r", "s", "t"],
            "wave": pa.array([wave.tolist() for wave in WAVES], pa.list_(pa.list_(pa.float32(), 2))),
            "field": pa.FixedShapeTensorArray.from_numpy_ndarray(FIELDS.astype(np.float32)),
        }
    )


def arrow():
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, as_table().schema) as writer:
        writer.write_table(as_table())
    return sink.getvalue()


def parquet_file():
    sink = io.BytesIO()
    parquet.write_table(as_table(), sink)
    return sink.getvalue()


NPZ, HDF5 = "application/x-npz", "application/x-hdf5"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
PAIRED = {"rows": ROWS, "wave.values": np.concatenate(WAVES), "wave.offsets": OFFSETS, "field": FIELDS}
PADDED = {"rows": ROWS, "wave": padded(), "wave.lengths": np.diff(OFFSETS), "field": FIELDS}
DOCUMENTS = {
    "rows": ROWS.tolist(),
    "families": {"wave": [wave.tolist() for wave in WAVES], "field": FIELDS.tolist(), "more": 1},
}


def encode(client, model_id, body, kind=None, **params):
    url = f"/v1/models/{model_id}/encodings"
    if kind is None:
        return client.post(url, json=body, params=params)
    return client.post(url, content=body, headers={"content-type": kind}, params=params)


WAYS = {
    "json": lambda: (DOCUMENTS, None),
    "npz of pairs": lambda: (npz(PAIRED), NPZ),
    "npz that is padded": lambda: (npz(PADDED), NPZ),
    "hdf5 of pairs": lambda: (hdf5(PAIRED), HDF5),
    "hdf5 that is padded": lambda: (hdf5(PADDED), HDF5),
    "arrow": lambda: (arrow(), ARROW),
    "parquet": lambda: (parquet_file(), PARQUET),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_format_gives_the_same_codes(client, model_id, way):
    answer = encode(client, model_id, *way())
    assert answer.status_code == 200, answer.text
    assert answer.json()["codes"] == CODES
    assert answer.json()["status"] == ["ok"] * 5
    assert answer.json()["reconstruction_error"] == [0] * 5


@pytest.mark.parametrize("most", [1, 30, 10**6])
def test_rows_keep_their_order_however_they_are_batched(client, model_id, monkeypatch, most):
    monkeypatch.setattr(channels, "MAX_BATCH_VALUES", most)
    answer = encode(client, model_id, npz(PADDED), NPZ)
    assert answer.json()["codes"] == CODES


def test_what_is_missing_is_imputed_and_what_is_infinite_is_invalid(client, model_id):
    waves = [wave.copy() for wave in WAVES]
    waves[0][1, 0] = np.nan
    waves[2][3, 1] = np.inf
    waves[3] = np.empty((0, 2))
    fields = FIELDS.copy()
    fields[4, 0, 1, 2] = 1e39
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])])
    body = npz({"rows": ROWS, "wave.values": np.concatenate(waves), "wave.offsets": offsets, "field": fields})
    answer = encode(client, model_id, body, NPZ).json()
    assert answer["status"] == ["imputed", "ok", "invalid", "imputed", "invalid"]
    assert answer["codes"][2] == answer["codes"][4] == [-1]
    assert answer["codes"][0] == [code_of(ROWS[:1], waves[:1], fields[:1])[0]]
    assert answer["reconstruction_error"][2] is None


def test_keys_come_back_and_channels_are_matched_by_name(client, model_id):
    answer = encode(client, model_id, arrow(), ARROW, keys='["who"]').json()
    assert answer["keys"] == {"who": ["p", "q", "r", "s", "t"]}
    swapped = {**PAIRED, "wave.values": PAIRED["wave.values"][:, ::-1]}
    answer = encode(client, model_id, npz(swapped), NPZ, channels='{"wave":["y","x"]}').json()
    assert answer["codes"] == CODES


def test_a_series_is_no_key(client, model_id):
    refused = encode(client, model_id, arrow(), ARROW, keys='["wave"]').json()
    assert [(error["field"], error["column"]) for error in refused["errors"]] == [("keys", "wave")]


def test_more_channels_than_the_model_has_need_names(client, model_id):
    more = without(PAIRED, field=np.concatenate([-FIELDS, FIELDS], 1))
    refused = encode(client, model_id, npz(more), NPZ).json()
    assert "it has 2 channels, the model 1 ('0')" in refused["detail"]
    named = encode(client, model_id, npz(more), NPZ, channels='{"field":["other","0"]}')
    assert named.json()["codes"] == CODES


def test_names_of_channels_of_an_unknown_family_are_refused(client, model_id, api):
    refused = encode(client, model_id, npz(PAIRED), NPZ, channels='{"waves":["x","y"]}')
    assert (refused.status_code, refused.json()["code"]) == (422, "no_such_family")
    assert refused.json()["detail"].endswith("there are 'wave', 'field'")
    assert [error["field"] for error in refused.json()["errors"]] == ["channels.waves"]
    refused = encode(client, model_id, arrow(), ARROW, channels='{"waves":["x","y"]}').json()
    assert refused["detail"].endswith("its own are 'wave', 'field'")
    body = b"a,b,c\n1,2,3\n"
    refused = encode(client, api.model(), body, "text/csv", channels='{"waves":["x","y"]}').json()
    assert (refused["code"], refused["detail"].split("; ")[1]) == ("no_such_family", "it has none")


def test_a_family_of_the_file_that_the_model_does_not_know_may_have_names(client, model_id):
    more = {**PAIRED, "other": np.ones((5, 4, 2))}
    answer = encode(client, model_id, npz(more), NPZ, channels='{"other":["u","v"]}')
    assert answer.json()["codes"] == CODES


def test_codes_come_in_other_formats(client, model_id):
    url = f"/v1/models/{model_id}/encodings"
    headers = {"content-type": NPZ, "accept": "application/x-npy"}
    answer = client.post(url, content=npz(PAIRED), headers=headers)
    assert np.load(io.BytesIO(answer.content)).tolist() == CODES


def without(arrays, *names, **more):
    return {name: array for name, array in arrays.items() if name not in names} | more


@pytest.mark.parametrize(
    ("arrays", "code", "field"),
    [
        (without(PAIRED, "field"), "missing_family", "field"),
        (without(PAIRED, "wave.offsets"), "half_a_pair", "wave.values"),
        (without(PAIRED, field=FIELDS[:, :, :1]), "wrong_grid", "field"),
        (without(PAIRED, field=np.repeat(FIELDS, 2, 1)[:, :0]), "invalid", "field"),
        (without(PADDED, wave=padded()[:, :, :1]), "wrong_channels", "wave"),
        (without(PADDED, field=np.repeat(FIELDS, 2, 1)), "wrong_channels", "field"),
        (without(PAIRED, field=FIELDS[:4]), "ragged_row", "rows"),
        (without(PAIRED, rows=ROWS[:, :1]), "wrong_width", "rows"),
        (without(PAIRED, "rows"), "missing_column", None),
    ],
)
def test_what_does_not_fit_the_model_is_refused(client, model_id, arrays, code, field):
    answer = encode(client, model_id, npz(arrays), NPZ)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0].get("field") == field


def test_formats_of_rows_alone_are_told_what_is_missing(client, model_id):
    for kind in ("application/x-npy", "application/octet-stream", "text/csv"):
        body = {"text/csv": b"a,b\n1,2\n", "application/x-npy": b""}.get(kind, bytes(8))
        answer = encode(client, model_id, body, kind)
        assert (answer.status_code, answer.json()["code"]) == (422, "missing_family")
    answer = encode(client, model_id, {"rows": ROWS.tolist()})
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_family")


def test_more_values_than_a_request_may_have_are_refused(client, model_id, api, monkeypatch):
    settings = api.app.state.services.settings
    monkeypatch.setitem(settings.__dict__, "max_encode_values", 40)
    answer = encode(client, model_id, npz(PADDED), NPZ)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_values")


def test_decodings_are_descriptors_by_family(client, model_id):
    answer = client.post(f"/v1/models/{model_id}/decodings", json={"codes": [[3], [4]]})
    assert answer.json() == {
        "model": model_id,
        "features": ["a", "b"],
        "rows": [[3, 3], [4, 4]],
        "families": {
            "wave": {"channels": ["x", "y"], "descriptors": ["sum"], "values": [[[3], [3]], [[4], [4]]]},
            "field": {"channels": ["0"], "descriptors": ["sum"], "values": [[[3]], [[4]]]},
        },
    }
    accept = {"accept": "text/csv"}
    answer = client.post(f"/v1/models/{model_id}/decodings", json={"codes": [[3]]}, headers=accept)
    assert answer.text == "a,b,wave/x.sum,wave/y.sum,field/0.sum\n3,3,3,3,3\n"


def test_a_model_tells_its_families(client, model_id):
    assert client.get(f"/v1/models/{model_id}").json()["kinds"] == DOCUMENT["kinds"]


def tensor(name, array, kind="FP32"):
    return {"name": name, "datatype": kind, "shape": list(array.shape), "data": array.tolist()}


def test_the_open_inference_protocol_has_an_input_for_each_family(client, model_id):
    described = client.get(f"/v2/models/{model_id}").json()["inputs"]
    assert [(value["name"], value["datatype"], value["shape"]) for value in described] == [
        ("rows", "FP32", [-1, 2]),
        ("wave", "FP32", [-1, -1, 2]),
        ("wave.lengths", "INT64", [-1]),
        ("field", "FP32", [-1, 1, 2, 3]),
    ]
    inputs = [
        tensor("rows", ROWS),
        tensor("wave", padded(junk=7)),
        tensor("wave.lengths", np.diff(OFFSETS), "INT64"),
        tensor("field", FIELDS),
    ]
    answer = client.post(f"/v2/models/{model_id}/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    assert (outputs["codes"], outputs["status"]) == ([code for (code,) in CODES], ["ok"] * 5)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ([tensor("rows", ROWS), tensor("wave", padded(junk=7))], "missing_family"),
        ([tensor("wave", padded(junk=7)), tensor("field", FIELDS)], "missing_column"),
        ([tensor("rows", ROWS[:2]), tensor("wave", padded(junk=7)), tensor("field", FIELDS)], "ragged_row"),
        ([tensor("rows", ROWS), tensor("wave", padded(junk=7)[:2]), tensor("field", FIELDS)], "ragged_row"),
        ([{**tensor("wave", FIELDS), "shape": [5, 7, 2]}, tensor("field", FIELDS)], "wrong_shape"),
        ([{**tensor("wave", FIELDS), "data": ["x"]}, tensor("field", FIELDS)], "not_numeric"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(client, model_id, inputs, code):
    answer = client.post(f"/v2/models/{model_id}/infer", json={"inputs": inputs})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_dataset_of_other_grids_is_not_encoded_by_a_job(client, model_id):
    dataset = client.post(
        "/v1/datasets",
        content=npz({"table": ROWS, "wave": padded(junk=7), "field": FIELDS[:, :, :, :2]}),
        headers={"content-type": NPZ},
        params={"columns": '["a","b"]', "channels": '{"wave":["x","y"]}'},
    ).json()
    answer = client.post(f"/v1/models/{model_id}/encoding-jobs", json={"dataset": dataset["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "other_type")
    assert answer.json()["detail"] == (
        "family 'field' is a grid of 2 by 3 in the model, but a grid of 2 by 2 in the dataset"
    )
