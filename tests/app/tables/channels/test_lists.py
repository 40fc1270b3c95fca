"""Lists in columns of Arrow, Parquet and JSON: features, series or grids."""

import io

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.formats import Format
from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import open_table


def as_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def as_parquet(table):
    body = io.BytesIO()
    parquet.write_table(table, body, row_group_size=2)
    return body.getvalue()


def as_json(table):
    families = {name: table[name].to_pylist() for name in table.column_names}
    return orjson.dumps({"families": families})


WAYS = {
    "arrow": (Format.ARROW, as_stream),
    "parquet": (Format.PARQUET, as_parquet),
    "json": (Format.JSON, as_json),
}


@pytest.fixture(params=["arrow", "parquet"])
def way(request):
    return request.param


@pytest.fixture
def read(limits, way):
    """Reads columns of Arrow arrays; keywords are options of reading."""

    def write_and_read(columns, way=way, **options):
        file_format, write = WAYS[way]
        body = io.BytesIO(write(pa.table(columns)))
        return open_table(body, file_format, ReadOptions(**options), limits)

    return write_and_read


def values(family):
    blocks = list(family.blocks())
    assert {block.dtype.kind for block in blocks} <= {"f"}
    return np.concatenate(blocks)


RAGGED = pa.array([[1.5, 2], None, [], [3, None, 5]], pa.list_(pa.float32()))
STEPS = [[[1, 2], [3, 4]], None, [], [[5, 6], None, [7, None]]]
SERIES = {
    "of one size": pa.array(STEPS, pa.list_(pa.list_(pa.float64(), 2))),
    "of lists": pa.array(STEPS, pa.large_list(pa.list_(pa.int16()))),
}


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_lists_of_differing_lengths_are_a_series_of_one_channel(read):
    table = read({"s": RAGGED})
    found = table.channels["s"]
    assert (table.columns, found.kind, found.channels) == ((), "series", ("0",))
    assert found.lengths.tolist() == [2, 0, 0, 3]
    np.testing.assert_array_equal(values(found), np.c_[[1.5, 2, 3, np.nan, 5]])
    assert sum(len(block) for block in table.blocks()) == 4


def test_a_slice_is_read_from_where_it_begins(read):
    longer = pa.concat_arrays([RAGGED, RAGGED])[2:6]
    table = read({"a": [1, 2, 3, 4], "s": longer})
    assert table.columns == ("a",)
    assert table.channels["s"].lengths.tolist() == [0, 3, 2, 0]
    np.testing.assert_array_equal(values(table.channels["s"]), np.c_[[3, np.nan, 5, 1.5, 2]])


@pytest.mark.parametrize("column", SERIES.values(), ids=SERIES)
@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_lists_of_lists_are_a_series_of_channels(read, column):
    found = read({"s": column}, channels={"s": ("x", "y")}).channels["s"]
    assert (found.kind, found.channels, found.lengths.tolist()) == ("series", ("x", "y"), [2, 0, 0, 3])
    nan = np.nan
    np.testing.assert_array_equal(values(found), [[1, 2], [3, 4], [5, 6], [nan, nan], [7, nan]])


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_lists_of_one_length_are_features_unless_they_are_said_to_be_a_series(read):
    lists = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32()))
    table = read({"v": lists})
    assert (table.columns, table.channels) == (("v[0]", "v[1]"), {})
    assert "kinds" in table.remarks[0].detail
    found = read({"v": lists}, kinds={"v": "series"}).channels["v"]
    assert (found.lengths.tolist(), values(found).tolist()) == ([2, 2], [[1], [2], [3], [4]])


def test_lists_of_a_fixed_size_are_features_unless_they_are_said_to_be_a_series(read):
    lists = pa.array([[1, 2], None], pa.list_(pa.float32(), 2))
    assert read({"v": lists}).columns == ("v[0]", "v[1]")
    found = read({"v": lists}, kinds={"v": "series"}).channels["v"]
    assert (found.lengths.tolist(), values(found).tolist()) == ([2, 0], [[1], [2]])


TENSOR = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)


def test_tensors_of_three_dimensions_are_grids(read):
    found = read({"g": pa.FixedShapeTensorArray.from_numpy_ndarray(TENSOR)}).channels["g"]
    assert (found.kind, found.channels, found.shape) == ("grid", ("0", "1"), (2, 3))
    np.testing.assert_array_equal(values(found), TENSOR)


def test_tensors_are_read_in_the_order_that_is_meant(read):
    kind = pa.fixed_shape_tensor(pa.float32(), [2, 3, 2], permutation=[2, 0, 1])
    storage = pa.array(TENSOR.reshape(2, 12).tolist(), pa.list_(pa.float32(), 12))
    array = pa.ExtensionArray.from_storage(kind, storage)
    found = read({"g": array}).channels["g"]
    np.testing.assert_array_equal(values(found), TENSOR.reshape(2, 2, 3, 2).transpose(0, 3, 1, 2))
    assert (found.channels, found.shape) == (("0", "1"), (2, 3))


def test_tensors_of_fewer_dimensions_are_series_or_features(read):
    two = pa.FixedShapeTensorArray.from_numpy_ndarray(TENSOR[:, 0])
    found = read({"s": two}).channels["s"]
    assert (found.kind, found.channels, found.lengths.tolist()) == ("series", ("0", "1", "2"), [2, 2])
    np.testing.assert_array_equal(values(found), TENSOR[:, 0].reshape(4, 3))
    grid = read({"s": two}, kinds={"s": "grid"}).channels["s"]
    assert (grid.kind, grid.channels, grid.shape) == ("grid", ("0",), (2, 3))
    one = read({"v": pa.FixedShapeTensorArray.from_numpy_ndarray(TENSOR[:, 0, 0])})
    assert one.columns == ("v[0]", "v[1]", "v[2]")
    np.testing.assert_array_equal(np.concatenate(list(one.blocks())), TENSOR[:, 0, 0])


def test_missing_tensors_are_missing_throughout(read):
    kind = pa.fixed_shape_tensor(pa.float32(), [1, 1, 2])
    storage = pa.array([[1, 2], None], pa.list_(pa.float32(), 2))
    found = read({"g": pa.ExtensionArray.from_storage(kind, storage)}).channels["g"]
    np.testing.assert_array_equal(values(found).reshape(2, 2), [[1, 2], [np.nan, np.nan]])


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_nested_lists_of_one_shape_are_grids(read):
    grids = pa.array([TENSOR[0].tolist(), None], pa.list_(pa.list_(pa.list_(pa.float32()))))
    found = read({"g": grids}).channels["g"]
    assert (found.channels, found.shape) == (("0", "1"), (2, 3))
    np.testing.assert_array_equal(values(found), [TENSOR[0], np.full((2, 2, 3), np.nan)])


def test_what_stands_for_missing_numbers_is_missing_in_lists(read):
    found = read({"s": pa.array([[-999, 1], [2]])}, na_values=(-999.0,)).channels["s"]
    np.testing.assert_array_equal(values(found), [[np.nan], [1], [2]])


def test_columns_of_lists_are_left_out_when_asked(read):
    column = {"a": [1, 2], "s": pa.array([[1], [2, 3]])}
    for options in ({"types": {"s": "ignore"}}, {"exclude": ("s",)}, {"include": ("a",)}):
        table = read(column, **options)
        assert (table.columns, table.channels) == (("a",), {})
        assert [left.name.removesuffix("/0") for left in table.left_out] == ["s"]


@pytest.mark.parametrize(
    ("column", "options", "code"),
    [
        (pa.array([[[1, 2]], [[3, 4], [5]]]), {}, "lists_differ"),
        (pa.array([[1], [2, 3]]), {"kinds": {"s": "tabular"}}, "lists_differ"),
        (pa.array([[1], [2, 3]]), {"kinds": {"s": "grid"}}, "wrong_kind"),
        (pa.array([[[1]], [[2]]]), {"kinds": {"s": "tabular"}}, "wrong_kind"),
        (pa.array([[[1]], [[2], [3]]]), {"kinds": {"s": "grid"}}, "wrong_grid"),
        (pa.array([[[[1]]], [[[2]], [[3]]]]), {}, "wrong_grid"),
        (pa.array([[1], [2, 3]]), {"channels": {"s": ("a", "b")}}, "wrong_channels"),
        (pa.array([[1], [2, 3]]), {"types": {"s": "key"}}, "invalid"),
        (pa.array([[1], [2]]), {"channels": {"s": ("a",)}}, "no_such_family"),
        (pa.array([1, 2]), {"kinds": {"s": "series"}}, "no_such_family"),
        (pa.array([[1], np.zeros(10**4 + 1)], pa.list_(pa.float32())), {}, "series_too_long"),
    ],
)
def test_what_does_not_fit_is_refused(read, column, options, code):
    with pytest.raises(InvalidError) as caught:
        read({"s": column}, **options)
    assert caught.value.code == code
    assert "'s'" in caught.value.detail or ".s" in caught.value.detail


def test_only_the_series_of_a_model_are_read(read):
    found = read(
        {"a": [1, 2], "b": ["x", "y"], "s": pa.array([[1.0], [2.0]]), "t": pa.array([[[1]], [[1, 2]]])},
        known={"a": None},
        kinds={"s": "series"},
        channels={"s": ("x",)},
    )
    assert (found.columns, list(found.channels)) == (("a",), ["s"])
    assert found.channels["s"].lengths.tolist() == [1, 1]


def read_json(document, limits, **options):
    return open_table(io.BytesIO(orjson.dumps(document)), Format.JSON, ReadOptions(**options), limits)


def test_json_has_families_beside_its_rows_and_lists_among_its_cells(limits):
    table = read_json({"rows": [[1], [2]], "columns": ["a"], "families": {"s": [[1], [2, 3]]}}, limits)
    assert (table.columns, list(table.channels)) == (("a",), ["s"])
    table = read_json({"rows": [[1, [1]], [2, [2, 3]]], "columns": ["a", "s"]}, limits)
    assert (table.columns, list(table.channels)) == (("a",), ["s"])
    assert [block.tolist() for block in table.blocks()] == [[[1], [2]]]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"families": []}, "invalid_type"),
        ({"rows": None, "families": {"s": [[1]]}}, "invalid_type"),
        ({"rows": {}, "families": {"s": [[1]]}}, "invalid_type"),
        ({"families": {"s": 1}}, "invalid_type"),
        ({"families": {"s": [1, 2]}}, "not_numeric"),
        ({"families": {"s": []}}, "not_numeric"),
        ({"families": {"s": [["x"]]}}, "not_numeric"),
        ({"families": {"s": [[1], [[2]]]}}, "not_numeric"),
        ({"families": {"s": [[[[[1]]]]]}}, "not_numeric"),
        ({"families": {"s": [[1], [2, 3]], "t": [[1, 2]]}}, "ragged_row"),
        ({"rows": [[1]], "columns": ["s"], "families": {"s": [[1]]}}, "duplicate_column"),
        ({"rows": [[1], [1, 2]], "families": {"s": [[1], [1, 2]]}}, "wrong_width"),
        ({"families": {}}, "no_columns"),
        ({"families": {"s": [[1]]}, "more": 1}, "unknown_field"),
    ],
)
def test_json_of_another_form_is_refused(limits, document, code):
    with pytest.raises(InvalidError) as caught:
        read_json(document, limits)
    assert caught.value.code == code


def test_kinds_are_for_lists(limits):
    with pytest.raises(InvalidError) as caught:
        read_json({"rows": [[1]]}, limits, kinds={"f0": "series"})
    assert caught.value.code == "no_such_family"


def test_spaces_around_the_name_of_a_family_are_no_part_of_it_in_rows_of_a_model_either(limits):
    body = io.BytesIO(orjson.dumps({"families": {" s ": [[1, 2], [3]]}}))
    options = ReadOptions(known={}, kinds={"s": "series"})
    assert list(open_table(body, Format.JSON, options, limits).channels) == ["s"]


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_a_model_of_series_alone_reads_no_columns(read, way):
    columns = {"s": pa.array([[1.0], [2.0, 3.0]])} | ({} if way == "json" else {"a": [1, 2]})
    found = read(columns, known={}, kinds={"s": "series"})
    assert (found.columns, list(found.channels)) == ((), ["s"])
    assert sum(len(block) for block in found.blocks()) == 2


@pytest.mark.parametrize("depth", [2, 3])
def test_lists_that_hold_nothing_in_one_batch_and_something_in_another_are_refused(limits, depth):
    kind, empty, full = pa.float32(), [], [1.0, 2.0]
    for _ in range(depth):
        kind = pa.list_(kind)
    for _ in range(depth - 2):
        empty, full = [empty], [full]
    body = as_stream(pa.table({"s": pa.array([[empty], [empty], [full]], kind)}))
    with pytest.raises(InvalidError) as caught:
        open_table(io.BytesIO(body), Format.ARROW, ReadOptions(), limits)
    assert (caught.value.code, caught.value.places[0].column) == ("lists_differ", "s")


@pytest.mark.parametrize(("shape", "channels"), [([0, 2], ("0", "1")), ([0], ("0",))])
def test_tensors_of_no_steps_are_series_of_length_0(limits, shape, channels):
    storage = pa.array([[], []], pa.list_(pa.float32(), 0))
    array = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), shape), storage)
    body = io.BytesIO(as_stream(pa.table({"s": array})))
    found = open_table(body, Format.ARROW, ReadOptions(kinds={"s": "series"}), limits).channels["s"]
    assert (found.channels, found.lengths.tolist(), values(found).shape) == (
        channels,
        [0, 0],
        (0, len(channels)),
    )


def test_tensors_of_no_dimensions_are_left_out(limits):
    storage = pa.array([[1], [2]], pa.list_(pa.float32(), 1))
    array = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), []), storage)
    body = io.BytesIO(as_stream(pa.table({"a": [1.0, 2.0], "s": array})))
    table = open_table(body, Format.ARROW, ReadOptions(), limits)
    assert (table.columns, table.channels) == (("a",), {})
