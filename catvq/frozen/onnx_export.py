"""Exports the frozen model as ONNX graphs: encoder, decoder, and errors of the codes.

The graphs repeat `FeatureCleaner` and `FrozenWeights` operation by operation, so that any runtime gives the
same codes as the core up to float32 rounding.

Shapes: N rows, D uploaded features, C columns of them, C' active columns, G categories, L levels,
S = G * L streams, W widest category, H embedding_dim, K codebook_size, E latent_dim.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.descriptors.family import ChannelFamily
from catvq.frozen.onnx_cleaning import normalize, num_tabular, restore, rows_kind
from catvq.frozen.weights import FrozenWeights
from catvq.model.codes.residual_search import BEAM
from catvq.onnx_builder import Array, Graph

REGISTER = 16  # float32 in the widest vector register
ONE = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])


def encoder_graph(
    weights: FrozenWeights,
    cleaner: FeatureCleaner,
    metadata: Mapping[str, str],
    families: Sequence[ChannelFamily] = (),
) -> bytes:
    """Serialise the encoder.

    Each layer of all categories is one grouped convolution, with rows in place of pixels: a runtime then
    has four wide operations instead of many narrow ones, and adds bias and rectifier while the product is
    in its cache. Every width is padded to whole vector registers. `normalized`, `latents` and
    `present` are intermediate results for `doubt_graph`. `total` is not finite if a value is missing or
    infinite, which is quicker to test than all values.

    Args:
        weights: The frozen weights.
        cleaner: The cleaner, fitted on the training rows.
        metadata: The file's metadata_props.
        families: Those of series and grids.

    Returns:
        An ONNX file: input `rows` [N, D] in the cleaner's type (NaN = missing) unless D is 0, for a family of
        series also its name float32 [N, T, C] and `name.lengths` int64 [N], of grids [N, C, H, W]; outputs
        `codes` int64 [N, S], `normalized` float32 [N, C], `latents` float32 [1, G * E padded, 1, N],
        `present` float32 [N, C'], 1 where a value is there and 0 where it is missing, and `total` [] in the
        rows' type, the sum of all values and descriptors.
    """
    graph = Graph()
    slots = cleaner.active_columns[_pad(weights.index.numpy(), 1).flatten()]
    columns = graph.add("Transpose", normalize(graph, cleaner, families), perm=[1, 0])
    own = graph.add("Gather", columns, graph.constant(slots.reshape(1, -1, 1)), axis=0)
    bias = weights.embedding_bias.squeeze(1).numpy()
    embedding = graph.add("Relu", _convolve(graph, own, weights.feature_weight.numpy(), bias))
    offsets = weights.latent_bias.squeeze(1).numpy()
    linear = _convolve(graph, own, weights.linear_weight.numpy(), np.zeros_like(offsets))
    latents = _convolve(graph, embedding, weights.head_weight.numpy(), offsets)
    latents = graph.add("Add", latents, linear, output="latents")
    _search(graph, weights, latents)
    width = _padded(weights.codes.shape[2])
    return graph.build(
        "catvq_encoder",
        _rows(cleaner) + [each for family in families for each in family.inputs()],
        [
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", len(weights.codes)]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.fill)]),
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, [1, len(offsets) * width, 1, "N"]),
            helper.make_tensor_value_info("present", TensorProto.FLOAT, ["N", len(cleaner.active_columns)]),
            helper.make_tensor_value_info("total", rows_kind(cleaner), []),
        ],
        metadata,
    )


def decoder_graph(
    weights: FrozenWeights, cleaner: FeatureCleaner, families: Sequence[ChannelFamily] = ()
) -> bytes:
    """Serialise the decoder.

    Returns:
        An ONNX file: input `codes` int64 [N, S], -1 where a level is left out; output `rows` [N, D] in raw
        units and the cleaner's type unless D is 0, and for each family its name, the descriptors
        float32 [N, C, M].
    """
    graph = Graph()
    normalized = _decode(graph, weights, _look_up(graph, weights, may_lack_levels=True))
    restore(graph, cleaner, normalized, families)
    return graph.build(
        "catvq_decoder",
        [helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", len(weights.codes)])],
        _rows(cleaner) + [family.output(family.name) for family in families],
    )


def doubt_graph(weights: FrozenWeights, cleaner: FeatureCleaner, metadata: Mapping[str, str]) -> bytes:
    """Serialise the graph that measures how well codes describe their rows.

    Returns:
        An ONNX file: the encoder's outputs `codes`, `normalized` and `latents` as inputs, and `present` where
        some values are missing; outputs `reconstruction_error` float32 [N] (mean squared, of the normalised
        active features that are there; NaN where none is) and `distance` float32 [N] (squared distance of a
        latent to the sum of its codes, mean over the categories).
    """
    graph = Graph()
    (streams, _, latent_dim), num_categories = weights.codes.shape, len(weights.index)
    features: str = "normalized"
    if len(cleaner.active_columns) < len(cleaner.fill):
        features = graph.add("Gather", features, graph.constant(cleaner.active_columns), axis=1)
    quantized = _look_up(graph, weights)
    gap = graph.add("Sub", _decode(graph, weights, quantized), features)
    gap = graph.add("Mul", graph.add("Mul", gap, gap), "present")
    gap = graph.add("ReduceSum", gap, graph.ints(1), keepdims=0)
    graph.add("Div", gap, _count_present(graph, cleaner), output="reconstruction_error")
    quantized = graph.add("Transpose", quantized, perm=[1, 2, 0])  # [G, E, N]
    width = _padded(latent_dim)
    latents = graph.add("Reshape", "latents", graph.ints(num_categories, width, -1))
    latents = graph.add("Slice", latents, graph.ints(0), graph.ints(latent_dim), graph.ints(1))
    squared = graph.add("ReduceSumSquare", graph.add("Sub", latents, quantized), graph.ints(1), keepdims=0)
    graph.add("ReduceMean", squared, graph.ints(0), output="distance", keepdims=0)
    return graph.build(
        "catvq_doubt",
        [
            helper.make_tensor_value_info("codes", TensorProto.INT64, ["N", streams]),
            helper.make_tensor_value_info("normalized", TensorProto.FLOAT, ["N", len(cleaner.fill)]),
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, [1, num_categories * width, 1, "N"]),
            helper.make_tensor_value_info("present", TensorProto.FLOAT, ["P", len(cleaner.active_columns)]),
        ],
        [
            helper.make_tensor_value_info("reconstruction_error", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["N"]),
        ],
        metadata,
    )


def _count_present(graph: Graph, cleaner: FeatureCleaner) -> str:
    """Add the number of features that are there, of which some have several columns: [1] or [N].

    `present` is an input that need not be given.
    """
    owner = cleaner.columns.feature[cleaner.active_columns]
    graph.constants.append(numpy_helper.from_array(np.ones((1, len(owner)), np.float32), "present"))
    present: str = "present"
    if len(np.unique(owner)) < len(owner):
        owned = (owner[:, None] == np.unique(owner)).astype(np.float32)
        columns = graph.add("MatMul", present, graph.constant(owned))
        present = graph.add("Min", columns, graph.constant(np.ones(1, np.float32)))
    return graph.add("ReduceSum", present, graph.ints(1), keepdims=0)


def _rows(cleaner: FeatureCleaner) -> list[ValueInfoProto]:
    """The tabular features."""
    number = num_tabular(cleaner)
    return [helper.make_tensor_value_info("rows", rows_kind(cleaner), ["N", number])] if number else []


def _search(graph: Graph, weights: FrozenWeights, latents: str) -> None:
    """Add the output `codes`: `residual_search.search_codes` with nearness in place of distance.

    Nearness is minus half the squared distance, r c - |c|^2 / 2 - |r|^2 / 2. It is computed as one product:
    the residual extended by 1 and |r|^2, times the code extended by -|c|^2 / 2 and -1/2.
    """
    num_categories, levels, (_, size, width) = len(weights.index), weights.levels, weights.codes.shape
    padded = _padded(size)
    books = _pad(weights.codes.view(num_categories, levels, size, width).numpy(), 2)
    halves = _pad(-0.5 * weights.code_squares.view(num_categories, levels, size).numpy(), 2, filler=-np.inf)
    ends = np.stack([halves, np.full_like(halves, -0.5)], axis=3)
    factors = np.concatenate([books, ends], axis=3).transpose(0, 1, 3, 2)  # [G, L, E + 2, K]
    first = graph.constant(padded * np.arange(num_categories, dtype=np.int64).reshape(-1, 1, 1))
    whole = graph.add("Reshape", latents, graph.ints(num_categories, _padded(width), -1))
    if width < _padded(width):
        whole = graph.add("Slice", whole, graph.ints(0), graph.ints(width), graph.ints(1))
    whole = graph.add(
        "Unsqueeze", graph.add("Transpose", whole, perm=[0, 2, 1]), graph.ints(2)
    )  # [G, N, 1, E]
    infinite = graph.constant(np.array(np.inf, dtype=np.float32))
    rest, chosen, best = whole, list[str](), ""
    for level in range(levels):
        length = graph.add("ReduceSumSquare", rest, graph.ints(3), keepdims=0)
        if level > 0:  # there may be fewer codes than the beam is wide
            length = graph.add("Where", graph.add("IsInf", best), infinite, length)
        length = graph.add("Unsqueeze", length, graph.ints(3))
        one = graph.add("ConstantOfShape", graph.add("Shape", length), value=ONE)
        factor = graph.add("Concat", rest, one, length, axis=3)
        factor = graph.add("Reshape", factor, graph.ints(num_categories, -1, width + 2))
        nearness = graph.add("MatMul", factor, graph.constant(factors[:, level]))
        kept = 1 if level == 0 else min(BEAM, padded**level)
        nearness = graph.add("Reshape", nearness, graph.ints(num_categories, -1, kept * padded))
        if level == levels - 1:
            place = graph.add("ArgMax", nearness, axis=2, keepdims=1)
        else:
            best, place = graph.top(nearness, min(BEAM, kept * padded))
        code = place
        if level > 0:
            parent = graph.add("Div", place, graph.ints(padded))
            code = graph.add("Mod", place, graph.ints(padded))
            chosen = [graph.add("GatherElements", codes, parent, axis=2) for codes in chosen]
        chosen.append(code)
        if level < levels - 1:
            rest = whole
            for number, codes in enumerate(chosen):
                rows = graph.constant(books[:, number].reshape(-1, width))
                rest = graph.add(
                    "Sub", rest, graph.add("Gather", rows, graph.add("Add", codes, first), axis=0)
                )
    codes = graph.add("Concat", *chosen, axis=2) if levels > 1 else chosen[0]  # [G, N, L]
    codes = graph.add("Transpose", codes, perm=[1, 0, 2])
    graph.add("Reshape", codes, graph.ints(-1, num_categories * levels), output="codes")


def _look_up(graph: Graph, weights: FrozenWeights, *, may_lack_levels: bool = False) -> str:
    """Add the sum of each category's codebook rows for `codes`: [N, G, E]; to which -1 may add nothing."""
    streams, codebook_size, latent_dim = weights.codes.shape
    offsets = np.arange(streams, dtype=np.int64) * codebook_size
    flat = graph.add("Add", "codes", graph.constant(offsets))
    table = weights.codes.reshape(-1, latent_dim).numpy()
    if may_lack_levels:
        is_left_out = graph.add("Less", "codes", graph.ints(0))
        flat = graph.add("Where", is_left_out, graph.ints(len(table)), flat)
        table = np.pad(table, ((0, 1), (0, 0)))
    rows = graph.add("Gather", graph.constant(table), flat, axis=0)
    if weights.levels == 1:
        return rows
    rows = graph.add("Reshape", rows, graph.ints(-1, len(weights.index), weights.levels, latent_dim))
    return graph.add("ReduceSum", rows, graph.ints(2), keepdims=0)


def _decode(graph: Graph, weights: FrozenWeights, quantized: str) -> str:
    """Add `FrozenWeights.decode` of quantised latents: [N, G, E] -> [N, D']."""
    width = len(weights.index) * weights.codes.shape[2]
    latents = graph.add("Reshape", quantized, graph.ints(-1, width))
    # Invalid entries get zero weights, which is faster than to remove them.
    hidden_weight, linear_weight = (
        torch.zeros(width, weight.shape[1]).index_copy(0, weights.valid, weight)
        for weight in (weights.decoder_hidden_weight, weights.decoder_linear_weight)
    )
    hidden = graph.add("Gelu", _dense(graph, latents, hidden_weight, weights.decoder_hidden_bias))
    linear = graph.add("MatMul", latents, graph.constant(linear_weight.numpy()))
    return graph.add("Add", linear, _dense(graph, hidden, weights.decoder_weight, weights.decoder_bias))


def _convolve(graph: Graph, inputs: str, weight: Array, bias: Array) -> str:
    """Add one linear layer for each group of channels, as a grouped convolution.

    Args:
        weight: [groups, in, out].
        bias: [groups, out].
    """
    kernel = _pad(weight.transpose(0, 2, 1), 1, 2)
    offsets = _pad(bias, 1)
    kernel = kernel.reshape(-1, kernel.shape[2], 1, 1)
    return graph.add(
        "Conv", inputs, graph.constant(kernel), graph.constant(offsets.flatten()), group=len(weight)
    )


def _dense(graph: Graph, inputs: str, weight: Tensor, bias: Tensor) -> str:
    return graph.add("Gemm", inputs, graph.constant(weight.numpy()), graph.constant(bias.numpy()))


def _pad(array: Array, *axes: int, filler: float = 0.0) -> Array:
    """Pad axes to a multiple of REGISTER."""
    widths = [(0, _padded(size) - size if axis in axes else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, widths, constant_values=filler)


def _padded(size: int) -> int:
    return -(-size // REGISTER) * REGISTER
