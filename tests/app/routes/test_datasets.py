"""Datasets: uploaded in every format, the same once only, faults named, nothing left behind."""

import gzip
import io
import json

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app import services
from worker.store import Scope, Store

CSV = {"content-type": "text/csv"}
ROWS = np.array([[1, 2, 0.5], [3, np.nan, 1.5], [5, 6, 2.5]], np.float32)


def upload(client, body, content_type="text/csv", **params):
    return client.post("/v1/datasets", content=body, params=params, headers={"content-type": content_type})


def saved(write):
    body = io.BytesIO()
    write(body)
    return body.getvalue()


def as_arrow(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def as_hdf5():
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        file["x"], file["y"] = ROWS[:, :2], ROWS[:, 2]
    return body.getvalue()


TABLE = pa.table({name: ROWS[:, index] for index, name in enumerate("abc")})
BODIES = {
    "text/csv": b"a,b,c\n1,2,0.5\n3,,1.5\n5,6,2.5\n",
    "application/vnd.apache.parquet": saved(lambda body: parquet.write_table(TABLE, body)),
    "application/vnd.apache.arrow.stream": as_arrow(TABLE),
    "application/x-npy": saved(lambda body: np.save(body, ROWS)),
    "application/x-npz": saved(lambda body: np.savez(body, x=ROWS[:, :2], y=ROWS[:, 2])),
    "application/x-hdf5": as_hdf5(),
    "application/json": b'{"rows": [[1, 2, 0.5], [3, null, 1.5], [5, 6, 2.5]]}',
}
FEATURES = {
    "text/csv": ["a", "b", "c"],
    "application/vnd.apache.parquet": ["a", "b", "c"],
    "application/vnd.apache.arrow.stream": ["a", "b", "c"],
    "application/x-npy": ["f0", "f1", "f2"],
    "application/x-npz": ["x_0", "x_1", "y_0"],
    "application/x-hdf5": ["x_0", "x_1", "y_0"],
    "application/json": ["f0", "f1", "f2"],
}


@pytest.mark.parametrize("content_type", BODIES)
def test_every_format_is_stored_alike(api, content_type):
    answer = upload(api.client, BODIES[content_type], content_type, name="every")
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert dataset["features"] == FEATURES[content_type]
    assert (dataset["rows"], dataset["name"]) == (3, "every")
    assert [(w["code"], w["column"], w["count"]) for w in dataset["warnings"]] == [
        ("missing_values", dataset["features"][1], 1)
    ]
    values = np.load(api.store.datasets.values_path(dataset["id"]))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, ROWS)
    assert api.client.get(answer.headers["location"]).json() == dataset


def test_families_of_a_file_and_of_a_request(client):
    npz = upload(client, BODIES["application/x-npz"], "application/x-npz").json()
    assert npz["families"] == {
        "x": {"features": 2, "kind": "tabular"},
        "y": {"features": 1, "kind": "tabular"},
    }
    named = upload(client, BODIES["text/csv"], families=json.dumps({"u": ["c"], "v": ["b", "a"]})).json()
    assert named["families"]["v"] == {"features": 2, "kind": "tabular"}
    prefixed = upload(client, b"p_0,p_1,m_0\n1,2,3\n2,3,4\n", families="prefix:_").json()
    assert {name: family["features"] for name, family in prefixed["families"].items()} == {"p": 2, "m": 1}


def test_a_feature_in_no_family_is_named(client):
    answer = upload(client, BODIES["text/csv"], families='{"u": ["a", "b"]}')
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_families")
    assert answer.json()["errors"][0]["column"] == "c"


def test_columns_name_an_array(client):
    answer = upload(client, BODIES["application/x-npy"], "application/x-npy", columns='["x", "y", "z"]')
    assert answer.json()["features"] == ["x", "y", "z"]


def test_the_same_bytes_and_settings_are_one_dataset(client):
    body = b"a,b\n1,2\n2,4\n3,5\n"
    first = upload(client, body, name="once")
    again = upload(client, body, name="once")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    packed = upload(client, gzip.compress(body), name="once")
    assert (packed.status_code, packed.json()["id"]) == (200, first.json()["id"])
    assert upload(client, body, name="other").json()["id"] != first.json()["id"]
    assert upload(client, body, families='{"u": ["a", "b"]}', name="once").json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        (b"a,b\n1,2\n3,x\n", "not_numeric", {"column": "b", "row": 2, "line": 3}),
        (b"a,b\n1,2\n3\n", "ragged_row", {"row": 2, "line": 3}),
        (b"a,b\n1,2\n3,inf\n", "not_finite", {"column": "b", "row": 2, "line": 3}),
        (b"a,b\n1,2\n-inf,4\n", "not_finite", {"column": "a", "row": 2, "line": 3}),
        (b"a,a\n1,2\n", "duplicate_column", {"column": "a"}),
        (b"a,b\n", "no_rows", {"field": "rows"}),
        (b"", "no_rows", {"field": "rows", "line": 1}),
        (b"\n".join([b"a", *[b"1"] * 5001]), "too_many_rows", {"field": "rows"}),
        (b",".join(b"c%d" % i for i in range(101)) + b"\n", "too_many_features", {"field": "columns"}),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_by_place(client, body, code, place):
    answer = upload(client, body)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, code)
    first = document["errors"][0]
    assert {name: first[name] for name in place} == place


def zeros(rows):
    """Files of nothing but zeros, in every format that makes little of them."""
    table = np.zeros((rows, 50), np.float32)

    def write_hdf5(body):
        with h5py.File(body, "w") as file:
            file.create_dataset("x", data=table, compression="gzip")

    columns = pa.table({f"x{index}": table[:, index] for index in range(50)})
    return {
        "application/vnd.apache.parquet": saved(lambda body: parquet.write_table(columns, body)),
        "application/vnd.apache.arrow.stream": as_arrow(columns, compression="zstd"),
        "application/x-npz": saved(lambda body: np.savez_compressed(body, x=table)),
        "application/x-hdf5": saved(write_hdf5),
    }


def test_a_file_that_unpacks_to_very_many_times_its_size_is_refused(
    serve, base_settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(services, "UNQUESTIONED_BYTES", 100_000)
    with serve(base_settings.model_copy(update={"data_dir": tmp_path, "max_expansion": 5})) as api:
        for content_type, body in zeros(5000).items():
            assert len(body) < 100_000
            answer = upload(api.client, body, content_type)
            assert (answer.status_code, answer.json()["code"]) == (413, "expands_too_much"), answer.text
        for content_type, body in zeros(400).items():  # little, so it may be any number of times the file
            assert upload(api.client, body, content_type).status_code == 201
        assert len(api.client.get("/v1/datasets").json()["items"]) == 4
        assert api.half_done() == []
        random = np.random.default_rng(0).integers(0, 9, (4000, 50)).astype(np.int8)  # four times as large
        assert upload(api.client, saved(lambda body: np.save(body, random)), "application/x-npy").is_success


def test_no_more_is_stored_than_may_be(serve, base_settings, tmp_path):
    limits = {"data_dir": tmp_path, "max_stored_bytes": 2500}
    with serve(base_settings.model_copy(update=limits)) as api:
        first, second = api.dataset(rows=100, seed=0), b"a,b\n" + b"1,2\n" * 100
        assert api.client.get("/v1").json()["limits"]["max_stored_bytes"] == 2500
        assert upload(api.client, second).status_code == 201
        third = b"a\n" + b"3\n" * 100
        answer = upload(api.client, third)
        assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded")
        assert "2500" in answer.json()["detail"]
        assert upload(api.client, second).status_code == 200  # it is there already
        assert api.half_done() == []
        assert len(list((tmp_path / "datasets").iterdir())) == 2
        assert api.client.delete(f"/v1/datasets/{first}").status_code == 204
        assert upload(api.client, third).status_code == 201


def test_a_key_stores_no_more_than_its_share(serve, base_settings, tmp_path):
    limits = {"data_dir": tmp_path, "max_stored_bytes_per_key": 1500, "require_keys": True}
    settings = base_settings.model_copy(update=limits)
    store = Store.open(settings)
    keys = [store.keys.create(Scope.WRITE).secret for _ in range(2)]
    store.close()
    with serve(settings) as api:

        def put(number, key):
            headers = CSV | {"authorization": f"Bearer {key}"}
            body = b"a,b\n" + b"%d,2\n" % number * 100
            return api.client.post("/v1/datasets", content=body, headers=headers)

        assert put(1, keys[0]).status_code == 201
        refused = put(2, keys[0])
        assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
        assert put(2, keys[1]).status_code == 201


def test_strict_refuses_what_would_be_a_warning(client):
    missing = upload(client, b"a,b\n1,2\n3,\n", strict="true")
    assert (missing.status_code, missing.json()["code"]) == (422, "missing_values")
    assert missing.json()["errors"][0]["column"] == "b"
    constant = upload(client, b"a,b\n1,2\n3,2\n", strict="true")
    assert (constant.status_code, constant.json()["code"]) == (422, "constant_column")
    assert upload(client, b"a,b\n1,2\n3,4\n", strict="true").status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "multipart/form-data", ""]
)
def test_another_media_type_is_refused_with_the_list(client, content_type):
    answer = upload(client, b"a\n1\n", content_type)
    assert answer.status_code == 415
    assert "application/x-hdf5" in answer.json()["detail"]


@pytest.mark.parametrize("content_type", [name for name in BODIES if name != "text/csv"])
def test_damaged_bodies_are_not_parseable(client, content_type):
    assert (
        upload(client, BODIES[content_type][: len(BODIES[content_type]) // 2], content_type).status_code
        == 400
    )


@pytest.mark.parametrize("hidden", ["\0", "\x7f", "\x85", "\u202e", "\u2066", "\u061c", "\u2028"])
def test_a_name_with_a_character_that_cannot_be_seen_is_refused_by_its_place(client, hidden):
    code = f"U+{ord(hidden):04X}"
    answer = upload(client, b"a\n1\n", name=f"x{hidden}y")
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (422, "name")
    assert fault["detail"] == f"holds {code}, which cannot be seen; leave it out"
    answer = upload(
        client, json.dumps({"columns": ["a", f"b{hidden}"], "rows": [[1, 2]]}).encode(), "application/json"
    )
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_column_name")
    assert fault["column"] == f"b\\u{ord(hidden):04x}"
    assert fault["detail"] == f"column 2 has {code} in its name, which cannot be seen; leave it out"
    assert hidden not in answer.text
    answer = upload(client, b"a\n1\n", families=json.dumps({f"x{hidden}": ["a"]}))
    assert (answer.status_code, code in answer.json()["detail"]) == (422, True)


def test_nothing_is_left_of_uploads(api):
    upload(api.client, b"a,b\n1,2\n3,x\n")
    upload(api.client, b"a,b\n1,2\n3,4\n", name="left")
    assert api.half_done() == []


def test_a_dataset_is_deleted_unless_a_job_needs_it(api):
    dataset_id = api.dataset(seed=99)
    job = api.client.post("/v1/jobs", json={"dataset": dataset_id}).json()
    refused = api.client.delete(f"/v1/datasets/{dataset_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.client.delete(f"/v1/datasets/{dataset_id}").status_code == 204
    assert api.client.get(f"/v1/datasets/{dataset_id}").status_code == 404
    assert api.client.delete(f"/v1/datasets/{dataset_id}").status_code == 404


def test_a_list_is_paged_by_its_links(api):
    ids = [api.dataset(seed=1000 + number) for number in range(5)]
    found, path = [], "/v1/datasets?limit=2"
    while path and not set(ids) <= set(found):
        answer = api.client.get(path)
        found += [item["id"] for item in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url")
    assert [key for key in found if key in ids] == ids[::-1]
    assert len(found) == len(set(found))
