"""HDF5 files in the published layout: where families are, what they are called, which rows are left out."""

import json

import h5py
import numpy as np
import pytest
from catvq_client.errors import CatvqError
from catvq_client.job_files.published_data import read_published
from catvq_client.job_files.run_file import PublishedData

ROWS = 6


@pytest.fixture
def path(tmp_path):
    """A file with all kinds of families."""
    random = np.random.default_rng(0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        features = file.create_group("features")
        features["initial/aggregated/features"] = random.normal(size=(ROWS, 3))
        features["initial/per_trajectory/features"] = random.normal(size=(ROWS, 2, 3))
        features["summary/per_trajectory/features"] = np.arange(ROWS * 4.0).reshape(ROWS, 2, 2)
        features["temporal/features"] = random.normal(size=(ROWS, 8, 2))
        features["initial"].attrs["feature_registry"] = json.dumps(
            {"spatial": {"mean": 0, "gradient": 2}, "spectral": {"peak": 1}}
        )
        features["temporal"].attrs["feature_registry"] = json.dumps({"energy": 0, "entropy": 1})
        file["parameters/vectors"] = random.normal(size=(ROWS, 2))
        file["inputs/fields"] = random.normal(size=(ROWS, 2, 1, 4, 4))
    return tmp_path / "data.h5"


def read(path, *families, **wanted):
    named = {family: {} for family in families} | wanted.pop("settings", {})
    return read_published(path, PublishedData(families=named, **wanted))


def test_each_family_is_found_where_the_layout_has_it(path):
    found = read(path, "initial", "summary", "temporal", "architecture")
    shapes = {name: array.shape for name, array in found.arrays.items()}
    assert shapes == {"initial": (6, 3), "summary": (6, 2), "temporal": (6, 8, 2), "architecture": (6, 2)}
    assert found.arrays["summary"][0].tolist() == [1, 2]  # the mean of [0, 1] and [2, 3]
    assert found.names == {"initial": ["mean", "peak", "gradient"], "temporal": ["energy", "entropy"]}
    assert found.columns[:4] == ["initial_mean", "initial_peak", "initial_gradient", "summary_0"]
    assert found.channels == {"temporal": ["energy", "entropy"]}
    assert any("families.initial.path chooses" in note for note in found.notes)


def test_a_path_chooses_and_an_encoder_of_images_takes_the_fields(path):
    other = {"initial": {"path": "/features/initial/per_trajectory/features"}}
    assert read(path, settings=other).arrays["initial"].shape == (6, 3)
    assert any("mean over 2 trajectories" in note for note in read(path, settings=other).notes)
    hybrid = read(path, settings={"initial": {"encoder": "initial_hybrid"}})
    assert {name: array.shape for name, array in hybrid.arrays.items()} == {
        "initial": (6, 3),
        "initial_fields": (6, 1, 4, 4),
    }
    assert list(read(path, settings={"ic": {"encoder": "ICCNNEncoder"}}).arrays) == ["ic"]


def test_rows_and_features_are_left_out_as_asked(path):
    found = read(path, "initial", "temporal", max_samples=4, exclude=("gradient", "temporal::energy"))
    assert found.arrays["initial"].shape == (4, 2)
    assert found.arrays["temporal"].shape == (4, 8, 1)
    assert found.names == {"initial": ["mean", "peak"], "temporal": ["entropy"]}


def test_rows_that_were_never_written_or_are_there_twice_are_told_and_trimmed(path):
    with h5py.File(path, "r+") as file:
        for place in ("features/initial/aggregated/features", "features/temporal/features"):
            file[place][4] = 0
            file[place][5] = file[place][0]
    told = read(path, "initial", "temporal")
    assert len(told.arrays["initial"]) == ROWS
    assert [note for note in told.notes if "rows" in note] == [
        "1 of 6 rows are all zero, from row 5 on: kept; --trim leaves them out",
        "1 of 6 rows are the same as an earlier one, from row 6 on: kept; --trim leaves them out",
    ]
    trimmed = read(path, "initial", "temporal", trim=True)
    assert {len(array) for array in trimmed.arrays.values()} == {4}


def test_what_is_not_there_is_named(path, tmp_path):
    with pytest.raises(CatvqError, match=r"no family tempral.*temporal"):
        read(path, "tempral")
    with pytest.raises(CatvqError, match="no array features/x"):
        read(path, settings={"initial": {"path": "features/x"}})
    (tmp_path / "text.h5").write_text("no file")
    with pytest.raises(CatvqError, match="not a readable HDF5 file"):
        read(tmp_path / "text.h5", "a")
    with h5py.File(path, "r+") as file:
        file["short"] = np.ones((2, 2))
    with pytest.raises(CatvqError, match="differ in their number of rows"):
        read(path, "initial", "short")
