"""What cleaning does to rows, as nodes of an ONNX graph.

The nodes follow `FeatureCleaner` operation by operation.

Shapes: N rows, D uploaded features, C columns of them, C' active columns.
"""

import numpy as np
from onnx import TensorProto, helper

from catvq.features.cleaner import FeatureCleaner
from catvq.frozen.onnx_builder import Graph


def normalize(graph: Graph, cleaner: FeatureCleaner) -> str:
    """`FeatureCleaner.normalize`, the same operations in the same order and type: [N, D] -> [N, C].

    Columns that are not active pass as well: to leave them out here costs more than to take them along.
    To look for missing values takes longer than all the rest, so it is done only where the sum tells of one.
    """
    columns = _expand(graph, cleaner)
    total = graph.add("ReduceSum", columns, output="total", keepdims=0)
    fill, lower = graph.constant(cleaner.fill), graph.constant(cleaner.lower)
    filling, passing = Graph(prefix="filling_"), Graph(prefix="passing_")
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


def restore(graph: Graph, cleaner: FeatureCleaner, normalized: str) -> None:
    """`FeatureCleaner.restore`: [N, C'] -> [N, D], adds the output `rows`."""
    rows = graph.add("Gather", normalized, graph.constant(cleaner.column_position), axis=1)
    if rows_kind(cleaner) != TensorProto.FLOAT:
        rows = graph.add("Cast", rows, to=rows_kind(cleaner))
    rows = graph.add("Mul", rows, graph.constant(cleaner.slope))
    rows = graph.add("Add", rows, graph.constant(cleaner.intercept))
    rows = graph.add("Mul", rows, graph.constant(cleaner.scale))
    centre = graph.constant(cleaner.restored_centre)
    if cleaner.columns.has_values:
        _collapse(graph, cleaner, graph.add("Add", rows, centre))
    else:
        graph.add("Add", rows, centre, output="rows")


def _expand(graph: Graph, cleaner: FeatureCleaner) -> str:
    """`FeatureColumns.expand`: [N, D] -> [N, C]."""
    columns, dtype = cleaner.columns, cleaner.dtype
    if not columns.has_values:
        return "rows"
    spread = graph.add("Gather", "rows", graph.constant(columns.feature), axis=1)
    sizes = graph.constant(columns.num_values[columns.feature].astype(dtype))
    nothing, missing = (graph.constant(np.array(number, dtype=dtype)) for number in (0, np.nan))
    is_whole = graph.add("Equal", graph.add("Floor", spread), spread)
    is_within = graph.add(
        "And", graph.add("GreaterOrEqual", spread, nothing), graph.add("Less", spread, sizes)
    )
    is_value = graph.add("Equal", spread, graph.constant(columns.value.astype(dtype)))
    indicator = graph.add("Cast", is_value, to=rows_kind(cleaner))
    indicator = graph.add("Where", graph.add("And", is_whole, is_within), indicator, missing)
    return graph.add("Where", graph.constant(columns.is_indicator), indicator, spread)


def _collapse(graph: Graph, cleaner: FeatureCleaner, rows: str) -> None:
    """`FeatureColumns.collapse`: [N, C] -> [N, D], adds the output `rows`."""
    columns = cleaner.columns
    # One more column, for the places of values that a feature does not have.
    widened = np.concatenate([columns.slots.flatten(), columns.first])
    beyond = graph.constant(np.array(-np.inf, dtype=cleaner.dtype))
    padded = graph.add("Pad", rows, graph.ints(0, 0, 0, 1), beyond)
    found = graph.add("Gather", padded, graph.constant(widened), axis=1)
    places = columns.slots.size
    shares = graph.add("Slice", found, graph.ints(0), graph.ints(places), graph.ints(1))
    shares = graph.add("Reshape", shares, graph.ints(-1, *columns.slots.shape))
    values = graph.add("Cast", graph.add("ArgMax", shares, axis=2, keepdims=0), to=rows_kind(cleaner))
    first = graph.add("Slice", found, graph.ints(places), graph.ints(len(widened)), graph.ints(1))
    both = graph.add("Concat", first, values, axis=1)
    is_categorical, count = columns.num_values > 0, len(columns.num_values)
    place = np.where(is_categorical, count + np.cumsum(is_categorical) - 1, np.arange(count))
    graph.add("Gather", both, graph.constant(place), axis=1, output="rows")


def rows_kind(cleaner: FeatureCleaner) -> int:
    """ONNX's number of the cleaner's type."""
    return int(helper.np_dtype_to_tensor_dtype(cleaner.dtype))
