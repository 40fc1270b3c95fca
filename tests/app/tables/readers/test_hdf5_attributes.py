"""HDF5 as netCDF and pandas write it: what stands for missing values, scales, dimensions, groups, indexes."""

import h5py
import numpy as np
import pytest

from app.problems import InvalidError
from app.tables.readers.hdf5_reader import MAX_ARRAYS, ArrayNotes, read_arrays

NAN = np.nan


@pytest.fixture
def read(tmp_path, limits):
    """Writes a file with a function, and reads it: the arrays by name, and what is said of them."""

    def write_and_read(write):
        with h5py.File(tmp_path / "upload.h5", "w") as file:
            write(file)
        notes = ArrayNotes()
        arrays = {
            name: np.concatenate(list(blocks)).astype(dtype)
            for name, dtype, _, blocks in read_arrays(tmp_path / "upload.h5", notes, limits)
        }
        return arrays, notes

    return write_and_read


@pytest.mark.parametrize(
    ("values", "attributes", "expected"),
    [
        (np.array([1, -999, 3], "i2"), {"_FillValue": np.int16(-999)}, [1, NAN, 3]),
        (np.array([1, -999, 3], "i2"), {"missing_value": np.float64(-999)}, [1, NAN, 3]),
        (
            np.array([1, 255, 0], "u1"),
            {"_FillValue": np.uint8(255), "missing_value": np.uint8(0)},
            [1, NAN, NAN],
        ),
        (np.array([1, 241, 3], "u1"), {"missing_value": np.int16(-15)}, [1, 241, 3]),
        (np.array([1, -1, -2], "i4"), {"missing_value": np.array([-1, -2])}, [1, NAN, NAN]),
        (np.array([1, 1e20, 3], "f4"), {"_FillValue": np.float32(1e20)}, [1, NAN, 3]),
        (np.array([1, 1e20, 3], "f4"), {"missing_value": np.float64(1e20)}, [1, NAN, 3]),
        (np.array([1, 9.96921e36, 3], ">f4"), {"_FillValue": np.float32(9.96921e36)}, [1, NAN, 3]),
        (np.array([1, np.nan, 3], "f8"), {"_FillValue": np.float64("nan")}, [1, NAN, 3]),
        (np.array([1, 2, 3], "i2"), {"scale_factor": 0.5}, [0.5, 1, 1.5]),
        (np.array([1, 2, 3], "i2"), {"add_offset": 273.15}, [274.15, 275.15, 276.15]),
        (
            np.array([1, -999, 3], "i2"),
            {"scale_factor": np.float32(0.5), "add_offset": np.array([10.0]), "_FillValue": np.int16(-999)},
            [10.5, NAN, 11.5],
        ),
        (np.array([1, -1, -128], "i1"), {"_Unsigned": "true"}, [1, 255, 128]),
        (np.array([1, -1, -2], ">i2"), {"_Unsigned": b"true", "_FillValue": np.int16(-1)}, [1, NAN, 65534]),
        (
            np.array([1, -1, 100], "i1"),
            {"_Unsigned": np.array(["True"], "S4"), "missing_value": np.uint8(255), "scale_factor": 0.5},
            [0.5, NAN, 50],
        ),
        (np.array([1, 255, 3], "u1"), {"_Unsigned": "false"}, [1, -1, 3]),
        (np.array([1, -1, 3], "i1"), {"_Unsigned": "false"}, [1, -1, 3]),
        (np.array([1, -1, 3], "f4"), {"_Unsigned": "true"}, [1, -1, 3]),
        (np.array([1, -1, 3], "i1"), {"_Unsigned": 7}, [1, -1, 3]),
        (np.array([1, 2, 3], "i2"), {"scale_factor": "a half", "_FillValue": b"x"}, [1, 2, 3]),
        (np.array([1, 2, 3], "i2"), {"scale_factor": np.array([], "f8")}, [1, 2, 3]),
    ],
)
def test_the_attributes_of_netcdf_are_honoured(read, values, attributes, expected):
    def write(file):
        file["x"] = values
        file["x"].attrs.update(attributes)

    arrays, notes = read(write)
    np.testing.assert_allclose(arrays["x"].ravel(), expected, rtol=1e-12)
    used = [
        name for name, value in attributes.items() if np.asarray(value).dtype.kind in "iuf" and np.size(value)
    ]
    used = [name for name in used if name != "_Unsigned"]
    if not np.array_equal(expected, values) and "_Unsigned" in attributes:
        used.append("_Unsigned")
    told = [remark.detail for remark in notes.remarks if remark.column == "x"]
    assert len(told) == bool(used)
    assert all(name in told[0] for name in used)


def test_scales_of_dimensions_are_left_out(read):
    def write(file):
        file["pixels"] = np.ones((3, 2))
        file["time"] = np.arange(3.0)
        file["time"].make_scale("time")
        file["pixels"].dims[0].attach_scale(file["time"])
        file["level"] = np.arange(2.0)
        file["level"].attrs["CLASS"] = "DIMENSION_SCALE"

    arrays, notes = read(write)
    assert list(arrays) == ["pixels"]
    assert {left.name: left.reason for left in notes.left_out} == dict.fromkeys(
        ["level", "time"], "it is the scale of a dimension"
    )


def test_arrays_in_groups_are_found_by_their_path(read):
    def write(file):
        file["top"] = np.ones(2)
        file["a/b/deep"] = np.zeros((2, 2))
        file["a/text"] = [b"x", b"y"]
        file["a/b/link"] = h5py.SoftLink("/top")

    arrays, notes = read(write)
    assert sorted(arrays) == ["a/b/deep", "top"]
    assert [left.name for left in notes.left_out] == ["a/b/link", "a/text"]


def test_a_group_within_itself_ends(read):
    def write(file):
        group = file.create_group("a")
        for name in "bcdefgh":
            group[name] = group

    with pytest.raises(InvalidError) as caught:
        read(write)
    assert caught.value.code == "too_many_families"


def test_more_arrays_than_may_be_are_refused(read):
    def write(file):
        for index in range(MAX_ARRAYS + 1):
            file.create_group(f"g{index // 100}").create_dataset(
                str(index), data=1.0
            ) if index % 100 == 0 else (file[f"g{index // 100}"].create_dataset(str(index), data=1.0))

    with pytest.raises(InvalidError, match="more than 1000 arrays"):
        read(write)


def test_the_index_of_a_frame_of_pandas_is_left_out(read):
    def write(file):
        group = file.create_group("df")
        group.attrs["pandas_type"] = np.bytes_("frame")
        group["axis0"] = [b"a", b"b"]
        group["axis1"] = np.arange(3)
        group["block0_items"] = [b"a", b"b"]
        group["block0_values"] = np.ones((3, 2))
        file["axis1"] = np.arange(3)

    arrays, notes = read(write)
    assert sorted(arrays) == ["axis1", "df/block0_values"]
    assert {left.name: left.reason for left in notes.left_out}["df/axis1"] == "it is a stored index"


def test_a_link_whose_name_is_no_text_is_told(read):
    def write(file):
        file["a"] = np.ones(2)
        file[b"b\xff"] = h5py.SoftLink("/a")

    _, notes = read(write)
    assert [left.name for left in notes.left_out] == ["b\\udcff"]
