"""Freezing: soft assignment to hard groups, weights packed, codes verified, everything measured once more.

Shapes: N rows, D uploaded features, D' active features, C' their columns, G categories, L levels,
S = G * L streams, K codebook_size.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.errors import FreezeError
from catvq.features.owners import ColumnOwners
from catvq.features.rows import RunData
from catvq.features.split import RowSplit
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import (
    FrozenModel,
    describe_grouping,
    origins_of_features,
    token_names,
    values_of_features,
)
from catvq.frozen.categorical_accuracy import describe_values
from catvq.frozen.descriptor_accuracy import describe_channels
from catvq.frozen.metadata import choose_test_vector, describe_distances, describe_encoder
from catvq.frozen.onnx_export import decoder_graph, doubt_graph, encoder_graph
from catvq.frozen.uncertain_features import FIT_ROWS, JUDGE_ROWS, describe_doubtful, find_swaps
from catvq.frozen.verify import CHUNK_ROWS, OnnxCodes, OnnxEncoder, check_freeze
from catvq.frozen.weights import FrozenWeights
from catvq.grouping.categories import Categories
from catvq.model.losses import squared_error, topographic_similarity
from catvq.model.metrics import stream_perplexity, stream_usage
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.freeze_rows import PARTS, choose_rows
from catvq.training.progress import RunState, SoftToHardGap

TOPOGRAPHIC_ROWS = 512
LEVEL_ROWS = 10_000  # most rows that are decoded from fewer levels
TOKEN_ROWS = 100_000  # most training rows whose codes are compared


@dataclass(frozen=True, kw_only=True)
class FreezeInputs:
    """What a finished run hands over.

    Attributes:
        grouping: int64 [D'].
        soft: float32 [D, G], as it was when hardened.
        data: The normalised rows, and which train, validate and test.
        gap: None in static mode.
        search: How the search's restarts compare; None where the assignment was not searched for.
        start: How the start was chosen; None where there was nothing to choose.
        start_codes: Of the held-out rows by the model that the run went on from, int64 [rows, S]; else None.
        pruned: Names of categories that were left out already, see `pruning`.
    """

    table: FeatureTable
    config: RunConfig
    cleaner: FeatureCleaner
    categories: Categories
    model: CategoricalVQVAE
    grouping: Tensor
    soft: NDArray[np.float32]
    data: RunData
    gap: SoftToHardGap | None
    search: dict[str, Any] | None
    start: dict[str, Any] | None
    state: RunState
    start_codes: Tensor | None = None
    pruned: tuple[str, ...] = ()

    @property
    def owners(self) -> ColumnOwners:
        """Which active feature each column belongs to, on the CPU."""
        return ColumnOwners(torch.from_numpy(self.cleaner.feature_of_column), len(self.grouping))


def freeze(inputs: FreezeInputs) -> FrozenModel:
    """Pack, export, verify and measure; of a long table on some of its rows, see `choose_rows`.

    Raises:
        FreezeError: The frozen model gives other codes than the model under hard assignment.
    """
    whole = inputs
    table, data = choose_rows(inputs.table, inputs.data)
    inputs = replace(inputs, table=table, data=data)
    model = copy.deepcopy(inputs.model).cpu().eval()
    grouping, features = inputs.owners.spread(inputs.grouping.cpu()), inputs.data.features.cpu()
    routing = HardRouting.from_grouping(grouping, model.shape.num_categories)
    weights = FrozenWeights.pack(model, routing)
    vector = choose_test_vector(inputs.table, inputs.data.split.train, features, weights)
    vector_codes = weights.encode(features[vector]).numpy()
    families = inputs.table.channel_families
    tokens = [name for names in token_names(inputs.categories.names, model.shape.levels) for name in names]
    metadata = describe_encoder(inputs.table, tokens, vector, vector_codes)
    encoder = encoder_graph(weights, inputs.cleaner, metadata, families)
    graphs = OnnxEncoder(encoder, doubt_graph(weights, inputs.cleaner, {}))
    encoded = OnnxCodes.join(
        [
            graphs.encode(np.asarray(part.values, inputs.cleaner.dtype), part.others)
            for part in inputs.table.parts
            if len(part.values)
        ]
    )
    check = check_freeze(model, grouping, weights, features=features, onnx_codes=encoded.codes)
    if not np.array_equal(encoded.codes[vector], vector_codes):
        raise FreezeError("the exported encoder gives other codes of the test vector than the frozen model")
    codes = torch.from_numpy(encoded.codes)
    train = torch.from_numpy(inputs.data.split.train)
    usage = _count_usage(codes, train, weights)
    grouping_document = describe_grouping(inputs.table, inputs.categories.names, inputs.soft)
    report = {
        "losses": inputs.state.losses,
        "reconstruction_error": _errors(inputs, features, codes, weights),
        "by_levels": _describe_levels(inputs, features, codes, weights),
        "categorical": describe_values(
            inputs.table, inputs.cleaner, weights, inputs.data.split, codes=encoded.codes
        ),
        "channels": describe_channels(inputs.table, inputs.cleaner, weights, inputs.data, codes=codes),
        "soft_to_hard_gap": _describe_gap(inputs.gap),
        "start": _describe_start(whole, weights),
        "search": inputs.search,
        "freeze_check": asdict(check) | {"of": whole.table.num_rows},
        "codebook": _describe_usage(usage, model),
        "tokens": _describe_tokens(codes[train[:TOKEN_ROWS]]),
        "topographic_similarity": _topography(inputs.data.split, features, codes, weights),
        "assignment": asdict(inputs.state.assignment),
        "doubtful": _describe_doubtful(inputs, model, grouping_document["features"]),
        "moved_features": [
            {"name": each.feature, "from": each.category, "to": each.into, "epoch": each.epoch}
            for each in inputs.state.moves
        ],
        "joined": [asdict(each) for each in inputs.state.joins],
        "pruned": list(inputs.pruned),
        "collapse": [asdict(each) for each in inputs.state.collapses],
        "rows": _count_rows(whole.data.split),
        "measured_rows": _count_rows(inputs.data.split),
        "codes": {"rows": len(codes), "sha256": hashlib.sha256(encoded.codes.data).hexdigest()},
        "cleaning": inputs.cleaner.report(inputs.table.features),
        "training": {
            "epochs": inputs.state.epoch,
            "best_epoch": inputs.state.best_epoch,
            "spread": inputs.state.spread,
            "settled_epoch": inputs.state.settled_epoch,
            "seed": inputs.config.training.seed,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
        "warnings": _warnings(inputs, model),
    }
    return FrozenModel(
        encoder=encoder,
        decoder=decoder_graph(weights, inputs.cleaner, families),
        doubt=doubt_graph(
            weights, inputs.cleaner, describe_distances(encoded.distance[inputs.data.split.train])
        ),
        weights=weights,
        cleaner=inputs.cleaner,
        families={name: list(members) for name, members in inputs.table.families.items()},
        features=inputs.table.features,
        values=values_of_features(inputs.table),
        origins=origins_of_features(inputs.table),
        kinds=families,
        categories=inputs.categories.names,
        levels=model.shape.levels,
        codebook_sizes=model.shape.codebook_sizes,
        latent_dims=model.shape.latent_dims,
        soft=inputs.soft,
        grouping=grouping_document,
        usage=usage,
        report=report,
    )


def _count_usage(codes: Tensor, rows: Tensor, weights: FrozenWeights) -> Tensor:
    """How often some rows use each code: int64 [N, S] -> float32 [S, K]."""
    streams, codebook_size, _ = weights.codes.shape
    first, counts = torch.arange(streams) * codebook_size, torch.zeros(streams * codebook_size)
    for part in torch.split(rows, CHUNK_ROWS):
        counts += torch.bincount((codes[part] + first).flatten(), minlength=len(counts))
    return counts.view(streams, codebook_size)


def _errors(
    inputs: FreezeInputs, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> dict[str, float | None]:
    """Mean squared error of normalised features after the way through the codes, per part of the rows."""
    errors: dict[str, float | None] = {}
    for name in ("train", "validation", "test"):
        rows = torch.from_numpy(getattr(inputs.data.split, name))
        rebuild = partial(_rebuild, weights, codes, weights.levels)
        errors[name] = _error(inputs, features, rows, rebuild) if len(rows) else None
    return errors


def _error(
    inputs: FreezeInputs, features: Tensor, rows: Tensor, rebuild: Callable[[Tensor], Tensor]
) -> float:
    """Mean squared error of a feature over the cells of some rows that are there, int64 [N] -> number."""
    total, data = 0.0, inputs.data
    measure = data.mean_count(rows.to(data.device))
    for part in torch.split(rows, CHUNK_ROWS):
        cells = data.cells(part.to(data.device), measure)
        error = squared_error(rebuild(part), features[part], None if cells is None else cells.cpu())
        total += float(error.mean(dim=0).mean()) * len(part)
    return inputs.owners.per_feature * total / len(rows)


def _describe_levels(
    inputs: FreezeInputs, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> list[dict[str, float]]:
    """Bits and error of codes of the first level, the first two, ..., on test rows where there are any."""
    split, sizes = inputs.data.split, torch.tensor(inputs.model.shape.codebook_sizes).log2()
    rows = torch.from_numpy((split.test if len(split.test) else split.train)[:LEVEL_ROWS])
    found = []
    for levels in range(1, weights.levels + 1):
        error = _error(inputs, features, rows, partial(_rebuild, weights, codes, levels))
        bits = float(sizes.view(-1, weights.levels)[:, :levels].sum())
        found.append({"levels": levels, "bits_per_row": bits, "reconstruction_error": error})
    return found


def _rebuild(weights: FrozenWeights, codes: Tensor, levels: int, rows: Tensor) -> Tensor:
    """Features of some rows, decoded from their codes of the first levels."""
    return weights.decode(weights.coarse(codes[rows], levels))


def _topography(
    split: RowSplit, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> dict[str, float] | None:
    """Similarity of distances before and after quantisation, on test rows where there are any."""
    rows = torch.from_numpy((split.test if len(split.test) > 2 else split.train)[:TOPOGRAPHIC_ROWS])
    latents = weights.latents(features[rows]).transpose(0, 1).flatten(1)
    quantized = weights.quantized(codes[rows]).flatten(1)
    return {
        "latents": float(topographic_similarity(features[rows], latents)),
        "quantized": float(topographic_similarity(features[rows], quantized)),
    }


def _describe_doubtful(
    inputs: FreezeInputs, model: CategoricalVQVAE, described: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Of active features: a duplicate's place is that of what it repeats, a constant has none to doubt."""
    features, split = inputs.data.features.cpu(), inputs.data.split
    held_out = inputs.data.held_out_rows[:JUDGE_ROWS]
    cells, held_out = inputs.data.cells(held_out), held_out.cpu()
    swaps = find_swaps(
        model,
        inputs.grouping.cpu(),
        inputs.categories.allowed,
        train=features[split.train[:FIT_ROWS]],
        held_out=features[held_out],
        cells=None if cells is None else cells.cpu(),
        owners=inputs.owners,
    )
    return describe_doubtful([described[feature] for feature in inputs.cleaner.active], swaps)


def _count_rows(split: RowSplit) -> dict[str, int]:
    return {name: len(getattr(split, name)) for name in PARTS}


def _describe_start(inputs: FreezeInputs, weights: FrozenWeights) -> dict[str, Any] | None:
    """How the start was chosen, and how many codes are those of the model that the run went on from."""
    if inputs.start is None or inputs.start_codes is None:
        return inputs.start
    is_kept = weights.encode(inputs.data.held_out.cpu()) == inputs.start_codes
    rows = "validation" if inputs.data.has_validation else "train"
    kept = {"share": float(is_kept.float().mean()), "codes": is_kept.numel(), "rows": rows}
    return inputs.start | {"kept_codes": kept}


def _describe_gap(gap: SoftToHardGap | None) -> dict[str, Any] | None:
    return None if gap is None else asdict(gap) | {"gap": gap.hard_error - gap.soft_error}


def _describe_usage(usage: Tensor, model: CategoricalVQVAE) -> dict[str, float]:
    perplexity = stream_perplexity(usage)
    return {
        "perplexity": float(perplexity.mean()),
        "usage": float(stream_usage(usage, model.codebooks.code_mask).mean()),
        "bits_per_row": float(torch.tensor(model.shape.codebook_sizes).log2().sum()),
        "used_bits_per_row": float(perplexity.log2().sum()),
    }


def _describe_tokens(codes: Tensor) -> dict[str, float]:
    """How well rows of codes tell rows apart: int64 [N, S] -> shares of the N rows.

    Returns:
        `distinct`, rows of codes that differ; `commonest`, rows that have the commonest row of codes;
        `shared`, rows whose codes another row has, too.
    """
    rows = codes.numpy()
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    return {
        "distinct": len(counts) / len(rows),
        "commonest": int(counts.max()) / len(rows),
        "shared": int(counts[counts > 1].sum()) / len(rows),
    }


def _warnings(inputs: FreezeInputs, model: CategoricalVQVAE) -> list[str]:
    sizes = F.one_hot(inputs.grouping.cpu(), model.shape.num_categories).sum(dim=0)
    empty = [name for name, size in zip(inputs.categories.names, sizes.tolist(), strict=True) if size == 0]
    warnings = [f"category {name!r} is empty: its codes are constant" for name in empty]
    if inputs.gap is not None and inputs.gap.hard_error > 1.1 * inputs.gap.soft_error:
        warnings.append(
            f"hardening the assignment raised the error from {inputs.gap.soft_error:.4f} "
            f"to {inputs.gap.hard_error:.4f} before further training"
        )
    return warnings
