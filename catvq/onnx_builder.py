"""Builds ONNX files node by node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET = 20  # the first with Gelu
IR_VERSION = 10  # read by runtimes that know this opset

Array: TypeAlias = NDArray[Any]


@dataclass
class Graph:
    """Collects nodes and constants, and names them; no name of an input begins with the prefix.

    Attributes:
        prefix: Of the names that are not given.
    """

    prefix: str = "/"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: Array | np.number[Any]) -> str:
        """Add a constant array or number; return its name."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        """Add constant integers, such as a shape or axes; return their name."""
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        output = output or f"{self.prefix}{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def top(self, value: str, number: int) -> tuple[str, str]:
        """Add TopK on the last axis; return the names of values and indices. Ties go to the lower index."""
        names = [f"{self.prefix}top_{len(self.nodes)}_{kind}" for kind in ("values", "places")]
        self.nodes.append(helper.make_node("TopK", [value, self.ints(number)], names, axis=-1))
        return names[0], names[1]

    def sorted(self, value: str) -> str:
        """Add a sort of the last axis, of any length, ascending."""
        length = self.add("Shape", value, start=-1)
        names = [f"{self.prefix}sorted_{len(self.nodes)}_{kind}" for kind in ("values", "places")]
        self.nodes.append(helper.make_node("TopK", [value, length], names, axis=-1, largest=0))
        return names[0]

    def choose(self, condition: str, then: "Graph", otherwise: "Graph", kind: int) -> str:
        """Add an If that returns the last output of one of two graphs.

        The graphs can use this graph's values, need prefixes, and cannot have constants.
        """
        branches = {
            name: helper.make_graph(
                graph.nodes,
                name,
                [],
                [helper.make_tensor_value_info(graph.nodes[-1].output[0], kind, None)],
            )
            for name, graph in (("then_branch", then), ("else_branch", otherwise))
        }
        return self.add("If", condition, **branches)

    def build(
        self,
        name: str,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        """Check the graph and serialise it."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, initializer=self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="catvq"
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
        return content
