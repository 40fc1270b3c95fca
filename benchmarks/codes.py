"""Held-out error at equal bits and tokens against other quantisers, on real tables: `make bench-codes`.

Every model has three tokens for each category, of 16, 32 and 64 codes, as automatic sizes have them.
Contestants see the same cleaned rows; residual k-means has the model's own groups, and the same sizes or 32
codes in each token, the others quantise whole rows with as many bits. Labels, where a table
has them, are never trained on: probes read them off one-hot tokens.

`--set informativeness_weight=0.1` trains with other settings of the model; `--read DIR` reads codes that
another version of the core has saved as TABLE-SEED.npy, of the same rows, and trains nothing.
"""

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from benchmarks.planted import planted
from benchmarks.quantisers import faiss_product, faiss_residual
from benchmarks.real_tables import REAL_TABLES, RealTable
from catvq.comparison.classical_codecs import principal_components, residual_k_means
from catvq.config import RunConfig
from catvq.features.split import split_rows
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun

SIZES = (16, 32, 64)
LEVELS, BITS_OF_TOKEN = len(SIZES), 5
VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2
COLUMNS = ("residual k-means", "3 x 32 codes", "PCA + scalar", "faiss residual", "faiss OPQ", "learnt")


def large() -> RealTable:
    """20,000 rows of 100 features in ten planted categories, with a factor that all share."""
    table = planted("shared_factor", seed=0, rows=20_000, features=100, categories=10)
    return RealTable(table.values, "planted: shared_factor")


TABLES = REAL_TABLES | {"large": large}


def main() -> None:
    """Print one row per table: mean errors over the seeds, features moved, probes, topography, seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[500, 501, 502])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the model")
    parser.add_argument("--read", type=Path, metavar="DIR", help="probe codes saved as TABLE-SEED.npy")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.read:
        print_probes_of(arguments.read, arguments.tables, arguments.seeds)
        return
    model = {name: json.loads(value) for name, value in (each.split("=") for each in arguments.set)}
    print(f"seeds {arguments.seeds}, tokens of {SIZES} codes, torch {torch.__version__}")
    print(f"settings of the model besides: {model}\n")
    heads = " | ".join(("table", "rows x features", "G", *COLUMNS, "against residual k-means", "moved"))
    print(f"| {heads} | linear probe | trees | topography | s |\n|---|" + "---|" * (len(COLUMNS) + 8))
    for name in arguments.tables:
        table = TABLES[name]()
        measured = [measure(table, seed, model) for seed in arguments.seeds]
        errors, rest = (np.array([each[part] for each in measured], dtype=float) for part in (0, 1))
        means, further = errors.mean(axis=0), rest.mean(axis=0)
        cells = " | ".join("-" if np.isnan(error) else f"{error:.4f}" for error in means)
        shape = " x ".join(map(str, table.values.shape))
        change = f"{means[-1] / means[0] - 1:+.1%}"
        probes = " | ".join("-" if np.isnan(value) else f"{value:.3f}" for value in further[1:4])
        row = (
            f"| {name} | {shape} | {table.num_categories} | {cells} | {change} | {further[0]:.0f} | {probes}"
        )
        print(f"{row} | {further[4]:.1f} |", flush=True)


def print_probes_of(directory: Path, names: Sequence[str], seeds: Sequence[int]) -> None:
    """Print the probes' accuracies, means over the seeds, of saved codes of the labelled tables."""
    print("| table | linear probe | trees |\n|---|---|---|")
    for name in names:
        table = TABLES[name]()
        if table.labels is None:
            continue
        found = []
        for seed in seeds:
            split = split_rows(settings(table, seed, {}).training, len(table.values))
            codes = np.load(directory / f"{name}-{seed}.npy")
            found.append(probe(codes, table.labels, split.train, split.test))
        linear, trees = np.mean(found, axis=0)
        print(f"| {name} | {linear:.3f} | {trees:.3f} |", flush=True)


def measure(
    table: RealTable, seed: int, model: dict[str, Any]
) -> tuple[list[float | None], list[float | None]]:
    """Test errors in the order of COLUMNS; features moved, probes' accuracies, topography, and seconds."""
    started = time.perf_counter()
    run = train(table, settings(table, seed, model))
    seconds = time.perf_counter() - started
    start = run.categories.grouping
    frozen = run.freeze()
    rows, split = frozen.cleaner.normalize(table.values), split_rows(run.config.training, len(table.values))
    fitted, judged = rows[split.train], rows[split.test]
    category = np.array([feature["category"] for feature in frozen.grouping["features"]])[
        frozen.cleaner.active
    ]
    groups = [np.flatnonzero(category == number) for number in np.unique(category)]
    tokens = LEVELS * table.num_categories
    codes = frozen.weights.encode(torch.from_numpy(rows))
    rebuilt = (
        residual_k_means(fitted, judged, groups, codes=SIZES, seed=seed),
        residual_k_means(fitted, judged, groups, codes=[2**BITS_OF_TOKEN] * LEVELS, seed=seed),
        principal_components(fitted, judged, bits=tokens * BITS_OF_TOKEN, seed=seed),
        faiss_residual(fitted, judged, tokens=tokens, bits_of_token=BITS_OF_TOKEN),
        faiss_product(fitted, judged, tokens=tokens, bits_of_token=BITS_OF_TOKEN),
        frozen.weights.decode(codes[split.test]).numpy(),
    )
    observed = frozen.cleaner.observed(table.values[split.test])
    errors = [None if each is None else float(np.nanmean(np.square(each - observed))) for each in rebuilt]
    probes: list[float | None] = [None, None]
    if table.labels is not None:
        probes = list(probe(codes.numpy(), table.labels, split.train, split.test))
    moved = float((category != start).sum())
    return errors, [moved, *probes, frozen.report["topographic_similarity"]["quantized"], seconds]


def settings(table: RealTable, seed: int, model: dict[str, Any]) -> RunConfig:
    """A learnable job's, all else than the sizes by default."""
    sizes = {"categories": table.num_categories, "levels": [{"codebook_size": size} for size in SIZES]}
    training = {
        "validation_fraction": VALIDATION_FRACTION,
        "test_fraction": TEST_FRACTION,
        "seed": seed,
        "device": "cpu",
    }
    return RunConfig.from_dict({"model": sizes | model, "training": training})


def train(table: RealTable, config: RunConfig) -> TrainingRun:
    """A finished run."""
    names = tuple(f"f{number}" for number in range(table.values.shape[1]))
    run = TrainingRun.start(FeatureTable(table.values, names, {"all": names}), config)
    while not run.is_finished:
        run.train_epoch()
    return run


def probe(codes: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Accuracy of a linear probe and of trees that read the labels off one-hot tokens."""
    encoder = OneHotEncoder(handle_unknown="ignore").fit(codes[train])
    fitted, judged = encoder.transform(codes[train]), encoder.transform(codes[test])
    linear = LogisticRegression(max_iter=2000).fit(fitted, labels[train]).score(judged, labels[test])
    trees = ExtraTreesClassifier(200, random_state=0).fit(fitted, labels[train]).score(judged, labels[test])
    return float(linear), float(trees)


if __name__ == "__main__":
    main()
