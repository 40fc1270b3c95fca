"""A frozen model of the size that is measured: 298 features, 10 categories, 3.2 MFLOP a row."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import CleaningSettings
from catvq.features.table import FeatureTable
from catvq.frozen.artifact import token_names
from catvq.frozen.metadata import describe_encoder
from catvq.frozen.onnx_export import decoder_graph, doubt_graph, encoder_graph
from catvq.frozen.verify import OnnxEncoder
from catvq.frozen.weights import FrozenWeights
from catvq.model.codes.residual_search import search_codes
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from worker.contract.job_config import JobRequest
from worker.store import NewDataset, NewFiles, Store

FEATURES, CATEGORIES, HIDDEN, EMBEDDING = 298, 10, 512, 256
LEVELS, LATENT, CODEBOOK = 3, 16, 64
STREAMS = CATEGORIES * LEVELS
NAMES = [f"f{index}" for index in range(FEATURES)]
CATEGORY_NAMES = [f"category_{index}" for index in range(CATEGORIES)]
VECTOR_ROWS = 8


def draw_rows(count: int, seed: int) -> NDArray[np.float32]:
    """Rows as a client sends them."""
    return np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)


@dataclass(frozen=True)
class BenchmarkModel:
    """The weights, and how rows are cleaned."""

    weights: FrozenWeights
    cleaner: FeatureCleaner

    @classmethod
    def make(cls, seed: int = 0) -> Self:
        """Draw the weights."""
        torch.manual_seed(seed)
        shape = ModelShape(
            num_features=FEATURES,
            num_categories=CATEGORIES,
            levels=LEVELS,
            codebook_sizes=(CODEBOOK,) * STREAMS,
            latent_dims=(LATENT,) * STREAMS,
            embedding_dim=EMBEDDING,
            hidden_dim=HIDDEN,
            dropout=0.0,
        )
        cleaner = FeatureCleaner.fit(draw_rows(2000, seed), CleaningSettings())
        routing = HardRouting.from_grouping(torch.arange(FEATURES) % CATEGORIES, CATEGORIES)
        return cls(FrozenWeights.pack(CategoricalVQVAE(shape), routing), cleaner)

    def save(self, directory: Path) -> None:
        """Write the files that encode, as freezing writes them."""
        directory.mkdir(parents=True)
        rows = draw_rows(VECTOR_ROWS, 1)
        names = [name for names in token_names(CATEGORY_NAMES, LEVELS) for name in names]
        table = FeatureTable(rows, tuple(NAMES), {"all": tuple(NAMES)})
        notes = describe_encoder(table, names, np.arange(VECTOR_ROWS), self.encode(rows))
        encoder, doubt = encoder_graph(self.weights, self.cleaner, notes), doubt_graph
        distance = (
            OnnxEncoder(encoder, doubt(self.weights, self.cleaner, {})).encode(draw_rows(500, 2)).distance
        )
        percentiles = {"catvq_distance_percentiles": json.dumps(np.percentile(distance, range(101)).tolist())}
        (directory / "encoder.onnx").write_bytes(encoder)
        (directory / "doubt.onnx").write_bytes(doubt(self.weights, self.cleaner, percentiles))
        (directory / "decoder.onnx").write_bytes(decoder_graph(self.weights, self.cleaner))
        (directory / "grouping.json").write_text(json.dumps(_grouping()))

    def publish(self, store: Store) -> str:
        """Put the model into a store, as a worker would; returns its id."""
        values = store.spool_dir / "values.npy"
        np.save(values, draw_rows(16, 3))
        dataset = NewDataset(
            name=None, features=NAMES, families={"all": NAMES}, digest="bench", rows=16, warnings=[]
        )
        dataset_id = store.datasets.create(dataset, NewFiles(values=values))[0].id
        request = JobRequest(dataset=dataset_id, report={"baselines": False})
        claim = store.leases.claim(store.jobs.submit(request, {}).job.id, "bench", threads=1)
        if claim is None:
            raise RuntimeError("somebody else took the job of the benchmark")
        model_id = f"model_{claim.job.id.removeprefix('job_')}"
        self.save(store.models.directory(model_id))
        document = {
            "rows_dtype": self.cleaner.dtype.name,
            "features": NAMES,
            "values": [None] * FEATURES,
            "origins": [None] * FEATURES,
            "kinds": [],
            "reading": {},
            "categories": CATEGORY_NAMES,
            "levels": LEVELS,
            "codebook_size": [[CODEBOOK] * LEVELS] * CATEGORIES,
            "latent_dim": [[LATENT] * LEVELS] * CATEGORIES,
            "metrics": {},
            "training_seconds": 0.0,
        }
        store.leases.publish(claim, model_id, document, "sha256:bench")
        return model_id

    @torch.no_grad()
    def encode(self, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Encode by torch, all categories in one batched product for each layer."""
        codes: NDArray[np.int64] = self.weights.encode(torch.from_numpy(self.cleaner.normalize(rows))).numpy()
        return codes


class EagerModel(nn.Module):
    """The same model as most people write it: one module for each category."""

    def __init__(self, model: BenchmarkModel) -> None:
        super().__init__()
        self._cleaner = model.cleaner
        self.categories = nn.ModuleList([_Category(model.weights, index) for index in range(CATEGORIES)])

    @torch.no_grad()
    def forward(self, rows: NDArray[np.float32]) -> Tensor:
        """Encode: float32 [rows, features] -> int64 [rows, streams]."""
        features = torch.from_numpy(self._cleaner.normalize(rows))
        return torch.cat([category(features) for category in self.categories], dim=1)


class _Category(nn.Module):
    def __init__(self, weights: FrozenWeights, index: int) -> None:
        super().__init__()
        self.own = weights.index[index]
        self.layers = nn.Sequential(
            _linear(weights.feature_weight[index], weights.embedding_bias[index]), nn.ReLU()
        )
        self.linear = _linear(weights.linear_weight[index], weights.latent_bias[index])
        self.head = _linear(weights.head_weight[index], torch.zeros(LATENT))
        streams = slice(index * LEVELS, (index + 1) * LEVELS)
        self.books, self.squares = weights.codes[streams], weights.code_squares[streams]

    def forward(self, features: Tensor) -> Tensor:
        own = features[:, self.own]
        latents = self.linear(own) + self.head(self.layers(own))
        return search_codes(self.books, self.squares, latents.unsqueeze(0))[0].T


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(*weight.shape)
    layer.weight = nn.Parameter(weight.T.contiguous(), requires_grad=False)
    layer.bias = nn.Parameter(bias.flatten(), requires_grad=False)
    return layer


def _grouping() -> dict[str, object]:
    members = [NAMES[index::CATEGORIES] for index in range(CATEGORIES)]
    rest = {"family": "all", "confidence": 1.0, "runner_up": None}
    return {
        "digest": "sha256:bench",
        "categories": [
            {"index": i, "name": CATEGORY_NAMES[i], "features": members[i]} for i in range(CATEGORIES)
        ],
        "features": [{"name": name, "category": i % CATEGORIES, **rest} for i, name in enumerate(NAMES)],
    }
