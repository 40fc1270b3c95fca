"""HDF5: read in a process of its own, plain arrays only."""

import h5py
import numpy as np
import pytest

from app.problems import InvalidError, NotParseableError, TooLargeError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.sandbox.confined import read_hdf5


@pytest.fixture
def read(tmp_path, limits):
    """Writes an HDF5 file with a function, and reads it as an upload."""

    def write_and_read(write):
        path = tmp_path / "upload.h5"
        with h5py.File(path, "w") as file:
            write(file)
        with path.open("rb") as file:
            return read_hdf5(file, ReadOptions(), limits)

    return write_and_read


def test_each_array_is_a_family(read, tmp_path):
    def write(file):
        file["pixels"] = np.array([[1, 2], [3, 4]], np.uint8)
        file.create_dataset("area", data=np.array([0.5, np.nan], ">f8"), compression="gzip")

    table = read(write)
    assert table.columns == ("area_0", "pixels_0", "pixels_1")
    assert table.family_widths == {"area": 1, "pixels": 2}
    np.testing.assert_array_equal(collect_rows(table, 10), [[0.5, 1, 2], [np.nan, 3, 4]])
    assert [path.name for path in tmp_path.iterdir()] == ["upload.h5"]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda file: file.__setitem__("x", np.zeros((2, 1, 1, 1, 1))), "it has 5 dimensions"),
        (lambda file: file.__setitem__("x", np.float64(1)), "it has 0 dimensions"),
        (lambda file: file.__setitem__("x", [b"text", b"more"]), "not real numbers"),
        (lambda file: file.__setitem__("x", np.array([b"text"])), "it holds |S4, not real numbers"),
        (lambda file: file.__setitem__("x", np.array([1j, 2])), "not real numbers"),
        (lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/x")), "a link to elsewhere"),
        (lambda file: file.__setitem__("x", h5py.SoftLink("/b")), "a link to elsewhere"),
        (
            lambda file: file.create_dataset("x", (100, 1), "f4", external=[("/etc/passwd", 0, 400)]),
            "it is not a plain array",
        ),
        (
            lambda file: file.create_dataset("x", (10**9, 1), "f4", chunks=(10**8, 1)),
            "it is stored in chunks larger than",
        ),
    ],
)
def test_what_is_no_plain_matrix_is_left_out_and_told(read, write, reason):
    with pytest.raises(InvalidError) as caught:
        read(write)
    assert caught.value.code == "not_a_matrix"
    assert [place.field for place in caught.value.places] == ["x"]

    def beside_numbers(file):
        write(file)
        file["a"] = np.zeros((2, 1))

    table = read(beside_numbers)
    assert table.columns == ("a_0",)
    ((name, told),) = [(column.name, column.reason) for column in table.left_out]
    assert name == "x"
    assert reason in told
    assert [(remark.code, remark.column) for remark in table.remarks] == [("left_out", "x")]


def test_a_file_without_arrays_is_refused(read):
    for write in (lambda file: None, lambda file: file.create_group("a")):
        with pytest.raises(InvalidError, match="no array of numbers"):
            read(write)


def test_what_says_that_it_is_huge_is_refused_unread(read):
    with pytest.raises(TooLargeError) as caught:
        read(lambda file: file.create_dataset("a", (10**9, 10), "f4", chunks=(10, 10)))
    assert caught.value.code == "expands_too_much"


@pytest.mark.parametrize(("name", "code"), [(b"a\xff", "U+DCFF"), ("a\u202e".encode(), "U+202E")])
def test_an_array_whose_name_is_no_text_is_told_by_its_position(read, name, code):
    with pytest.raises(InvalidError) as caught:
        read(lambda file: file.__setitem__(name, np.zeros((2, 2))))
    (place,) = caught.value.places
    assert place.detail == f"column 1 has {code} in its name, which cannot be seen; leave it out"
    assert place.column == f"a\\u{code[2:].lower()}"


@pytest.mark.parametrize("body", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n" + b"\x00" * 200])
def test_something_else_is_not_parseable(body, tmp_path, limits):
    (tmp_path / "upload.h5").write_bytes(body)
    with (tmp_path / "upload.h5").open("rb") as file, pytest.raises(NotParseableError):
        read_hdf5(file, ReadOptions(), limits)
