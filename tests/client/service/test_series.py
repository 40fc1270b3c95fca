"""Series, grids and a table: learnt from together, and encoded whatever holds them."""

import io

import numpy as np
import pyarrow as pa
import pytest
from catvq_client import ApiError, CatvqError

ROWS = 80


@pytest.fixture(scope="module")
def families():
    """A table, series of two channels with lengths of their own, and grids; one cause is in all of them."""
    random = np.random.default_rng(5)
    cause = random.normal(size=ROWS)
    lengths = random.integers(8, 40, ROWS)
    waves = [
        (1 + np.abs(cause[row])) * np.sin(np.arange(length)[:, None] / [2, 5])
        + 0.05 * random.normal(size=(length, 2))
        for row, length in enumerate(lengths)
    ]
    return {
        "table": np.column_stack([cause, cause + 0.1 * random.normal(size=ROWS)]),
        "wave": waves,
        "field": cause[:, None, None, None] * random.normal(1, 0.1, size=(ROWS, 1, 6, 5)),
    }


@pytest.fixture(scope="module")
def trained(client, families):
    dataset = client.datasets.upload(families, channels={"wave": ["x", "y"]})
    request = {
        "dataset": dataset.id,
        "model": {"categories": 2, "levels": 1, "hidden_dim": 8, "embedding_dim": 4},
        "assignment": {"mode": "static"},
        "training": {"epochs": 1, "batch_size": 16},
        "report": {"baselines": False},
    }
    job = client.jobs.wait(client.jobs.submit(request).id, timeout_s=120)
    assert job.status == "succeeded", job
    return dataset, client.models.get(job.model)


def test_channels_are_features(client, trained):
    dataset, model = trained
    assert {name: family.kind for name, family in dataset.families.items()} == {
        "table": "tabular",
        "wave": "series",
        "field": "grid",
    }
    grouping = client.models.grouping(model.id)
    assert {feature.name for feature in grouping.features} == {
        "table_0",
        "table_1",
        "wave/x",
        "wave/y",
        "field/0",
    }


def test_whatever_holds_the_rows_their_codes_are_those_of_a_job(client, families, trained):
    dataset, model = trained
    job = client.jobs.wait(client.models.encode_dataset(model.id, dataset.id).id, timeout_s=60)
    codes = client.datasets.rows(job.result)
    assert codes.shape == (ROWS, 2)
    np.testing.assert_array_equal(client.models.encode(model.id, families), codes)
    part = {name: values[10:13] for name, values in families.items()}
    np.testing.assert_array_equal(client.models.encode(model.id, part), codes[10:13])
    table = pa.table(
        {
            "table_0": families["table"][:, 0],
            "table_1": families["table"][:, 1],
            "wave": pa.array(
                [wave.tolist() for wave in families["wave"]], pa.list_(pa.list_(pa.float32(), 2))
            ),
            "field": pa.FixedShapeTensorArray.from_numpy_ndarray(families["field"].astype(np.float32)),
        }
    )
    found = client.models.encodings(model.id, table)
    assert np.asarray(found.codes).tolist() == codes.tolist()
    assert set(found.status) == {"ok"}


def test_what_is_missing_is_imputed_and_infinity_is_invalid(client, families, trained):
    waves = [wave.copy() for wave in families["wave"][:3]]
    waves[0] = np.empty((0, 2))
    waves[1][2, 0] = np.inf
    rows = {"table": families["table"][:3], "wave": waves, "field": families["field"][:3]}
    found = client.models.encodings(trained[1].id, rows)
    assert list(found.status) == ["imputed", "invalid", "ok"]
    assert set(np.asarray(found.codes)[1].tolist()) == {-1}


def test_decodings_are_descriptors(client, trained):
    model = trained[1]
    rows = client.models.decode(model.id, [[0, 0]])
    described = sum(len(family.channels) * len(family.descriptors) for family in model.kinds)
    assert rows.shape == (1, 2 + described)
    assert np.isfinite(rows).all()


def test_rows_without_a_family_are_refused_by_its_name(client, families, trained):
    with pytest.raises(ApiError, match="'field'"):
        client.models.encodings(trained[1].id, {"table": families["table"], "wave": families["wave"]})


def test_the_artifact_gives_the_same_codes(client, families, trained):
    runtime = pytest.importorskip("onnxruntime")
    model = trained[1]
    session = runtime.InferenceSession(io.BytesIO(client.models.artifact(model.id)).getvalue())
    wave = families["wave"][0]
    padded = np.full((1, len(wave) + 7, 2), 1e6, np.float32)
    padded[0, : len(wave)] = wave
    inputs = {
        "rows": families["table"][:1].astype(np.float32),
        "wave": padded,
        "wave.lengths": np.array([len(wave)], np.int64),
        "field": families["field"][:1].astype(np.float32),
    }
    (codes,) = session.run(["codes"], inputs)
    np.testing.assert_array_equal(
        codes, client.models.encode(model.id, {n: v[:1] for n, v in families.items()})
    )


def test_prefixes_of_series_have_rows_of_their_own(client, trained):
    dataset, model = trained
    job = client.jobs.wait(
        client.models.encode_dataset(model.id, dataset.id, prefixes=[4, 8]).id, timeout_s=60
    )
    assert client.datasets.get(job.result).rows == 2 * ROWS


def test_a_dataset_of_series_is_written_to_a_file_that_can_be_uploaded_again(
    client, trained, families, tmp_path
):
    path = tmp_path / "runs.npz"
    client.datasets.download(trained[0].id, path)
    with np.load(path) as found:
        assert np.array_equal(found["wave.values"], np.concatenate(families["wave"]).astype(np.float32))
    assert client.datasets.upload(path).families == trained[0].families
    with pytest.raises(CatvqError, match="written as"):
        client.datasets.download(trained[0].id, tmp_path / "runs.xlsx")
    with pytest.raises(ApiError, match="ds_0"):
        client.datasets.download("ds_0", tmp_path / "none.npz")
    assert not (tmp_path / "none.npz").exists()
