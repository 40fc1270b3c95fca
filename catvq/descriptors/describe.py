"""Computes descriptors outside of a model, by the operators that a model's own file holds.

Shapes: B rows of a batch, C channels, M descriptors.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from catvq.descriptors.family import ChannelFamily
from catvq.onnx_builder import Graph

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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph.build("catvq_descriptors", family.inputs(), [family.output(OUTPUT)]),
            options,
            providers=["CPUExecutionProvider"],
        )

    def describe(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """From inputs, those of the family among them, to float32 [B, C, M]; NaN where no value is there."""
        own = {name: inputs[name] for name in self._names}
        found: NDArray[np.float32] = self._session.run([OUTPUT], own)[0]
        return found
