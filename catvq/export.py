"""The frozen model as ONNX graphs: raw rows to codes, codes to raw rows, and how far to trust the codes.

The graphs follow `FeatureCleaner` and `FrozenWeights` operation by operation, so that any runtime gives
the same codes as the core up to float32 rounding.

Shapes: N rows, D uploaded features, D' active features, G categories, L levels, S = G * L streams,
W widest category, H embedding_dim, K codebook_size, E latent_dim.
"""

from collections.abc import Mapping

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import Tensor

from catvq.cleaning import FeatureCleaner
from catvq.frozen import FrozenWeights
from catvq.onnx_graph import Array, Graph

REGISTER = 16  # float32 in the widest vector register


def encoder_graph(weights: FrozenWeights, cleaner: FeatureCleaner, metadata: Mapping[str, str]) -> bytes:
    """Serialise the encoder.

    The layers of all categories are one grouped convolution each, over the rows as if they were pixels:
    a runtime then has four wide operations instead of many narrow ones, and adds bias and rectifier
    while the product is still in its cache. Every width is padded to whole vector registers. `normalized`
    and `latents` are there for `doubt_graph`: what was computed on the way, at no cost. `total` tells more
    quickly than a look at the rows whether any of their values is missing or infinite.

    Args:
        weights: The frozen weights.
        cleaner: The cleaner that was fitted on the training rows.
        metadata: Becomes the file's metadata_props.

    Returns:
        An ONNX file: input `rows` float32 [N, D] (NaN = missing), outputs `codes` int64 [N, S],
        `normalized` float32 [N, D], `latents` float32 [1, S * E padded, 1, N] and `total` float32 [], the
        sum of the rows' values.
    """
    graph = Graph()
    slots = cleaner.active[_pad(weights.index.numpy(), 1).flatten()]
    columns = graph.add("Transpose", _normalize(graph, cleaner), perm=[1, 0])
    hidden = graph.add("Gather", columns, graph.constant(slots.reshape(1, -1, 1)), axis=0)
    for weight, bias in (
        (weights.feature_weight, weights.hidden_bias),
        (weights.embedding_weight, weights.embedding_bias),
    ):
        hidden = graph.add("Relu", _convolve(graph, hidden, weight.numpy(), bias.squeeze(1).numpy()))
    latents = _convolve(graph, hidden, *_merge_heads(weights), output="latents")
    # The product with a code less half the code's square is largest where the distance is smallest.
    books, halves = weights.codes.transpose(1, 2).numpy(), -0.5 * weights.code_squares.squeeze(1).numpy()
    nearness = _convolve(graph, latents, books, halves, filler=-np.inf)
    streams = len(weights.codes)
    width = _padded(weights.codes.shape[2])
    # Codes last, one row's after the other's: what is compared then lies together.
    nearness = graph.add("Transpose", nearness, perm=[0, 2, 3, 1])
    nearness = graph.add("Reshape", nearness, graph.ints(-1, streams, _padded(weights.codes.shape[1])))
    graph.add("ArgMax", nearness, output="codes", axis=2, keepdims=0)
    return graph.build(
        "catvq_encoder",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", len(cleaner.fill)])],
        [
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", streams]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.fill)]),
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, [1, streams * width, 1, "N"]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, []),
        ],
        metadata,
    )


def decoder_graph(weights: FrozenWeights, cleaner: FeatureCleaner) -> bytes:
    """Serialise the decoder.

    Returns:
        An ONNX file: input `codes` int64 [N, S], output `rows` float32 [N, D] in raw units.
    """
    graph = Graph()
    normalized = _decode(graph, weights, _look_up(graph, weights))
    rows = graph.add("Gather", normalized, graph.constant(cleaner.position), axis=1)
    rows = graph.add("Mul", rows, graph.constant(cleaner.slope))
    rows = graph.add("Add", rows, graph.constant(cleaner.intercept))
    rows = graph.add("Mul", rows, graph.constant(cleaner.scale))
    graph.add("Add", rows, graph.constant(cleaner.centre), output="rows")
    return graph.build(
        "catvq_decoder",
        [helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", len(weights.codes)])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", len(cleaner.fill)])],
    )


def doubt_graph(weights: FrozenWeights, cleaner: FeatureCleaner, metadata: Mapping[str, str]) -> bytes:
    """Serialise what tells how well codes stand for their rows.

    Returns:
        An ONNX file: the encoder's outputs `codes`, `normalized` and `latents` as inputs, outputs
        `reconstruction_error` float32 [N] (mean squared, of normalised active features) and `distance`
        float32 [N] (squared distance of a latent to its code, mean over the streams).
    """
    graph = Graph()
    streams, _, latent_dim = weights.codes.shape
    features: str = "normalized"
    if len(cleaner.active) < len(cleaner.fill):
        features = graph.add("Gather", features, graph.constant(cleaner.active), axis=1)
    quantized = _look_up(graph, weights)
    gap = graph.add("Sub", _decode(graph, weights, quantized), features)
    gap = graph.add("Mul", gap, gap)
    graph.add("ReduceMean", gap, graph.ints(1), output="reconstruction_error", keepdims=0)
    quantized = graph.add("Transpose", quantized, perm=[1, 2, 0])  # [S, E, N]
    width = _padded(latent_dim)
    latents = graph.add("Reshape", "latents", graph.ints(streams, width, -1))
    latents = graph.add("Slice", latents, graph.ints(0), graph.ints(latent_dim), graph.ints(1))
    squared = graph.add("ReduceSumSquare", graph.add("Sub", latents, quantized), graph.ints(1), keepdims=0)
    graph.add("ReduceMean", squared, graph.ints(0), output="distance", keepdims=0)
    return graph.build(
        "catvq_doubt",
        [
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", streams]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.fill)]),
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, [1, streams * width, 1, "N"]),
        ],
        [
            helper.make_tensor_value_info("reconstruction_error", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["N"]),
        ],
        metadata,
    )


def _look_up(graph: Graph, weights: FrozenWeights) -> str:
    """The codebook's rows of `codes`: [N, S, E]."""
    streams, codebook_size, latent_dim = weights.codes.shape
    offsets = np.arange(streams, dtype=np.int64) * codebook_size
    flat = graph.add("Add", "codes", graph.constant(offsets))
    return graph.add("Gather", graph.constant(weights.codes.reshape(-1, latent_dim).numpy()), flat, axis=0)


def _decode(graph: Graph, weights: FrozenWeights, quantized: str) -> str:
    """`FrozenWeights.decode` of the codebook's rows: [N, S, E] -> [N, D']."""
    width = weights.codes[:, 0].numel()
    latents = graph.add("Reshape", quantized, graph.ints(-1, width))
    # Zero weights for what is not valid: to leave it out would take longer.
    weight = torch.zeros(width, weights.decoder_hidden_weight.shape[1])
    weight[weights.valid] = weights.decoder_hidden_weight
    hidden = _dense(graph, latents, weight, weights.decoder_hidden_bias)
    return _dense(graph, graph.add("Gelu", hidden), weights.decoder_weight, weights.decoder_bias)


def _normalize(graph: Graph, cleaner: FeatureCleaner) -> str:
    """`FeatureCleaner.normalize`, the same float32 operations in the same order: [N, D] -> [N, D].

    Features that are not active pass as well: to leave them out here costs more than to take them along.
    To look for missing values takes longer than all the rest, so it is done only where the sum tells of one.
    """
    total = graph.add("ReduceSum", "rows", output="total", keepdims=0)
    fill, lower = graph.constant(cleaner.fill), graph.constant(cleaner.lower)
    filling, passing = Graph(prefix="filling_"), Graph(prefix="passing_")
    filled = filling.add("Where", filling.add("IsNaN", "rows"), fill, "rows")
    filling.add("Max", filled, lower)
    passing.add("Max", "rows", lower)
    rows = graph.choose(graph.add("IsNaN", total), filling, passing)
    for operation, values in (
        ("Min", cleaner.upper),
        ("Sub", cleaner.centre),
    ):
        rows = graph.add(operation, rows, graph.constant(values))
    return graph.add("Mul", rows, graph.constant(cleaner.inverse_scale), output="normalized")


def _convolve(
    graph: Graph, inputs: str, weight: Array, bias: Array, *, filler: float = 0.0, output: str | None = None
) -> str:
    """One linear layer for each group of channels.

    Args:
        weight: [groups, in, out].
        bias: [groups, out].
        filler: Bias of the channels that only fill a register up.
    """
    kernel = _pad(weight.transpose(0, 2, 1), 1, 2)
    offsets = _pad(bias, 1, filler=filler)
    kernel = kernel.reshape(-1, kernel.shape[2], 1, 1)
    return graph.add(
        "Conv",
        inputs,
        graph.constant(kernel),
        graph.constant(offsets.flatten()),
        group=len(weight),
        output=output,
    )


def _merge_heads(weights: FrozenWeights) -> tuple[Array, Array]:
    """All levels of a category as one layer: weight [G, H, L * E padded], bias [G, L * E padded]."""
    weight = _pad(weights.latent_weight.numpy(), 3).transpose(0, 2, 1, 3)
    bias = _pad(weights.latent_bias.numpy(), 3)
    return weight.reshape(*weight.shape[:2], -1), bias.reshape(len(bias), -1)


def _dense(graph: Graph, inputs: str, weight: Tensor, bias: Tensor) -> str:
    return graph.add("Gemm", inputs, graph.constant(weight.numpy()), graph.constant(bias.numpy()))


def _pad(array: Array, *axes: int, filler: float = 0.0) -> Array:
    """Lengthen axes to a multiple of REGISTER."""
    widths = [(0, _padded(size) - size if axis in axes else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, widths, constant_values=filler)


def _padded(size: int) -> int:
    return -(-size // REGISTER) * REGISTER
