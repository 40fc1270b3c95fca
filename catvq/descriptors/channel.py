"""Descriptors that series and grids have in common, as nodes of an ONNX graph.

All is computed in float64 and rounded once, so that neither padding nor other rows of a batch change what
comes out. What rounding alone would make of a constant is exactly 0.

Shapes: N rows, C channels, P positions: steps of a series, or cells of a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import TensorProto

from catvq.descriptors.names import QUANTILES
from catvq.descriptors.waves import Waves
from catvq.onnx_builder import Graph

ROUNDING = 1e-9  # of numbers without a unit: what is less is 0
LEAST_SHARE = 1e-6  # of the variance: below it is rounding


@dataclass(frozen=True)
class Channel:
    """The values of all channels of a family, and which of them are there.

    Args:
        graph: Takes the nodes.
        values: float32 [N, C, P], 0 where nothing is there.
        is_there: bool [N, C, P].
    """

    graph: Graph
    values: str
    is_there: str

    @cached_property
    def present(self) -> str:
        """1 where a value is there, else 0: float64 [N, C, P]."""
        return self.graph.add("Cast", self.is_there, to=TensorProto.DOUBLE)

    @cached_property
    def number(self) -> str:
        """How many values are there, at least 1: float64 [N, C, 1]."""
        return self.graph.add("Max", self.total(self.present), self.float64(1))

    @cached_property
    def minimum(self) -> str:
        """float32 [N, C, 1]."""
        return self._extreme("ReduceMin", np.inf)

    @cached_property
    def maximum(self) -> str:
        """float32 [N, C, 1]."""
        return self._extreme("ReduceMax", -np.inf)

    @cached_property
    def varies(self) -> str:
        """Whether values differ: bool [N, C, 1]."""
        return self.graph.add("Greater", self.maximum, self.minimum)

    @cached_property
    def mean(self) -> str:
        """float64 [N, C, 1]."""
        return self.average(self.graph.add("Cast", self.values, to=TensorProto.DOUBLE))

    @cached_property
    def _centred(self) -> str:
        graph = self.graph
        gap = graph.add("Sub", graph.add("Cast", self.values, to=TensorProto.DOUBLE), self.mean)
        return graph.add("Where", graph.add("And", self.is_there, self.varies), gap, self.float64(0))

    @cached_property
    def deviation(self) -> str:
        """float64 [N, C, 1]; 1 where nothing varies."""
        root = self.graph.add("Sqrt", self.average(self.square(self._centred)))
        return self.graph.add("Where", self.varies, root, self.float64(1))

    @cached_property
    def standardised(self) -> str:
        """The values with mean 0 and variance 1; 0 where nothing is there or varies: float64 [N, C, P]."""
        return self.graph.add("Div", self._centred, self.deviation)

    def describe(self) -> list[str]:
        """What `names.COMMON` lists: float64 [N, C, any]."""
        graph, cubed = self.graph, self.multiply(self.standardised, self.square(self.standardised))
        fourth = self.average(self.square(self.square(self.standardised)))
        root = graph.add("Where", self.varies, graph.add("Sqrt", self.deviation), self.float64(0))
        tails = graph.add("Log", graph.add("Max", fourth, self.float64(1)))
        extremes = graph.add("Concat", self.minimum, self.maximum, axis=2)
        return [
            self.mean,
            root,
            self.held_in(self.average(cubed)),
            self.snapped(tails),
            graph.add("Cast", extremes, to=TensorProto.DOUBLE),
            self._quantiles(),
        ]

    def _quantiles(self) -> str:
        """Linear between the two nearest values, as numpy's: float64 [N, C, quantiles]."""
        graph = self.graph
        filled = graph.add("Where", self.is_there, self.values, graph.constant(np.float32(np.inf)))
        ordered = graph.sorted(filled)
        last = graph.add("Sub", self.number, self.float64(1))
        place = self.multiply(last, graph.constant(np.array(QUANTILES)))
        below = graph.add("Floor", place)
        low, high = (
            graph.add("Cast", graph.add("GatherElements", ordered, index, axis=2), to=TensorProto.DOUBLE)
            for index in (
                graph.add("Cast", each, to=TensorProto.INT64) for each in (below, graph.add("Ceil", place))
            )
        )
        part = self.multiply(graph.add("Sub", high, low), graph.add("Sub", place, below))
        return graph.add("Add", low, part)

    def _extreme(self, operation: str, filler: float) -> str:
        filled = self.graph.add("Where", self.is_there, self.values, self.graph.constant(np.float32(filler)))
        return self.graph.add(operation, filled, self.graph.ints(2))

    def float64(self, number: float) -> str:
        """A constant."""
        return self.graph.constant(np.float64(number))

    def multiply(self, one: str, other: str) -> str:
        """Their product."""
        return self.graph.add("Mul", one, other)

    def square(self, value: str) -> str:
        """Its square."""
        return self.multiply(value, value)

    def total(self, value: str) -> str:
        """Sum over the positions: [N, C, P] -> [N, C, 1]."""
        return self.graph.add("ReduceSum", value, self.graph.ints(2))

    def average(self, value: str) -> str:
        """Mean over the values that are there: [N, C, P] -> [N, C, 1]."""
        return self.graph.add("Div", self.total(value), self.number)

    def ratio(self, sums: str, counts: str) -> str:
        """Means of parts, 0 where nothing of a part is there."""
        graph, least = self.graph, self.float64(ROUNDING)
        mean = graph.add("Div", sums, graph.add("Max", counts, least))
        return graph.add("Where", graph.add("Greater", counts, least), mean, self.float64(0))

    def snapped(self, value: str) -> str:
        """0 in place of what is rounding only."""
        is_rounding = self.graph.add("Less", self.graph.add("Abs", value), self.float64(ROUNDING))
        return self.graph.add("Where", is_rounding, self.float64(0), value)

    def held_in(self, value: str) -> str:
        """Sign and logarithm of 1 and the size: long tails become short."""
        size = self.graph.add("Log", self.graph.add("Add", self.graph.add("Abs", value), self.float64(1)))
        return self.snapped(self.multiply(self.graph.add("Sign", value), size))

    def correlation(self, one: str, other: str, both: str) -> str:
        """Mean product over the positions where both are there, within -1 and 1: [N, C, P'] -> [N, C, 1]."""
        pairs = self.graph.add("Max", self.total(both), self.float64(1))
        found = self.graph.add("Div", self.total(self.multiply(one, other)), pairs)
        return self.snapped(self.graph.add("Clip", found, self.float64(-1), self.float64(1)))

    def shares(self, cells: str, waves: Waves, limits: Sequence[int]) -> str:
        """Root of the share of the variance in each band of waves, then of all that is finer.

        Args:
            cells: Means of equal parts of `standardised`, float64 [N, C, parts].
            waves: Of as many parts.
            limits: Highest frequency of each band.
        """
        graph = self.graph
        basis = graph.constant(waves.basis / np.sqrt(len(waves.basis)))
        power = self.square(graph.add("MatMul", cells, basis))
        bands = graph.add("MatMul", power, graph.constant(waves.in_bands(limits)))
        coarse = graph.add("ReduceSum", bands, graph.ints(2))
        finer = graph.add("Sub", graph.add("Cast", self.varies, to=TensorProto.DOUBLE), coarse)
        held = graph.add("Max", graph.add("Concat", bands, finer, axis=2), self.float64(LEAST_SHARE))
        return graph.add("Sqrt", held)

    def finish(self, found: Sequence[str]) -> str:
        """All descriptors as float32 [N, C, M]; NaN where a channel has no value."""
        graph = self.graph
        one = graph.add("Cast", graph.add("Concat", *found, axis=2), to=TensorProto.FLOAT)
        is_empty = graph.add("Equal", self.total(self.present), self.float64(0))
        return graph.add("Where", is_empty, graph.constant(np.float32(np.nan)), one)
