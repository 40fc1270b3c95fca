"""How well the assignment is learnt on planted tables: `make bench-learning`.

The parts "large" and "default" measure time and memory: each is run alone, on two threads.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from benchmarks.planted import NOWHERE, PlantedTable, planted
from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.grouping.correlation import cluster_features
from catvq.training.run import TrainingRun

EPOCHS = 20  # enough for the model's gradient to spoil or mend what it starts from
CORRUPTED_FRACTION = 0.4
BASIC = ("plain", "shared_factor", "harmonic", "unequal")
ALL = (*BASIC, "unequal_shared", "duplicate", "parity", "xor", "volatility", "several")
HARDER: Mapping[str, Mapping[str, Any]] = {
    "mixed by 0.5": {"kind": "mixed", "mixing": 0.5},
    "mixed by 0.8": {"kind": "mixed", "mixing": 0.8},
    "two_homes": {"kind": "two_homes"},
} | {f"{kind}, 300 rows": {"kind": kind, "rows": 300} for kind in (*BASIC, "parity", "xor", "several")}
LARGE: Mapping[str, Any] = {"kind": "shared_factor", "rows": 100_000, "features": 500, "categories": 40}


def main() -> None:
    """Print a table for each part; agreements are adjusted Rand indices, the median (the worst)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(400, 410)))
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=[p for p in PARTS if p not in ALONE]
    )
    arguments = parser.parse_args()
    torch.set_num_threads(2 if set(arguments.parts) <= ALONE else 1)
    print(f"seeds {arguments.seeds}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for part in arguments.parts:
        print()
        for cells in PARTS[part](arguments.seeds):
            print("| " + " | ".join(cells) + " |", flush=True)


def starts(seeds: list[int]) -> Iterator[list[str]]:
    """Agreement with the planted categories from each start, their number given."""
    names = ("random", "corrupted", "default")
    yield from _header("table", "correlation clustering", *(f"{name} start" for name in names))
    for kind in ALL:
        tables = [planted(kind, seed=seed) for seed in seeds]
        clustered = [agreement(t, cluster_features(t.values, t.num_categories, seed=0)) for t in tables]
        cells = [
            _spread([learn(t, start=name, seed=s)[0] for t, s in zip(tables, seeds, strict=True)])
            if name == "default" or kind in BASIC
            else ""
            for name in names
        ]
        yield [kind, _spread(clustered), *cells]


def harder(seeds: list[int]) -> Iterator[list[str]]:
    """Agreement where hardly anything can be found, or there is more than one truth; number given."""
    yield from _header("table", "random start", "default start")
    for name, settings in HARDER.items():
        tables = [planted(seed=seed, **settings) for seed in seeds]
        found = [
            [learn(t, start=start, seed=s)[0] for t, s in zip(tables, seeds, strict=True)]
            for start in ("random", "default")
        ]
        yield [name, *map(_spread, found)]


def number(seeds: list[int]) -> Iterator[list[str]]:
    """Whether the right number of categories is found by itself."""
    yield from _header("table", "right number", "numbers found", "agreement")
    for kind in (*ALL, "one_category", "noise_only"):
        tables = [planted(kind, seed=seed) for seed in seeds]
        runs = [learn(t, categories="auto", seed=s) for t, s in zip(tables, seeds, strict=True)]
        found = [categories for _, categories in runs]
        right = sum(f == max(t.num_categories, 1) for f, t in zip(found, tables, strict=True))
        numbers = " ".join(map(str, sorted(set(found))))
        yield [kind, f"{right} of {len(seeds)}", numbers, _spread([value for value, _ in runs])]


def default(seeds: list[int]) -> Iterator[list[str]]:
    """Time of a job that says nothing, on 3,500 rows of 60 features, and of a static one of its size."""
    yield from _header("table", "agreement", "seconds", "seconds of static", "ratio")
    for kind in ("plain", "shared_factor", "harmonic", "several"):
        measured = []
        for seed in seeds:
            table = planted(kind, rows=3500, features=60, seed=seed)
            began = time.monotonic()
            found, categories = learn(table, categories="auto", seed=seed, epochs=None)
            between = time.monotonic()
            learn(table, start="static", categories=categories, seed=seed, epochs=None)
            measured.append((found, between - began, time.monotonic() - between))
        found, seconds, static = np.median(measured, axis=0)
        longest = max(each for _, each, _ in measured)
        cells = [f"{found:.3f}", f"{seconds:.1f} ({longest:.1f})", f"{static:.1f}", f"{seconds / static:.2f}"]
        yield [kind, *cells]


def large(seeds: list[int]) -> Iterator[list[str]]:
    """Time and memory of a large table, all settings but the number of categories the default ones."""
    yield from _header("rows x features", "categories", "agreement", "seconds", "peak memory of the process")
    for seed in seeds:
        table = planted(seed=seed, **LARGE)
        started = time.monotonic()
        found, categories = learn(table, seed=seed, epochs=None)
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        shape = " x ".join(f"{count:,}" for count in table.values.shape)
        yield [shape, str(categories), f"{found:.3f}", f"{seconds:.0f}", f"{peak:.1f} GiB"]


PARTS = {"starts": starts, "number": number, "harder": harder, "default": default, "large": large}
ALONE = {"default", "large"}


def learn(
    table: PlantedTable,
    *,
    seed: int,
    start: str = "default",
    estimator: str = "auto",
    categories: int | str | None = None,
    epochs: int | None = EPOCHS,
) -> tuple[float, int]:
    """Train, and return the agreement with the planted categories and the number of categories."""
    names = tuple(f"f{i}" for i in range(table.values.shape[1]))
    config = RunConfig.from_dict(
        {
            "model": {"categories": categories or table.num_categories},
            "assignment": {"estimator": estimator}
            | {
                "random": {"init": "random"},
                "corrupted": {"init": "user", "groups": corrupted(table, seed)},
                "default": {},
                "static": {"mode": "static"},
            }[start],
            "training": {"seed": seed} | ({"epochs": epochs} if epochs else {}),
        }
    )
    run = TrainingRun.start(FeatureTable(table.values, names, {"all": names}), config)
    while not run.is_finished:
        run.train_epoch()
    return agreement(table, run.soft_assignment().argmax(axis=1)), len(run.category_names)


def corrupted(table: PlantedTable, seed: int) -> dict[str, tuple[str, ...]]:
    """The planted groups with a part of the features put into random ones."""
    generator = np.random.default_rng([seed, 1])
    drawn = generator.integers(max(table.num_categories, 1), size=len(table.category))
    is_drawn = (generator.random(len(drawn)) < CORRUPTED_FRACTION) | (table.category == NOWHERE)
    category = np.where(is_drawn, drawn, table.category)
    return {f"group_{g}": tuple(f"f{i}" for i in np.flatnonzero(category == g)) for g in np.unique(category)}


def agreement(table: PlantedTable, category: NDArray[np.int64]) -> float:
    """Adjusted Rand index with the planted categories, features that belong to nothing left out."""
    is_planted = table.category != NOWHERE
    return float(adjusted_rand_score(table.category[is_planted], category[is_planted]))


def _spread(values: list[float]) -> str:
    return f"{np.median(values):.3f} ({min(values):.3f})"


def _header(*names: str) -> Iterator[list[str]]:
    yield list(names)
    yield ["---"] * len(names)


if __name__ == "__main__":
    main()
