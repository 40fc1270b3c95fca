"""Descriptors of grids, as nodes of an ONNX graph.

Shapes: N rows, C channels, H x W a grid, P = H * W positions, M descriptors.
"""

import numpy as np
from numpy.typing import NDArray

from catvq.descriptors.channel import Channel
from catvq.descriptors.names import GRID_BANDS, GRID_LAGS, POOLED
from catvq.descriptors.waves import waves_of_square
from catvq.onnx_builder import Graph

PARTS = 16  # rows and columns that a grid is cut into to see its waves


def describe_grids(graph: Graph, values: str, shape: tuple[int, int]) -> str:
    """Add the descriptors that `names.GRID` lists.

    Args:
        graph: Takes the nodes.
        values: float32 [N, C, H, W], NaN where missing.
        shape: H and W.

    Returns:
        float32 [N, C, M]; NaN where a channel has no value.
    """
    flat = graph.add("Reshape", values, graph.ints(0, 0, -1))
    is_there = graph.add("Not", graph.add("IsNaN", flat))
    channel = Channel(graph, graph.add("Where", is_there, flat, graph.constant(np.float32(0))), is_there)
    pooled = _cells(channel, shape, POOLED)
    return channel.finish(
        [
            *channel.describe(),
            *(_lag(channel, shape, axis, lag) for axis in (3, 2) for lag in GRID_LAGS),
            channel.shares(_cells(channel, shape, PARTS), waves_of_square(PARTS), GRID_BANDS),
            channel.multiply(channel.snapped(pooled), channel.deviation),
        ]
    )


def _lag(channel: Channel, shape: tuple[int, int], axis: int, lag: int) -> str:
    """Correlation with the value so many cells to the right (axis 3) or down (axis 2); 0 in smaller grids."""
    graph, size = channel.graph, shape[axis - 2]
    if lag >= size:
        return graph.add("Sub", channel.number, channel.number)
    pairs = shape[0] * shape[1] // size * (size - lag)
    (one, other), both = (
        [_flat_part(channel, value, shape, axis, span, pairs) for span in ((0, size - lag), (lag, size))]
        for value in (channel.standardised, channel.present)
    )
    return channel.correlation(one, other, channel.multiply(*both))


def _flat_part(
    channel: Channel, value: str, shape: tuple[int, int], axis: int, span: tuple[int, int], pairs: int
) -> str:
    """Some rows or columns of all grids, float64 [N, C, P] -> [N, C, pairs]."""
    graph, (start, end) = channel.graph, map(channel.graph.ints, span)
    grid = graph.add("Reshape", value, graph.ints(0, 0, *shape))
    part = graph.add("Slice", grid, start, end, graph.ints(axis))
    return graph.add("Reshape", part, graph.ints(0, 0, pairs))


def _cells(channel: Channel, shape: tuple[int, int], parts: int) -> str:
    """Means of the standardised values over equal parts, 0 where none is there: [N, C, parts * parts]."""
    sums, counts = (
        _pooled(channel.graph, value, shape, parts) for value in (channel.standardised, channel.present)
    )
    return channel.ratio(sums, counts)


def _pooled(graph: Graph, value: str, shape: tuple[int, int], parts: int) -> str:
    """Sums over equal parts of all grids, float64 [N, C, P] -> [N, C, parts * parts]."""
    down, right = (graph.constant(overlaps(size, parts)) for size in shape)
    grid = graph.add("Reshape", value, graph.ints(0, 0, *shape))
    columns = graph.add("Transpose", graph.add("MatMul", grid, right), perm=[0, 1, 3, 2])
    cells = graph.add("Transpose", graph.add("MatMul", columns, down), perm=[0, 1, 3, 2])
    return graph.add("Reshape", cells, graph.ints(0, 0, parts * parts))


def overlaps(size: int, parts: int) -> NDArray[np.float64]:
    """How much of each cell of a line lies in each of its equal parts, [size, parts]."""
    edges = np.arange(parts + 1) * size / parts
    cells = np.arange(size)[:, None]
    length: NDArray[np.float64] = np.minimum(cells + 1, edges[1:]) - np.maximum(cells, edges[:-1])
    return length.clip(min=0)
