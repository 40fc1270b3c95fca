"""Linear probes that read a class off codes, off features, and off principal components of as many bits.

Balanced accuracy (chance is 1 / classes) over five folds. Features are imputed with their mean and scaled;
categorical ones are one-hot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from catvq_client.records.models import Model
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDS = 5


@dataclass(frozen=True)
class ClassProbes:
    """Balanced accuracies of one table.

    Args:
        codes: Of a probe on one-hot codes.
        components: On one-hot quantiles of principal components: as many tokens of the same sizes.
        features: On the features themselves, of any number of bits.
    """

    codes: float
    components: float
    features: float


def probe_classes(model: Model, codes: NDArray[np.int64], frame: pd.DataFrame, label: str) -> ClassProbes:
    """Read a column of a table off codes of its rows, and off what the codes are made from."""
    labels = frame[label].astype(str).to_numpy()
    is_there = frame[label].notna().to_numpy()
    features = _expand(model, frame)
    sizes = [size for levels in model.codebook_size for size in levels]
    one_hot = OneHotEncoder(handle_unknown="ignore")
    tokens = {"codes": codes, "components": _component_tokens(features, sizes)}
    probed = {
        name: _score(
            make_pipeline(one_hot, LogisticRegression(max_iter=500)), cells[is_there], labels[is_there]
        )
        for name, cells in tokens.items()
    }
    plain = LogisticRegression(max_iter=500)
    return ClassProbes(**probed, features=_score(plain, features[is_there], labels[is_there]))


def _score(probe: Any, cells: NDArray[Any], labels: NDArray[Any]) -> float:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(probe, cells, labels, cv=folds, scoring="balanced_accuracy").mean())


def _expand(model: Model, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return numbers scaled, and an indicator for each value of a categorical feature."""
    columns = []
    for name, values in zip(model.features, model.document()["values"], strict=True):
        if values is None:
            numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
            numbers = np.where(np.isnan(numbers), np.nanmean(numbers), numbers)
            columns.append(numbers[:, None])
        else:
            columns.append((frame[name].astype(str).to_numpy()[:, None] == np.array(values)).astype(float))
    return StandardScaler().fit_transform(np.concatenate(columns, axis=1))


def _component_tokens(features: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Cut principal components into quantiles: the first into as many as the largest codebook has, ..."""
    width = min(len(sizes), *features.shape)
    components = PCA(width, random_state=0).fit_transform(features)
    tokens = [
        np.searchsorted(np.quantile(component, np.arange(1, size) / size), component)
        for component, size in zip(components.T, sorted(sizes, reverse=True), strict=False)
    ]
    return np.stack(tokens, axis=1)
