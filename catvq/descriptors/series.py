"""Descriptors of series, as nodes of an ONNX graph.

Shapes: N rows, T longest length, C channels, P positions, M descriptors.
"""

import numpy as np
from onnx import TensorProto

from catvq.descriptors.channel import Channel
from catvq.descriptors.names import CURVE, LAGS, SERIES_BANDS
from catvq.descriptors.waves import waves_of_line
from catvq.onnx_builder import Graph

PARTS = 64  # that a series is cut into to see its waves


def describe_series(graph: Graph, values: str, lengths: str) -> str:
    """Add the descriptors that `names.SERIES` lists.

    Args:
        graph: Takes the nodes.
        values: float32 [N, T, C], NaN where missing; beyond a row's length anything may stand.
        lengths: int64 [N], at most T.

    Returns:
        float32 [N, C, M]; NaN where a channel has no value.
    """
    # One position more than the longest series, so that there always is one.
    padded = graph.add("Pad", values, graph.ints(0, 0, 0, 0, 1, 0))
    whole = graph.add("Transpose", padded, perm=[0, 2, 1])
    number = graph.add("Squeeze", graph.add("Shape", whole, start=2), graph.ints(0))
    zero, one = (graph.constant(np.int64(value)) for value in (0, 1))
    position = graph.add("Range", zero, number, one)
    length = graph.add("Unsqueeze", lengths, graph.ints(1, 2))
    is_within = graph.add("Less", position, length)
    is_there = graph.add("And", is_within, graph.add("Not", graph.add("IsNaN", whole)))
    filled = graph.add("Where", is_there, whole, graph.constant(np.float32(0)))
    channel = Channel(graph, filled, is_there)
    cells = _cells(channel, length, PARTS)
    curve = _cells(channel, length, CURVE)
    return channel.finish(
        [
            *channel.describe(),
            *_ends(channel),
            _slope(channel, cells),
            _rise_skewness(channel),
            *(_lag(channel, lag) for lag in LAGS),
            channel.shares(cells, waves_of_line(PARTS), SERIES_BANDS),
            channel.multiply(channel.snapped(curve), channel.deviation),
        ]
    )


def _ends(channel: Channel) -> list[str]:
    """The first and the last value that is there."""
    graph = channel.graph
    found = []
    for is_last in (0, 1):
        flags = graph.add("Cast", channel.is_there, to=TensorProto.UINT8)
        place = graph.add("ArgMax", flags, axis=2, keepdims=1, select_last_index=is_last)
        value = graph.add("GatherElements", channel.values, place, axis=2)
        found.append(graph.add("Cast", value, to=TensorProto.DOUBLE))
    return found


def _slope(channel: Channel, cells: str) -> str:
    """How much the line of least squares through the parts rises from end to end."""
    place = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    weight = (place / np.square(place).sum())[:, None]
    rise = channel.snapped(channel.graph.add("MatMul", cells, channel.graph.constant(weight)))
    return channel.multiply(rise, channel.deviation)


def _rise_skewness(channel: Channel) -> str:
    """Skewness of the steps: whether a series rises faster than it falls."""
    graph = channel.graph
    both = _pairs(channel, 1)
    step = channel.multiply(graph.add("Sub", *reversed(_apart(graph, channel.standardised, 1))), both)
    square = channel.square(step)
    pairs = graph.add("Max", channel.total(both), channel.float64(1))
    second, third = (
        graph.add("Div", channel.total(value), pairs) for value in (square, channel.multiply(square, step))
    )
    scale = graph.add("Max", graph.add("Mul", second, graph.add("Sqrt", second)), channel.float64(1e-30))
    return channel.held_in(graph.add("Div", third, scale))


def _lag(channel: Channel, lag: int) -> str:
    """Correlation with the value so many steps later."""
    return channel.correlation(*_apart(channel.graph, channel.standardised, lag), _pairs(channel, lag))


def _pairs(channel: Channel, lag: int) -> str:
    """1 where both values of a pair are there, else 0: float64 [N, C, P - lag]."""
    return channel.multiply(*_apart(channel.graph, channel.present, lag))


def _apart(graph: Graph, value: str, lag: int) -> tuple[str, str]:
    """Earlier and later values of all pairs so many steps apart."""
    axis, end = graph.ints(2), graph.ints(np.iinfo(np.int64).max)
    earlier = graph.add("Slice", value, graph.ints(0), graph.ints(-lag), axis)
    return earlier, graph.add("Slice", value, graph.ints(lag), end, axis)


def _cells(channel: Channel, length: str, parts: int) -> str:
    """Means of the standardised values over equal parts of the length, 0 where none is there: [N, C, parts].

    From running sums, so that what follows a series does not count; a part may begin within a step.
    """
    graph = channel.graph
    place = channel.multiply(
        graph.add("Cast", length, to=TensorProto.DOUBLE), graph.constant(np.arange(parts + 1) / parts)
    )
    sums, counts = (_integral(channel, value, place) for value in (channel.standardised, channel.present))
    return channel.ratio(sums, counts)


def _integral(channel: Channel, value: str, place: str) -> str:
    """Integrals of a step function between places, float64 [N, C, P] and [N, 1, parts + 1]."""
    graph = channel.graph
    before = graph.add("CumSum", value, graph.constant(np.int64(2)), exclusive=1)
    index = graph.add("Floor", place)
    part = graph.add("Sub", place, index)
    whole = graph.add("Cast", index, to=TensorProto.INT64)
    shape = graph.add("Concat", graph.add("Shape", value, end=2), graph.ints(1), axis=0)
    whole = graph.add("Expand", whole, shape)
    sums, own = (graph.add("GatherElements", each, whole, axis=2) for each in (before, value))
    until = graph.add("Add", sums, channel.multiply(own, part))
    start, end = _apart(graph, until, 1)
    return graph.add("Sub", end, start)
