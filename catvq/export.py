"""The frozen model as two ONNX graphs: raw rows to codes, and codes to raw rows.

The graphs follow `FeatureCleaner` and `FrozenWeights` operation by operation, so that any runtime gives
the same codes as the core up to float32 rounding.

Shapes: N rows, D uploaded features, D' active features, G categories, L levels, S = G * L streams,
W widest category, H embedding_dim, K codebook_size, E latent_dim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from catvq.cleaning import FeatureCleaner
from catvq.frozen import FrozenWeights

OPSET = 20  # the first with Gelu
IR_VERSION = 10  # what runtimes of the same age read


@dataclass
class _Graph:
    """Collects nodes and constants under names of its own."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def build(
        self,
        name: str,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        metadata: Mapping[str, str],
    ) -> bytes:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, initializer=self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="catvq"
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def encoder_graph(weights: FrozenWeights, cleaner: FeatureCleaner, metadata: Mapping[str, str]) -> bytes:
    """Serialise the encoder.

    Args:
        weights: The frozen weights.
        cleaner: The cleaner that was fitted on the training rows.
        metadata: Becomes the file's metadata_props.

    Returns:
        An ONNX file: input `rows` float32 [N, D] (NaN = missing), outputs `codes` int64 [N, S] and
        `normalized` float32 [N, D'].
    """
    graph = _Graph()
    normalized = _normalize(graph, cleaner)
    num_categories, width = weights.index.shape
    _, levels, embedding_dim, latent_dim = weights.latent_weight.shape
    own = graph.add("Gather", normalized, graph.constant(weights.index.flatten().numpy()), axis=1)
    own = graph.add("Reshape", own, graph.ints(-1, num_categories, width))
    own = graph.add("Transpose", own, perm=[1, 0, 2])  # [G, N, W]
    hidden = _dense(graph, own, weights.feature_weight.numpy(), weights.hidden_bias.numpy())
    hidden = graph.add("Gelu", hidden)
    embedding = _dense(graph, hidden, weights.embedding_weight.numpy(), weights.embedding_bias.numpy())
    embedding = graph.add("Gelu", embedding)
    # All levels of a category in one product: their heads lie side by side.
    heads = weights.latent_weight.permute(0, 2, 1, 3).reshape(num_categories, embedding_dim, -1)
    biases = weights.latent_bias.permute(0, 2, 1, 3).reshape(num_categories, 1, -1)
    latents = _dense(graph, embedding, heads.contiguous().numpy(), biases.contiguous().numpy())
    latents = graph.add("Reshape", latents, graph.ints(num_categories, -1, levels, latent_dim))
    latents = graph.add("Transpose", latents, perm=[0, 2, 1, 3])
    latents = graph.add("Reshape", latents, graph.ints(num_categories * levels, -1, latent_dim))
    to_codes = (-2 * weights.codes.transpose(1, 2)).contiguous().numpy()
    distances = _dense(graph, latents, to_codes, weights.code_squares.numpy())
    codes = graph.add("ArgMin", distances, axis=2, keepdims=0)
    graph.add("Transpose", codes, output="codes", perm=[1, 0])
    return graph.build(
        "catvq_encoder",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", len(cleaner.fill)])],
        [
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", num_categories * levels]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.active)]),
        ],
        metadata,
    )


def decoder_graph(weights: FrozenWeights, cleaner: FeatureCleaner, metadata: Mapping[str, str]) -> bytes:
    """Serialise the decoder.

    Returns:
        An ONNX file: input `codes` int64 [N, S], outputs `rows` float32 [N, D] in raw units and
        `normalized` float32 [N, D'].
    """
    graph = _Graph()
    streams, codebook_size, latent_dim = weights.codes.shape
    offsets = np.arange(streams, dtype=np.int64) * codebook_size
    flat = graph.add("Add", "codes", graph.constant(offsets))
    latents = graph.add("Gather", graph.constant(weights.codes.reshape(-1, latent_dim).numpy()), flat, axis=0)
    latents = graph.add("Reshape", latents, graph.ints(-1, streams * latent_dim))
    latents = graph.add("Gather", latents, graph.constant(weights.valid.numpy()), axis=1)
    hidden = _dense(
        graph, latents, weights.decoder_hidden_weight.numpy(), weights.decoder_hidden_bias.numpy()
    )
    hidden = graph.add("Gelu", hidden)
    product = graph.add("MatMul", hidden, graph.constant(weights.decoder_weight.numpy()))
    graph.add("Add", product, graph.constant(weights.decoder_bias.numpy()), output="normalized")
    rows = graph.add("Gather", "normalized", graph.constant(cleaner.position), axis=1)
    rows = graph.add("Mul", rows, graph.constant(cleaner.slope))
    rows = graph.add("Add", rows, graph.constant(cleaner.intercept))
    rows = graph.add("Mul", rows, graph.constant(cleaner.scale))
    graph.add("Add", rows, graph.constant(cleaner.centre), output="rows")
    return graph.build(
        "catvq_decoder",
        [helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", streams])],
        [
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", len(cleaner.fill)]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.active)]),
        ],
        metadata,
    )


def _normalize(graph: _Graph, cleaner: FeatureCleaner) -> str:
    """`FeatureCleaner.normalize`, the same float32 operations in the same order."""
    active = cleaner.active
    rows = graph.add("Gather", "rows", graph.constant(active), axis=1)
    missing = graph.add("IsNaN", rows)
    rows = graph.add("Where", missing, graph.constant(cleaner.fill[active]), rows)
    rows = graph.add("Max", rows, graph.constant(cleaner.lower[active]))
    rows = graph.add("Min", rows, graph.constant(cleaner.upper[active]))
    rows = graph.add("Sub", rows, graph.constant(cleaner.centre[active]))
    return graph.add("Mul", rows, graph.constant(cleaner.inverse_scale[active]), output="normalized")


def _dense(graph: _Graph, inputs: str, weight: NDArray[Any], bias: NDArray[Any]) -> str:
    product = graph.add("MatMul", inputs, graph.constant(weight))
    return graph.add("Add", product, graph.constant(bias))
