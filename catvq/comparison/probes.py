"""Probes: how well a model's codes tell labels that it was never trained on.

Shapes: N rows, S streams.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from catvq.compared import Probe
from catvq.errors import Interrupted
from catvq.features.split import RowSplit

MAX_VALUES = 20  # a key with more is a name, not a label
MAX_ROWS = 2000  # of either side, to bound the time of a probe, which cannot be stopped
MAX_ITERATIONS = 300  # of the linear probe
TREES = 100


def probe_labels(
    codes: NDArray[np.int64],
    decoded: NDArray[np.float32],
    labels: Mapping[str, NDArray[np.object_]],
    split: RowSplit,
    *,
    should_stop: Callable[[], bool],
) -> list[Probe]:
    """Fit probes to one-hot codes and to decoded rows of training rows, and count their hits on test rows.

    Codes are names: a linear probe of few rows cannot learn what each of hundreds means, while decoded rows
    tell it what their codes say.

    Args:
        codes: int64 [N, S].
        decoded: Rows decoded from them, normalised, float32 [N, columns].
        labels: Text [N] by name, None where missing; those with one value or too many are left out.
        split: Of the rows.
        should_stop: Polled before each label.

    Returns:
        One for each label that is not left out.

    Raises:
        Interrupted: `should_stop` returned true.
    """
    found = []
    for name, cells in labels.items():
        if should_stop():
            raise Interrupted("stopped during the comparison")
        is_known = np.array([cell is not None for cell in cells])
        train, test = (rows[is_known[rows]][:MAX_ROWS] for rows in (split.train, split.test))
        fitted, judged = cells[train].astype(str), cells[test].astype(str)
        values, counts = np.unique(fitted, return_counts=True)
        if not 2 <= len(values) <= MAX_VALUES or not len(test):
            continue
        encoder = OneHotEncoder(handle_unknown="ignore").fit(codes[train])
        inputs, held_out = encoder.transform(codes[train]), encoder.transform(codes[test])
        linear = LogisticRegression(max_iter=MAX_ITERATIONS).fit(inputs, fitted)
        rebuilt = LogisticRegression(max_iter=MAX_ITERATIONS).fit(decoded[train], fitted)
        trees = ExtraTreesClassifier(TREES, random_state=0).fit(inputs, fitted)
        found.append(
            Probe(
                key=name,
                linear=float(linear.score(held_out, judged)),
                decoded=float(rebuilt.score(decoded[test], judged)),
                trees=float(trees.score(held_out, judged)),
                commonest=float((judged == values[counts.argmax()]).mean()),
            )
        )
    return found
