"""Writes a frozen model to disk: ONNX graphs, weights and JSON documents.

Shapes: D uploaded features, G categories, L levels, S = G * L streams, K codebook_size.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.descriptors.family import ChannelFamily
from catvq.features.table import FeatureTable
from catvq.frozen.weights import FrozenWeights
from catvq.model.metrics import stream_perplexity
from catvq.state.checkpoint import write_atomically


@dataclass(frozen=True, kw_only=True)
class FrozenModel:
    """The immutable result of a run.

    Attributes:
        encoder: ONNX file: raw rows to codes.
        decoder: ONNX file: codes to raw rows.
        doubt: ONNX file: reconstruction error and distance of codes.
        families: Family name to feature names.
        values: Of each feature, the names of its values; None where it is not categorical.
        origins: Of each feature, from when it counts its seconds, ISO 8601; None where it is no time.
        kinds: The families of series and grids.
        soft: float32 [D, G], rows sum to 1: the soft assignment at the freeze.
        grouping: See `describe_grouping`.
        usage: float32 [S, K], how often the training rows use each code.
        report: The report of the run.
    """

    encoder: bytes
    decoder: bytes
    doubt: bytes
    weights: FrozenWeights
    cleaner: FeatureCleaner
    families: Mapping[str, list[str]]
    features: tuple[str, ...]
    values: tuple[tuple[str, ...] | None, ...]
    origins: tuple[str | None, ...]
    kinds: tuple[ChannelFamily, ...]
    categories: tuple[str, ...]
    levels: int
    codebook_sizes: tuple[int, ...]
    latent_dims: tuple[int, ...]
    soft: NDArray[np.float32]
    grouping: dict[str, Any]
    usage: Tensor
    report: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over both graphs and the grouping: models with equal digests give equal results."""
        digest = hashlib.sha256(self.encoder)
        digest.update(self.decoder)
        digest.update(_json(self.grouping))
        return f"sha256:{digest.hexdigest()}"

    def document(self) -> dict[str, Any]:
        """Return a summary of the model in JSON's types."""
        return {
            "digest": self.digest,
            "rows_dtype": self.cleaner.dtype.name,
            "features": list(self.features),
            "values": [None if names is None else list(names) for names in self.values],
            "origins": list(self.origins),
            "families": dict(self.families),
            "kinds": [family.document() for family in self.kinds],
            "categories": list(self.categories),
            "levels": self.levels,
            "codebook_size": self._by_category(self.codebook_sizes),
            "latent_dim": self._by_category(self.latent_dims),
            "embedding_dim": self.weights.head_weight.shape[1],
            "hidden_dim": self.weights.decoder_hidden_bias.shape[0] // 2,
            "metrics": {
                "reconstruction_error": self.report["reconstruction_error"],
                "perplexity": self.report["codebook"]["perplexity"],
                "usage": self.report["codebook"]["usage"],
                "bits_per_row": self.report["codebook"]["bits_per_row"],
                "active_categories": self.report["assignment"]["active_categories"],
            },
        }

    def save(self, directory: Path) -> None:
        """Write the files of the model into a directory, each atomically."""
        files = {
            "encoder.onnx": self.encoder,
            "decoder.onnx": self.decoder,
            "doubt.onnx": self.doubt,
            "grouping.json": _json({"digest": self.digest, **self.grouping}),
            "codebook.json": _json(self._codebook_document()),
            "report.json": _json(self.report),
            "model.json": _json(self.document() | {"cleaner": self.cleaner.to_dict()}),
            "model.safetensors": save(dict(vars(self.weights))),
            "assignment.npy": _npy(self.soft),
        }
        for name, content in files.items():
            write_atomically(directory / name, content)

    def _by_category(self, values: Sequence[int]) -> list[list[int]]:
        return [list(values[i : i + self.levels]) for i in range(0, len(values), self.levels)]

    def _codebook_document(self) -> dict[str, Any]:
        perplexity = stream_perplexity(self.usage).tolist()
        return {
            "categories": [
                {
                    "index": category,
                    "name": name,
                    "levels": [
                        self._level(category * self.levels + level, level, perplexity)
                        for level in range(self.levels)
                    ],
                }
                for category, name in enumerate(self.categories)
            ]
        }

    def _level(self, stream: int, level: int, perplexity: Sequence[float]) -> dict[str, Any]:
        size, width = self.codebook_sizes[stream], self.latent_dims[stream]
        return {
            "level": level,
            "codebook_size": size,
            "latent_dim": width,
            "codes": self.weights.codes[stream, :size, :width].tolist(),
            "usage": float((self.usage[stream] > 0).sum() / size),
            "perplexity": perplexity[stream],
        }


def describe_grouping(
    table: FeatureTable, categories: Sequence[str], soft: NDArray[np.float32]
) -> dict[str, Any]:
    """Return the frozen category of every uploaded feature, in JSON's types.

    Args:
        table: The uploaded table.
        categories: Names of the categories, length G.
        soft: float32 [D, G], rows sum to 1; the lower index wins a tie.

    Returns:
        `categories` (index, name, features) and `features` (name, family, category, confidence, runner_up).
    """
    order = np.argsort(-soft, axis=1, kind="stable")
    families = list(table.families)
    members: list[list[str]] = [[] for _ in categories]
    features = []
    for row, (name, family) in enumerate(zip(table.features, table.family_of_feature(), strict=True)):
        category = int(order[row, 0])
        has_runner_up = soft.shape[1] > 1 and soft[row, order[row, 1]] > 0
        members[category].append(name)
        features.append(
            {
                "name": name,
                "family": families[family],
                "category": category,
                "confidence": float(soft[row, category]),
                "runner_up": int(order[row, 1]) if has_runner_up else None,
            }
        )
    return {
        "categories": [
            {"index": index, "name": name, "features": members[index]}
            for index, name in enumerate(categories)
        ],
        "features": features,
    }


def values_of_features(table: FeatureTable) -> tuple[tuple[str, ...] | None, ...]:
    """The values of each feature of a table, length D; None where it is numeric."""
    return tuple(table.values_of.get(name) for name in table.features)


def origins_of_features(table: FeatureTable) -> tuple[str | None, ...]:
    """From when each feature of a table counts its seconds, length D; None where it is no time."""
    return tuple(table.origins.get(name) for name in table.features)


def token_names(categories: Sequence[str], levels: int) -> list[tuple[str, ...]]:
    """Return the names of each category's codes, from coarse to fine."""
    return [tuple(f"{category}.{level}" for level in range(levels)) for category in categories]


def _json(document: Any) -> bytes:
    return json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
