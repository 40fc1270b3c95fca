"""Datasets as files of arrays: NPZ and HDF5."""

import io
import json

import h5py
import numpy as np
import pytest

from app.formats import Format
from app.tables.array_files import open_array_file, table_arrays
from worker.store import NewDataset, NewFiles

NPZ, HDF5 = "application/x-npz", "application/x-hdf5"
TABLE = np.array([[1, 4, 2], [3, np.nan, 5], [2, 2, 8]], np.float32)
STEPS, OFFSETS = np.arange(10, dtype=np.float32).reshape(5, 2), np.array([0, 2, 2, 5])
GRIDS = np.arange(18, dtype=np.float32).reshape(3, 1, 2, 3)
ARRAYS = {"table": TABLE, "wave.values": STEPS, "wave.offsets": OFFSETS, "field": GRIDS}


def npz(arrays):
    body = io.BytesIO()
    np.savez(body, **arrays)
    return body.getvalue()


def upload(client, body, kind=NPZ, **params):
    answer = client.post("/v1/datasets", content=body, headers={"content-type": kind}, params=params)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def rows_of(client, dataset, kind, **headers):
    return client.get(f"/v1/datasets/{dataset}/rows", headers={"accept": kind, **headers})


def read_npz(body):
    return dict(np.load(io.BytesIO(body)).items())


def read_hdf5(body):
    found = {}
    with h5py.File(io.BytesIO(body)) as file:
        file.visititems(lambda name, each: found.update({name: each[()]}) if hasattr(each, "dtype") else None)
    return found


READERS = {NPZ: read_npz, HDF5: read_hdf5}


@pytest.mark.parametrize("kind", READERS)
def test_series_grids_and_tables_come_back_as_they_were_uploaded(client, kind):
    dataset = upload(client, npz(ARRAYS), channels='{"wave":["x","y"]}')["id"]
    answer = rows_of(client, dataset, kind)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    found = READERS[kind](answer.content)
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], ARRAYS[name], equal_nan=True) for name in ARRAYS)
    again = upload(client, answer.content, kind)
    assert again["families"]["wave"]["length"] == {"min": 0, "max": 3}
    assert rows_of(client, dataset, kind, **{"if-none-match": answer.headers["etag"]}).status_code == 304


def test_hdf5_names_features_and_keeps_keys(client):
    body = "who,a_x,b_x,a_y\nann,1,2,red\n,3,4,blue\nbo,5,6,red\nbo,7,8,red\n"
    params = {"types": json.dumps({"who": "key", "a_y": "categorical"}), "families": "prefix:_"}
    dataset = upload(client, body, "text/csv", **params)["id"]
    with h5py.File(io.BytesIO(rows_of(client, dataset, HDF5).content)) as file:
        assert file["keys/who"].asstr()[()].tolist() == ["ann", "", "bo", "bo"]
        assert list(file["a"].attrs["feature_names"]) == ["a_x", "a_y"]
        assert np.array_equal(file["a"], [[1, 1], [3, 0], [5, 1], [7, 1]])
        assert np.array_equal(file["b"], [[2], [4], [6], [8]])
    assert set(read_npz(rows_of(client, dataset, NPZ).content)) == {"a", "b"}


def test_a_family_may_have_more_names_than_an_ordinary_attribute_holds(tmp_path):
    names = [f"feature_{place}" for place in range(5000)]
    arrays = table_arrays(np.zeros((3, 5000), np.float32), names, {"wide": names})
    with open_array_file(arrays, {}, Format.HDF5, tmp_path) as written, h5py.File(written) as file:
        assert file["wide"].attrs["feature_names"][4999] == "feature_4999"


def test_names_that_cannot_stand_beside_each_other_are_refused(client):
    dataset = upload(client, npz({"a": TABLE, "a/b": GRIDS[:, 0, 0]}))["id"]
    answer = rows_of(client, dataset, HDF5)
    assert (answer.status_code, answer.json()["code"]) == (422, "name_not_in_format")
    assert rows_of(client, dataset, "text/csv").status_code == 200


@pytest.fixture
def codes(api):
    """A dataset of codes as an encoding job stores it."""
    values, families = np.array([[0, 3], [1, 2], [1, 0]], np.float32), (["pixels"], ["pixels", "a/b"])
    path = api.store.spool_dir / "codes.npy"
    np.save(path, values)
    names = ["first.0", "category_1.0"]
    new = NewDataset(
        name=None,
        features=names,
        families={name.removesuffix(".0"): [name] for name in names},
        columns=[
            {"name": name, "type": "numeric", "codebook_size": size, "coded_families": own}
            for name, size, own in zip(names, (2, 4), families, strict=True)
        ],
        digest="sha256:codes of the test",
        rows=3,
        warnings=[],
    )
    return api.store.datasets.create(new, NewFiles(values=path))[0]


@pytest.mark.parametrize("kind", READERS)
def test_codes_have_an_array_for_each_category_and_level(client, codes, kind):
    found = READERS[kind](rows_of(client, codes.id, kind).content)
    assert {name: cells.tolist() for name, cells in found.items()} == {
        "tokens/pixels_first_L0": [0, 1, 1],
        "tokens/mixed_category_1_L0": [3, 2, 0],
    }
    assert {cells.dtype for cells in found.values()} == {np.dtype(np.int32)}


def test_hdf5_says_what_codes_are(client, codes):
    with h5py.File(io.BytesIO(rows_of(client, codes.id, HDF5).content)) as file:
        said = dict(file["tokens/mixed_category_1_L0"].attrs)
    assert (said["category"], said["level"], said["codebook_size"]) == ("category_1", 0, 4)
    assert said["families"].tolist() == ["pixels", "a/b"]
    columns = client.get(f"/v1/datasets/{codes.id}").json()["columns"]
    assert [column["codebook_size"] for column in columns] == [2, 4]
