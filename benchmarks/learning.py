"""How well the assignment is learnt on planted tables, from bad starts: `make bench-learning`."""

import argparse
import time

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from benchmarks.planted import NOWHERE, PlantedTable, planted
from catvq.clustering import cluster_features
from catvq.config import RunConfig
from catvq.table import FeatureTable
from catvq.training import TrainingRun

KINDS = ("plain", "shared_factor", "harmonic", "unequal")
STARTS = ("random", "corrupted")
CORRUPTED_FRACTION = 0.4
EPOCHS = 10  # the search takes its own steps; these only let the model's gradient spoil or mend its finding


def main() -> None:
    """Print one table: adjusted Rand index with the planted categories, medians and worst over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[200, 201, 202, 203, 204])
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    print(f"4,000 rows, number of categories given, seeds {seeds}, one thread, torch {torch.__version__}\n")
    print(
        "| kind | correlation clustering | " + " | ".join(f"{s} start: median (worst)" for s in STARTS) + " |"
    )
    print("|---|---|" + "---|" * len(STARTS))
    started = time.process_time()
    for kind in KINDS:
        tables = [planted(kind, seed=seed) for seed in seeds]
        clustered = [agreement(t, cluster_features(t.values, t.num_categories, seed=0)) for t in tables]
        cells = [f"{np.median(clustered):.2f} ({min(clustered):.2f})"]
        for start in STARTS:
            found = [agreement(t, learn(t, start, seed)) for t, seed in zip(tables, seeds, strict=True)]
            cells.append(f"{np.median(found):.3f} ({min(found):.3f})")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)
    runs = len(KINDS) * len(STARTS) * len(seeds)
    print(f"\n{runs} runs, {(time.process_time() - started) / runs:.0f} s of CPU each")


def learn(table: PlantedTable, start: str, seed: int) -> np.ndarray:
    """Category of each feature, int64 [D], after a run from a bad start."""
    names = tuple(f"f{i}" for i in range(table.values.shape[1]))
    assignment = (
        {"init": "random"} if start == "random" else {"init": "user", "groups": corrupted(table, seed)}
    )
    config = RunConfig.from_dict(
        {
            "model": {"categories": table.num_categories},
            "assignment": {"estimator": "mirror", **assignment},
            "training": {"epochs": EPOCHS, "seed": seed},
        }
    )
    run = TrainingRun.start(FeatureTable(table.values, names, {"all": names}), config)
    while not run.is_finished:
        run.train_epoch()
    return run.soft_assignment().argmax(axis=1)


def corrupted(table: PlantedTable, seed: int) -> dict[str, tuple[str, ...]]:
    """The planted groups with a part of the features put into random ones."""
    generator = np.random.default_rng([seed, 1])
    drawn = generator.integers(table.num_categories, size=len(table.category))
    is_drawn = (generator.random(len(drawn)) < CORRUPTED_FRACTION) | (table.category == NOWHERE)
    category = np.where(is_drawn, drawn, table.category)
    return {
        f"group_{g}": tuple(f"f{i}" for i in np.flatnonzero(category == g))
        for g in range(table.num_categories)
    }


def agreement(table: PlantedTable, category: np.ndarray) -> float:
    """Adjusted Rand index with the planted categories, noise features left out."""
    is_planted = table.category != NOWHERE
    return float(adjusted_rand_score(table.category[is_planted], category[is_planted]))


if __name__ == "__main__":
    main()
