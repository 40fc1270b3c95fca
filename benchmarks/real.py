"""Learnt groupings against the usual ones on real tables: `make bench-real`.

All models of a table have the same number of categories, levels and codes, so the same bits a row, and are
compared on the same test rows. The usual groupings are trained in static mode.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch

from benchmarks.real_tables import REAL_TABLES, RealTable
from catvq.config import RunConfig
from catvq.features.split import split_rows
from catvq.features.table import FeatureTable
from catvq.grouping.baselines import GROUPING_METHODS, group_within
from catvq.training.run import TrainingRun

CODEBOOK_SIZE = 32
VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2
BASELINES = tuple(name for name in GROUPING_METHODS if name != "dependence")


def main() -> None:
    """Print one row per table: mean test errors over the seeds, and the learnt one against the best other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[300, 301, 302, 303, 304])
    parser.add_argument("--tables", nargs="+", default=list(REAL_TABLES), choices=list(REAL_TABLES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"seeds {arguments.seeds}, {CODEBOOK_SIZE} codes a stream, 3 levels, torch {torch.__version__}\n")
    print(
        "| table | rows x features | G | " + " | ".join(BASELINES) + " | learnt | against the best | time |"
    )
    print("|---|" + "---|" * (len(BASELINES) + 5))
    for name in arguments.tables:
        table = REAL_TABLES[name]()
        measured = np.array([errors(table, seed) for seed in arguments.seeds])  # [seeds, methods, 2]
        means, seconds = measured[:, :, 0].mean(axis=0), measured[:, :, 1].mean(axis=0)
        shape = " x ".join(map(str, table.values.shape))
        cells = " | ".join(f"{error:.4f}" for error in means)
        change = means[-1] / means[:-1].min() - 1
        ratio = seconds[-1] / seconds[:-1].mean()
        row = f"| {name} | {shape} | {table.num_categories} | {cells} | {change:+.1%} | {ratio:.1f}x |"
        print(row, flush=True)


def errors(table: RealTable, seed: int, *, epochs: int | None = None) -> list[tuple[float, float]]:
    """Test error and seconds of every baseline, and of the learnt model last."""
    assignments: list[dict[str, Any]] = [
        {"mode": "static", "init": "user", "groups": _groups(table, seed, method)} for method in BASELINES
    ]
    return [train(table, seed, assignment, epochs=epochs) for assignment in (*assignments, {})]


def train(
    table: RealTable, seed: int, assignment: dict[str, Any], *, epochs: int | None = None
) -> tuple[float, float]:
    """Train one model with the given settings of the assignment; its test error, and seconds of CPU."""
    started = time.process_time()
    run = _start(table, seed, assignment, epochs)
    while not run.is_finished:
        run.train_epoch()
    seconds = time.process_time() - started
    return run.freeze().report["reconstruction_error"]["test"], seconds


def _groups(table: RealTable, seed: int, method: str) -> dict[str, tuple[str, ...]]:
    """Group the features by a method that sees the training rows only."""
    run = _start(table, seed, {"mode": "static", "init": "random"}, None)
    rows = run.cleaner.normalize(table.values[split_rows(run.config.training, len(table.values)).train])
    allowed = np.ones((rows.shape[1], table.num_categories), dtype=bool)
    one_hot = np.eye(table.num_categories, dtype=np.float32)[group_within(method, rows, allowed, seed=seed)]
    category = run.categories.expand(one_hot, run.cleaner).argmax(axis=1)
    return {f"group_{g}": tuple(f"f{i}" for i in np.flatnonzero(category == g)) for g in np.unique(category)}


def _start(table: RealTable, seed: int, assignment: dict[str, Any], epochs: int | None) -> TrainingRun:
    names = tuple(f"f{i}" for i in range(table.values.shape[1]))
    training = {"seed": seed, "validation_fraction": VALIDATION_FRACTION, "test_fraction": TEST_FRACTION}
    config = RunConfig.from_dict(
        {
            "model": {"categories": table.num_categories, "codebook_size": CODEBOOK_SIZE},
            "assignment": assignment,
            "training": training | ({"epochs": epochs} if epochs else {}),
        }
    )
    return TrainingRun.start(FeatureTable(table.values, names, {"all": names}), config)


if __name__ == "__main__":
    main()
