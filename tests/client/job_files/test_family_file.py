import h5py
import numpy as np
import pytest
from catvq_client.errors import CatvqError
from catvq_client.job_files.family_file import open_families

SMALL = np.arange(6, dtype=np.float32).reshape(3, 2)
LARGE = np.arange(12, dtype=np.float64).reshape(3, 4)


@pytest.fixture
def hdf5(tmp_path):
    path = tmp_path / "features.h5"
    with h5py.File(path, "w") as file:
        file["initial"] = SMALL
        file["features/summary"] = LARGE
        file["features/temporal/aggregated/features"] = LARGE
        file["features/temporal/per_step"] = np.zeros((3, 5, 2))
        file["features/double/a"] = SMALL
        file["features/double/b"] = SMALL
        file["features/none/names"] = np.zeros(3)
    return path


@pytest.mark.parametrize(("name", "expected"), [("initial", SMALL), ("summary", LARGE), ("temporal", LARGE)])
def test_a_family_is_found_at_the_top_below_features_or_as_the_only_table_of_a_group(hdf5, name, expected):
    with open_families(hdf5, [name]) as families:
        np.testing.assert_array_equal(families[name][0:3], expected)


def test_families_keep_the_order_in_which_they_are_asked_for(hdf5):
    with open_families(hdf5, ["temporal", "initial"]) as families:
        assert list(families) == ["temporal", "initial"]


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("absent", "no family absent; the file's top level has features, initial"),
        ("double", "exactly one two-dimensional array, found /features/double/a, /features/double/b"),
        ("none", "found none"),
    ],
)
def test_a_family_that_cannot_be_picked_is_named_with_what_there_is(hdf5, name, needle):
    with pytest.raises(CatvqError, match=needle), open_families(hdf5, [name]):
        pass


def test_arrays_are_picked_from_npz(tmp_path):
    path = tmp_path / "features.npz"
    np.savez(path, a=SMALL, b=LARGE)
    with open_families(path, ["b"]) as families:
        np.testing.assert_array_equal(families["b"], LARGE)
    with pytest.raises(CatvqError, match="no family c; the file has a, b"), open_families(path, ["a", "c"]):
        pass


@pytest.mark.parametrize("name", ["table.csv", "broken.h5", "broken.npz"])
def test_a_file_without_families_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no such thing")
    with pytest.raises(CatvqError, match=name), open_families(path, ["a"]):
        pass
