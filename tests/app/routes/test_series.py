"""Series and grids through the API."""

import io

import h5py
import numpy as np
import pytest

NPZ, HDF5 = "application/x-npz", "application/x-hdf5"
LENGTHS = [3, 0, 2, 4]
STEPS = np.random.default_rng(0).normal(size=(sum(LENGTHS), 2))
GRIDS = np.random.default_rng(1).normal(size=(4, 1, 2, 3))
TABLE = np.arange(8.0).reshape(4, 2)


def padded():
    array = np.full((4, max(LENGTHS), 2), np.inf)  # what stands beyond a length is never looked at
    array[np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]] = STEPS
    return array


OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
PAIRED = {"wave.values": STEPS, "wave.offsets": OFFSETS, "field": GRIDS, "table": TABLE}
PADDED = {"wave": padded(), "wave.lengths": np.array(LENGTHS), "field": GRIDS, "table": TABLE}


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


def upload(client, body, kind=NPZ, **params):
    return client.post("/v1/datasets", content=body, headers={"content-type": kind}, params=params)


def stored(api, document, k):
    files = api.store.datasets
    return np.load(files.family_values_path(document["id"], k)), files.family_offsets_path(document["id"], k)


FAMILIES = {
    "table": {"features": 2, "kind": "tabular"},
    "wave": {"features": 2, "kind": "series", "length": {"min": 0, "max": 4}, "shape": None},
    "field": {"features": 1, "kind": "grid", "length": None, "shape": [2, 3]},
}


@pytest.mark.parametrize("arrays", [PAIRED, PADDED], ids=["paired", "padded"])
@pytest.mark.parametrize(("write", "kind"), [(npz, NPZ), (hdf5, HDF5)], ids=["npz", "hdf5"])
def test_a_file_of_a_table_series_and_grids_is_stored(api, client, arrays, write, kind):
    answer = upload(client, write(arrays), kind, channels='{"wave":["x","y"]}')
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert document["families"] == FAMILIES
    assert set(document["features"]) == {"table_0", "table_1", "wave/x", "wave/y", "field/0"}
    assert document["features"][:2] == ["table_0", "table_1"]
    types = {column["name"]: (column["type"], column["family"]) for column in document["columns"]}
    assert types["wave/x"] == ("series", "wave")
    assert types["field/0"] == ("grid", "field")
    assert [warning["code"] for warning in document["warnings"]] == ["empty_series"]
    record = api.store.datasets.get(document["id"])
    for k, family in enumerate(record.kinds):
        values, offsets = stored(api, document, k)
        if family["family"] == "wave":
            np.testing.assert_array_equal(values, STEPS.astype(np.float32))
            assert np.load(offsets).tolist() == OFFSETS.tolist()
        else:
            np.testing.assert_array_equal(values, GRIDS.astype(np.float32))
    np.testing.assert_array_equal(np.load(api.store.datasets.values_path(record.id)), TABLE)
    rows = client.get(f"/v1/datasets/{record.id}/rows", headers={"accept": "text/csv"})
    assert rows.text.startswith("table_0,table_1\n0,1\n")


def test_other_options_are_another_dataset(client):
    first = upload(client, npz(PAIRED), channels='{"wave":["x","y"]}').json()
    again = upload(client, npz(PAIRED), channels='{"wave":["x","y"]}')
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert upload(client, npz(PAIRED), channels='{"wave":["x","z"]}').json()["id"] != first["id"]


def test_a_file_of_nothing_but_series_is_a_dataset(api, client):
    document = upload(client, npz({"wave": np.random.default_rng(2).normal(size=(3, 5, 1))})).json()
    assert (document["rows"], document["features"]) == (3, ["wave/0"])
    assert np.load(api.store.datasets.values_path(document["id"]), mmap_mode="r").shape == (3, 0)
    answer = client.get(f"/v1/datasets/{document['id']}/rows")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_columns")


def test_lists_of_hdf5_are_series(client):
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        lists = file.create_dataset("wave", (4,), dtype=h5py.vlen_dtype(np.float32))
        for row, length in enumerate(LENGTHS):
            lists[row] = np.arange(length)
    document = upload(client, body.getvalue(), HDF5).json()
    assert document["families"]["wave"] == {**FAMILIES["wave"], "features": 1}


def test_a_dry_run_shows_what_is_missing_and_how_values_are_spread(client):
    steps = STEPS.copy()
    steps[0, 1] = np.nan
    document = upload(client, npz({**PAIRED, "wave.values": steps}), dry_run="true").json()
    columns = {column["name"]: column for column in document["columns"]}
    assert columns["wave/1"]["missing"] == 1
    assert sum(columns["wave/1"]["histogram"]["counts"]) == len(STEPS) - 1
    assert sum(columns["field/0"]["histogram"]["counts"]) == GRIDS.size
    assert document["families"] == FAMILIES


@pytest.mark.parametrize("dtype", [np.uint64, np.float32])
def test_a_dry_run_shows_values_that_no_bins_tell_apart(client, dtype):
    series = np.full((3, 2, 1), 1.8e19, dtype)
    (column,) = upload(client, npz({"wave": series}), dry_run="true").json()["columns"]
    assert column["histogram"]["counts"] == [6]


def test_strict_refuses_what_is_missing_in_a_series(client):
    answer = upload(client, npz(PAIRED), strict="true")
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_series")


def test_channels_are_chosen_by_name(client):
    document = upload(client, npz(PAIRED), exclude='["wave/1","field"]').json()
    assert document["features"] == ["table_0", "table_1", "wave/0"]
    assert {column["name"] for column in document["left_out"]} == {"wave/1", "field/0"}


@pytest.mark.parametrize(
    ("arrays", "params", "code", "place"),
    [
        ({"wave.values": STEPS}, {}, "half_a_pair", {"field": "wave.values"}),
        ({"a": TABLE, "wave": padded()[:3]}, {}, "ragged_row", {"field": "a"}),
        ({"wave": np.full((1, 2, 1), np.inf)}, {}, "not_finite", {"column": "wave/0", "row": 1}),
        ({"a": TABLE}, {"kinds": '{"b":"series"}'}, "no_such_family", {"field": "kinds.b"}),
        ({"a": TABLE}, {"kinds": '{"a":"sound"}'}, "invalid", {"field": "kinds"}),
        ({"a": TABLE}, {"kinds": "[]"}, "invalid", {"field": "kinds"}),
        ({"a": TABLE}, {"channels": '{"a":"x"}'}, "invalid", {"field": "channels"}),
        ({"a": padded()}, {"channels": '{"a":["x","x"]}'}, "invalid", {"field": "channels"}),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(client, arrays, params, code, place):
    answer = upload(client, npz(arrays), **params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0].items() >= place.items()


def test_formats_of_columns_have_no_families_to_speak_of(client):
    answer = upload(client, b"a\n1\n", "text/csv", kinds='{"a":"series"}')
    assert (answer.status_code, answer.json()["code"]) == (422, "no_such_family")
