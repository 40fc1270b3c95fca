"""NPY and NPZ: arrays without names, nothing unpickled, nothing unpacked beyond the limit."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.problems import InvalidError, NotParseableError, TooLargeError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.readers.numpy_reader import read_npy, read_npz
from app.tables.table import TableLimits


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def npy(array, **options):
    body = io.BytesIO()
    np.save(body, array, **options)
    return body


def npz(**arrays):
    body = io.BytesIO()
    np.savez_compressed(body, **arrays)
    return body


def read_any_npz(body, limits):
    return read_npz(body, ReadOptions(), limits)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8", np.float16, np.int16, np.uint64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_number_is_read(dtype, order, limits, tmp_path):
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype, order=order)
    table = read_npy(npy(array), limits)
    assert table.columns == ("f0", "f1", "f2")
    assert not table.has_names
    assert collect_rows(table, 10).tolist() == [[0, 1, 1], [1, 0, 1]]
    np.save(tmp_path / "on_disk.npy", array)
    with (tmp_path / "on_disk.npy").open("rb") as file:
        assert collect_rows(read_npy(file, limits), 10).tolist() == [[0, 1, 1], [1, 0, 1]]


def test_one_dimension_is_one_column(limits):
    assert collect_rows(read_npy(npy(np.arange(3)), limits), 10).tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.array(1.0), "not_a_matrix"),
        (np.zeros((2, 2, 2)), "not_a_matrix"),
        (np.zeros((2, 2), complex), "not_numeric"),
        (np.array([["x"]]), "not_numeric"),
        (np.zeros(2, [("a", float)]), "not_numeric"),
        (np.zeros((3, 0)), "no_columns"),
        (np.zeros((1, 51)), "too_many_features"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(array, code, limits):
    with pytest.raises(InvalidError) as caught:
        read_npy(npy(array), limits)
    assert caught.value.code == code


def test_a_pickled_array_is_refused_unread(limits):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    body = npy(np.array([[Bomb()]], dtype=object), allow_pickle=True)
    with pytest.raises(NotParseableError, match="pickled"):
        read_npy(body, limits)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.npy", body.getvalue())
    with pytest.raises(NotParseableError, match="pickled") as caught:
        read_npz(archive, ReadOptions(), limits)
    assert [place.field for place in caught.value.places] == ["a"]
    assert "send text as columns of CSV" in caught.value.places[0].detail


def test_spaces_around_the_names_of_arrays_are_taken_off_and_said(limits):
    table = read_npz(npz(**{" a": np.ones((2, 1)), "b\t": np.ones((2, 1))}), ReadOptions(), limits)
    assert table.family_widths == {"a": 1, "b": 1}
    assert table.columns == ("a_0", "b_0")
    assert [warned.code for warned in table.remarks] == ["spaces_in_names"]
    with pytest.raises(InvalidError, match="twice"):
        read_npz(npz(**{"a": np.ones((2, 1)), "a ": np.ones((2, 1))}), ReadOptions(), limits)


def test_a_damaged_array_is_named(limits):
    whole, body = npz(a=np.ones((2, 1)), b=np.ones((2, 1))), io.BytesIO()
    with zipfile.ZipFile(whole) as read, zipfile.ZipFile(body, "w") as write:
        write.writestr("a.npy", read.read("a.npy"))
        write.writestr("b.npy", read.read("b.npy")[:-1])
    with pytest.raises(
        NotParseableError, match="the array 'b' is damaged: 1 bytes of it are missing"
    ) as caught:
        read_npz(body, ReadOptions(), limits)
    assert [place.field for place in caught.value.places] == ["b"]


def test_an_array_of_text_is_named_with_what_it_holds_and_what_to_do(limits):
    arrays = {"a": np.ones((2, 1)), "who": np.array(["p", "qq"])}
    with pytest.raises(InvalidError) as caught:
        read_npz(npz(**arrays), ReadOptions(), limits)
    assert [place.field for place in caught.value.places] == ["who"]
    assert "the array 'who': it holds text (<U2), not real numbers; leave it out, or" in caught.value.detail


def test_an_array_of_text_that_a_model_does_not_know_stays_unread(limits):
    arrays = {"a": np.ones((2, 1)), "who": np.array(["p", "qq"])}
    table = read_npz(npz(**arrays), ReadOptions(known={"a_0": None}), limits)
    assert table.columns == ("a_0",)
    for name, known in (("rows", "a_0"), ("a", "a_0"), ("b", "b")):
        with pytest.raises(InvalidError, match=f"the array '{name}': it holds text"):
            read_npz(npz(**{name: np.array(["x"])}), ReadOptions(known={known: None}), limits)


def test_bytes_after_an_array_are_refused_and_not_lost(limits, tmp_path):
    body = npy(np.zeros((2, 3))).getvalue()
    for surplus in (b"x", body):
        with pytest.raises(NotParseableError, match=f"followed by {len(surplus)} bytes"):
            read_npy(io.BytesIO(body + surplus), limits)
    (tmp_path / "on_disk.npy").write_bytes(body + body)
    with (tmp_path / "on_disk.npy").open("rb") as file, pytest.raises(NotParseableError, match="followed by"):
        read_npy(file, limits)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000000000000000, 3), }",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '" + "(" * 500 + "', 'fortran_order': False, 'shape': (1, 3), }",
        "__import__('os').abort()",
        "[" * 9000,
    ],
)
def test_absurd_headers_are_refused(header, limits, tmp_path):
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(24)
    with pytest.raises(NotParseableError):
        read_npy(io.BytesIO(body), limits)
    (tmp_path / "on_disk.npy").write_bytes(body)
    with (tmp_path / "on_disk.npy").open("rb") as file, pytest.raises(NotParseableError):
        read_npy(file, limits)


def test_each_array_of_an_npz_is_a_family(limits):
    table = read_npz(
        npz(pixels=np.array([[1, 2], [3, 4]], np.uint8), area=np.array([0.5, np.nan])), ReadOptions(), limits
    )
    assert table.columns == ("pixels_0", "pixels_1", "area_0")
    assert table.family_widths == {"pixels": 2, "area": 1}
    np.testing.assert_array_equal(collect_rows(table, 10), [[1, 2, 0.5], [3, 4, np.nan]])


def test_arrays_of_different_heights_are_named(limits):
    with pytest.raises(InvalidError) as caught:
        read_npz(npz(a=np.zeros((2, 1)), b=np.zeros((3, 1))), ReadOptions(), limits)
    assert caught.value.code == "ragged_row"
    assert {place.field for place in caught.value.places} == {"a", "b"}


def test_an_npz_without_arrays_has_no_columns(limits):
    with pytest.raises(InvalidError, match="no columns"):
        read_npz(npz(), ReadOptions(), limits)


def test_a_bomb_is_stopped_while_it_unpacks(limits):
    body = npz(a=np.zeros((1 << 20, 4)))
    assert len(body.getvalue()) < 100_000
    with pytest.raises(TooLargeError, match="unpacks"):
        read_npz(body, ReadOptions(), limits)


def test_too_many_members_are_refused_unread(limits):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for number in range(1001):
            file.writestr(f"{number}.npy", b"")
    with pytest.raises(InvalidError, match="1000 arrays"):
        read_npz(body, ReadOptions(), limits)


def test_more_members_than_the_list_says_are_refused(limits):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for number in range(1001):
            file.writestr(f"{number}.npy", b"")
    lying = bytearray(body.getvalue())
    end = lying.rindex(b"PK\x05\x06")
    lying[end + 8 : end + 12] = (1).to_bytes(2, "little") * 2
    with pytest.raises(InvalidError, match="1000 arrays"):
        read_npz(io.BytesIO(lying), ReadOptions(), limits)


def test_many_arrays_take_no_descriptor_each(limits):
    before = open_descriptors()
    table = read_npz(
        npz(**{f"a{number}": np.full((3, 1), number) for number in range(40)}), ReadOptions(), limits
    )
    assert open_descriptors() <= before + 2
    np.testing.assert_array_equal(collect_rows(table, 10)[1], np.arange(40))


def test_a_second_list_of_members_that_could_be_of_any_size_is_refused_unread(limits):
    body = npz(a=np.zeros((2, 2))).getvalue()
    end = body.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)  # where zip64 says how large the list really is
    with pytest.raises(InvalidError, match="1000 arrays"):
        read_npz(io.BytesIO(body[:end] + locator + body[end:]), ReadOptions(), limits)


def test_a_member_that_is_there_twice_is_refused(limits):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        file.writestr("a.npy", npy(np.zeros((2, 2))).getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", npy(np.zeros((2, 2))).getvalue())
    with pytest.raises(InvalidError, match="twice"):
        read_npz(body, ReadOptions(), limits)


@pytest.mark.parametrize("body", [b"", b"PK\x05\x06", b"not a zip file", b"PK\x03\x04" + b"x" * 100])
def test_something_else_is_not_parseable(body, limits):
    for read in (read_npy, read_any_npz):
        with pytest.raises(NotParseableError):
            read(io.BytesIO(body), limits)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_and_never_crash(data, tmp_path_factory):
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    read, whole = data.draw(
        st.sampled_from(
            [(read_npy, npy(np.ones((4, 3)))), (read_any_npz, npz(a=np.ones((4, 3)), b=np.ones(4)))]
        )
    )
    body = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    try:
        collect_rows(read(io.BytesIO(bytes(body)), limits), 1000)
    except (InvalidError, NotParseableError, TooLargeError):
        return
