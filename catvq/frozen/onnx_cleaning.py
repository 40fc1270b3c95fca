"""What cleaning does to rows, as nodes of an ONNX graph.

The nodes follow `FeatureCleaner` operation by operation.

Shapes: N rows, D uploaded tabular features, R numbers that a row has with its descriptors, C columns of them,
C' active columns.
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.descriptors.family import ChannelFamily
from catvq.features.columns import MISSING_FROM
from catvq.onnx_builder import Graph


def normalize(graph: Graph, cleaner: FeatureCleaner, families: Sequence[ChannelFamily] = ()) -> str:
    """`FeatureCleaner.normalize`, the same operations in the same order and type: [N, R] -> [N, C].

    Columns that are not active pass as well: to leave them out here costs more than to take them along.
    To look for missing values takes longer than all the rest, so it is done only where the sum tells of one.
    """
    columns = _expand(graph, cleaner, _gather(graph, cleaner, families))
    _tell_present(graph, cleaner, columns)
    total = graph.add("ReduceSum", columns, output="total", keepdims=0)
    fill, lower = graph.constant(cleaner.fill), graph.constant(cleaner.lower)
    filling, passing = Graph(prefix="/filling_"), Graph(prefix="/passing_")
    filled = filling.add("Where", filling.add("IsNaN", columns), fill, columns)
    filling.add("Max", filled, lower)
    passing.add("Max", columns, lower)
    rows = graph.choose(graph.add("IsNaN", total), filling, passing, rows_kind(cleaner))
    for operation, values in (
        ("Min", cleaner.upper),
        ("Sub", cleaner.centre),
    ):
        rows = graph.add(operation, rows, graph.constant(values))
    inverse = graph.constant(cleaner.inverse_scale)
    if rows_kind(cleaner) == TensorProto.FLOAT:
        return graph.add("Mul", rows, inverse, output="normalized")
    return graph.add("Cast", graph.add("Mul", rows, inverse), output="normalized", to=TensorProto.FLOAT)


def _tell_present(graph: Graph, cleaner: FeatureCleaner, columns: str) -> None:
    """`FeatureCleaner.present`, 0 or 1, as the output `present` [N, C']; it costs nothing unless fetched."""
    active = graph.add("Gather", columns, graph.constant(cleaner.active_columns), axis=1)
    there = graph.add("Not", graph.add("IsNaN", active))
    graph.add("Cast", there, to=TensorProto.FLOAT, output="present")


def restore(
    graph: Graph, cleaner: FeatureCleaner, normalized: str, families: Sequence[ChannelFamily] = ()
) -> None:
    """`FeatureCleaner.restore`: [N, C'] -> the output `rows` [N, D], and that of each family."""
    rows = graph.add("Gather", normalized, graph.constant(cleaner.column_position), axis=1)
    if rows_kind(cleaner) != TensorProto.FLOAT:
        rows = graph.add("Cast", rows, to=rows_kind(cleaner))
    rows = graph.add("Mul", rows, graph.constant(cleaner.slope))
    rows = graph.add("Add", rows, graph.constant(cleaner.intercept))
    rows = graph.add("Mul", rows, graph.constant(cleaner.scale))
    last = "rows" if not families else None
    centre = graph.constant(cleaner.restored_centre)
    if cleaner.columns.is_expanded:
        rows = _collapse(graph, cleaner, graph.add("Add", rows, centre), output=last)
    else:
        rows = graph.add("Add", rows, centre, output=last)
    _divide(graph, cleaner, rows, families)


def _gather(graph: Graph, cleaner: FeatureCleaner, families: Sequence[ChannelFamily]) -> str:
    """`FeatureTable.numbers`: the input `rows` and descriptors of the other inputs, [N, R]."""
    parts = ["rows"] if num_tabular(cleaner) else []
    for family in families:
        found = graph.add("Flatten", family.describe(graph), axis=1)
        parts.append(graph.add("Cast", found, to=rows_kind(cleaner)))
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _divide(graph: Graph, cleaner: FeatureCleaner, numbers: str, families: Sequence[ChannelFamily]) -> None:
    """The inverse of `_gather`: adds the outputs."""
    start, axis = num_tabular(cleaner), graph.ints(1)
    if families and start:
        graph.add("Slice", numbers, graph.ints(0), graph.ints(start), axis, output="rows")
    for family in families:
        channels, number = len(family.channels), len(family.descriptors)
        end = start + channels * number
        part = graph.add("Slice", numbers, graph.ints(start), graph.ints(end), axis)
        part = graph.add("Reshape", part, graph.ints(-1, channels, number))
        graph.add("Cast", part, to=TensorProto.FLOAT, output=family.name)
        start = end


def _expand(graph: Graph, cleaner: FeatureCleaner, numbers: str) -> str:
    """`FeatureColumns.expand`: [N, R] -> [N, C]."""
    columns = cleaner.columns
    if not columns.is_expanded:
        return numbers
    spread = graph.add("Gather", numbers, graph.constant(columns.number), axis=1)
    known = _known(graph, cleaner, spread) if columns.has_values else spread
    if not columns.gapped.any():
        return known
    tells = graph.add("Cast", graph.add("IsNaN", known), to=rows_kind(cleaner))
    return graph.add("Where", graph.constant(columns.is_gap), tells, known)


def _known(graph: Graph, cleaner: FeatureCleaner, spread: str) -> str:
    """Numbers as they are, and indicators of values: [N, C] -> [N, C], NaN where missing."""
    columns, dtype = cleaner.columns, cleaner.dtype
    sizes = graph.constant(columns.num_values[columns.feature].astype(dtype))
    nothing, missing = (graph.constant(np.array(number, dtype=dtype)) for number in (0, np.nan))
    is_whole = graph.add("Equal", graph.add("Floor", spread), spread)
    is_within = graph.add(
        "And", graph.add("GreaterOrEqual", spread, nothing), graph.add("Less", spread, sizes)
    )
    is_value = graph.add("Equal", spread, graph.constant(columns.value.astype(dtype)))
    indicator = graph.add("Cast", is_value, to=rows_kind(cleaner))
    indicator = graph.add("Where", graph.add("And", is_whole, is_within), indicator, missing)
    is_of_values = columns.num_values[columns.feature] > 0  # also what tells that one is missing
    return graph.add("Where", graph.constant(is_of_values), indicator, spread)


def _collapse(graph: Graph, cleaner: FeatureCleaner, rows: str, *, output: str | None) -> str:
    """`FeatureColumns.collapse`: [N, C] -> [N, R]."""
    columns = cleaner.columns
    if not columns.has_values:
        first = graph.add("Gather", rows, graph.constant(columns.first_of_number), axis=1)
        return _with_gaps(graph, cleaner, rows, first, output=output)
    # One more column, for the places of values that a feature does not have.
    widened = np.concatenate([columns.slots.flatten(), columns.first_of_number])
    beyond = graph.constant(np.array(-np.inf, dtype=cleaner.dtype))
    padded = graph.add("Pad", rows, graph.ints(0, 0, 0, 1), beyond)
    found = graph.add("Gather", padded, graph.constant(widened), axis=1)
    places = columns.slots.size
    shares = graph.add("Slice", found, graph.ints(0), graph.ints(places), graph.ints(1))
    shares = graph.add("Reshape", shares, graph.ints(-1, *columns.slots.shape))
    values = graph.add("Cast", graph.add("ArgMax", shares, axis=2, keepdims=0), to=rows_kind(cleaner))
    first = graph.add("Slice", found, graph.ints(places), graph.ints(len(widened)), graph.ints(1))
    both = graph.add("Concat", first, values, axis=1)
    is_index, count = columns.is_index, len(columns.is_index)
    place = np.where(is_index, count + np.cumsum(is_index) - 1, np.arange(count))
    if not columns.gapped.any():
        return graph.add("Gather", both, graph.constant(place), axis=1, output=output)
    numbers = graph.add("Gather", both, graph.constant(place), axis=1)
    return _with_gaps(graph, cleaner, rows, numbers, output=output)


def _with_gaps(graph: Graph, cleaner: FeatureCleaner, rows: str, numbers: str, *, output: str | None) -> str:
    """NaN where a column tells that a number is missing: columns [N, C] and numbers [N, R] -> [N, R]."""
    beyond, limit, missing = (
        graph.constant(np.array(number, dtype=cleaner.dtype)) for number in (-np.inf, MISSING_FROM, np.nan)
    )
    padded = graph.add("Pad", rows, graph.ints(0, 0, 0, 1), beyond)
    tells = graph.add("Gather", padded, graph.constant(cleaner.columns.gap_of_number), axis=1)
    return graph.add("Where", graph.add("Greater", tells, limit), missing, numbers, output=output)


def num_tabular(cleaner: FeatureCleaner) -> int:
    """D: features that are no channels, which come first."""
    return int((cleaner.num_descriptors == 0).sum())


def rows_kind(cleaner: FeatureCleaner) -> int:
    """ONNX's number of the cleaner's type."""
    return int(helper.np_dtype_to_tensor_dtype(cleaner.dtype))
