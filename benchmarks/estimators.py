"""The estimators of the assignment's gradient side by side: `make bench-estimators`.

On planted tables, from a start with 40% of the features in a random category: the adjusted Rand index with
the planted categories. On real tables, from random groups: the test error, as in `benchmarks.real`.
"""

import argparse

import numpy as np
import torch

from benchmarks.learning import learn
from benchmarks.planted import planted
from benchmarks.real import train
from benchmarks.real_tables import REAL_TABLES

ESTIMATORS = ("static", "mirror", "softmax", "gumbel", "straight_through", "reinmax", "sinkhorn")
PLANTED = ("plain", "harmonic")
REAL = ("breast_cancer", "segments")


def main() -> None:
    """Print one row for each estimator; medians and worst of agreements, means of errors and seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[420, 421, 422])
    parser.add_argument("--estimators", nargs="+", default=list(ESTIMATORS), choices=list(ESTIMATORS))
    arguments = parser.parse_args()
    seeds = arguments.seeds
    torch.set_num_threads(1)
    print(f"seeds {seeds}, default epochs, one thread, torch {torch.__version__}\n")
    print("| estimator | " + " | ".join((*PLANTED, *REAL)) + " | seconds, " + REAL[0] + " |")
    print("|---|" + "---|" * (len(PLANTED) + len(REAL) + 1))
    tables = {name: REAL_TABLES[name]() for name in REAL}
    for estimator in arguments.estimators:
        agreements = [
            [
                learn(planted(kind, seed=s), seed=s, start="corrupted", estimator=estimator, epochs=None)[0]
                for s in seeds
            ]
            for kind in (PLANTED if estimator != "static" else ())
        ]
        assignment = {"mode": "static"} if estimator == "static" else {"estimator": estimator}
        measured = [
            np.mean([train(table, seed, assignment | {"init": "random"}) for seed in seeds], axis=0)
            for table in tables.values()
        ]
        cells = [f"{np.median(found):.3f} ({min(found):.3f})" for found in agreements] or [""] * len(PLANTED)
        cells += [f"{error:.4f}" for error, _ in measured]
        print(f"| {estimator} | " + " | ".join(cells) + f" | {measured[0][1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
