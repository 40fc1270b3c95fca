"""Verifies at every freeze that the frozen model and its ONNX graph give the codes of the trained model.

Codes may differ only if the choice between them is within float32 rounding; such near-ties are counted.

Shapes: N rows, C' active columns, S streams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from catvq.errors import FreezeError, ShapeError
from catvq.features.batches import batches
from catvq.features.precision import Values
from catvq.features.sequences import Sequences
from catvq.frozen.weights import FrozenWeights
from catvq.model.routing import SoftRouting
from catvq.model.vqvae import CategoricalVQVAE
from catvq.onnx_session import open_session

CHUNK_ROWS = 1024  # bounds the memory of all distances at once
ENCODED_ROWS = 256  # rows per run of the graphs, so that activations stay in a core's cache
LATENT_TOLERANCE = 1e-5  # relative to the largest latent, or to 1 if that is larger
TIE_TOLERANCE = 2e-5  # margin in `residual_search` that a latent difference of the above can explain


@dataclass(frozen=True)
class FreezeCheck:
    """Result of the verification.

    Attributes:
        rows: Number of rows compared.
        codes: Number of codes compared.
        largest_latent_difference: Largest difference between frozen and trained latents.
        near_ties: Codes that differ within rounding between trained and frozen model.
        near_ties_onnx: Codes that differ within rounding between frozen model and ONNX graph.
    """

    rows: int
    codes: int
    largest_latent_difference: float
    near_ties: int
    near_ties_onnx: int


@dataclass(frozen=True)
class OnnxCodes:
    """Outputs of the exported graphs.

    Attributes:
        codes: int64 [N, S].
        reconstruction_error: float32 [N].
        distance: float32 [N].
    """

    codes: NDArray[np.int64]
    reconstruction_error: NDArray[np.float32]
    distance: NDArray[np.float32]

    @classmethod
    def join(cls, parts: Sequence["OnnxCodes"]) -> "OnnxCodes":
        """Of one part's rows after another's; of one part alone just that."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class OnnxEncoder:
    """Runs the exported graphs as the service does.

    Args:
        encoder: ONNX file from `encoder_graph`.
        doubt: ONNX file from `doubt_graph`.
    """

    def __init__(self, encoder: bytes, doubt: bytes) -> None:
        self._encoder, self._doubt = (
            open_session(content, threads=torch.get_num_threads()) for content in (encoder, doubt)
        )

    def encode(self, rows: Values, others: Mapping[str, Sequences] = MappingProxyType({})) -> OnnxCodes:
        """Encode raw rows in batches, [N, D] in the type that the graph takes, and their other families."""
        found: OnnxCodes | None = None
        for batch in batches(rows, others, ENCODED_ROWS):
            codes, *rest = self._encode(batch.inputs)
            if found is None:
                error, distance = (np.empty(len(rows), dtype=np.float32) for _ in rest)
                found = OnnxCodes(np.empty((len(rows), codes.shape[1]), dtype=np.int64), error, distance)
            found.codes[batch.places] = codes
            found.reconstruction_error[batch.places], found.distance[batch.places] = rest
        if found is None:
            raise ShapeError("there are no rows to encode")
        return found

    def _encode(self, inputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        names = ["codes", "normalized", "latents", "present"]
        found = self._encoder.run(names, dict(inputs))
        error, distance = self._doubt.run(
            ["reconstruction_error", "distance"], dict(zip(names, found, strict=True))
        )
        return found[0], error, distance


@torch.no_grad()
def check_freeze(
    model: CategoricalVQVAE,
    grouping: Tensor,
    weights: FrozenWeights,
    *,
    features: Tensor,
    onnx_codes: NDArray[np.int64],
) -> FreezeCheck:
    """Compare the codes of the trained model under its hard assignment, the frozen model and the ONNX graph.

    Args:
        model: The trained model, on the CPU.
        grouping: int64 [C'], the category of each column.
        weights: The frozen weights.
        features: float32 [N, C'], normalised, on the CPU.
        onnx_codes: int64 [N, S] of the same rows.

    Raises:
        FreezeError: Latents are not finite, differ by more than LATENT_TOLERANCE, or give other codes that
            are no near-ties.
    """
    model.eval()
    routing = SoftRouting(F.one_hot(grouping, model.shape.num_categories).float())
    difference, ties, ties_onnx = 0.0, 0, 0
    for features_chunk, onnx_chunk in zip(
        torch.split(features, CHUNK_ROWS), torch.split(torch.from_numpy(onnx_codes), CHUNK_ROWS), strict=True
    ):
        expected = model.latents(features_chunk, routing)
        latents = weights.latents(features_chunk)
        if not bool(expected.isfinite().all() and latents.isfinite().all()):
            raise FreezeError("latents are not finite")
        scale = max(1.0, float(expected.abs().max()))
        difference = max(difference, float((latents - expected).abs().max()) / scale)
        codes, clearness = weights.search(latents)
        is_tie = clearness <= TIE_TOLERANCE
        ties += _count_ties(codes, model.codebooks.nearest(expected), is_tie)
        ties_onnx += _count_ties(codes, onnx_chunk.T, is_tie)
    if difference > LATENT_TOLERANCE:
        raise FreezeError(f"frozen latents differ by {difference:.1e}, more than {LATENT_TOLERANCE:.0e}")
    return FreezeCheck(len(features), onnx_codes.size, difference, ties, ties_onnx)


def _count_ties(codes: Tensor, others: Tensor, is_tie: Tensor) -> int:
    """Count the codes that differ; raise if one is no near-tie: two int64 [S, N], bool [G, N]."""
    differs = codes != others
    wrong = differs & ~is_tie.repeat_interleave(len(codes) // len(is_tie), dim=0)
    if bool(wrong.any()):
        raise FreezeError(f"{int(wrong.sum())} codes differ between frozen and trained model")
    return int(differs.sum())
