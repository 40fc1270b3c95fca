"""Computes descriptors outside of a model, by the operators that a model's own file holds.

Shapes: B rows of a batch, C channels, M descriptors.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catvq.descriptors.family import ChannelFamily
from catvq.onnx_builder import Graph
from catvq.onnx_session import open_session

OUTPUT = "/descriptors"


class Describer:
    """Computes the descriptors of one family.

    Args:
        family: The family.
        threads: To compute with.
    """

    def __init__(self, family: ChannelFamily, *, threads: int) -> None:
        self._names = family.input_names
        graph = Graph()
        graph.add("Identity", family.describe(graph), output=OUTPUT)
        model = graph.build("catvq_descriptors", family.inputs(), [family.output(OUTPUT)])
        self._session = open_session(model, threads=threads)

    def describe(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """From inputs, those of the family among them, to float32 [B, C, M]; NaN where no value is there."""
        own = {name: inputs[name] for name in self._names}
        found: NDArray[np.float32] = self._session.run([OUTPUT], own)[0]
        return found
