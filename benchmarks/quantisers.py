"""What a user would quantise a table with instead, at so many bits a row.

All take standardised rows, and return the mean squared error of the test rows, in units of the features'
variance.

Letters: N rows, D features, L levels, K codes of a codebook.
"""

from collections.abc import Sequence

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

BEAM = 8
RIDGE = 0.02  # of a feature's variance
MAX_SCALAR_BITS = 8  # of one principal component

Rows = NDArray[np.float32]


def residual_k_means(
    train: Rows, test: Rows, groups: Sequence[NDArray[np.int64]], *, levels: int, codes: int
) -> float:
    """Residual k-means in each group, then ridge regression of all features on all codes."""
    quantised, encoded = np.zeros_like(train), np.zeros_like(test)
    for group in groups:
        books = _residual_books(train[:, group], levels, codes)
        quantised[:, group], encoded[:, group] = (
            _nearest_sums(rows[:, group], books) for rows in (train, test)
        )
    moments = quantised.T @ quantised + RIDGE * len(train) * np.eye(train.shape[1])
    weights = np.linalg.solve(moments, quantised.T @ (train - quantised))
    return _error(encoded + encoded @ weights, test)


def principal_components(train: Rows, test: Rows, *, bits: int) -> float:
    """Principal components, each with a scalar codebook; each bit goes where most variance is left."""
    centre = train.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(train.T))
    spent, left = np.zeros(len(variances), dtype=np.int64), variances.clip(min=1e-12)
    for _ in range(bits):
        best = int(np.where(spent < MAX_SCALAR_BITS, left, 0).argmax())
        spent[best] += 1
        left[best] /= 4
    fitted, scores = (train - centre) @ directions, (test - centre) @ directions
    rebuilt = np.zeros_like(scores)
    for component in np.flatnonzero(spent):
        own = fitted[:, [component]]
        number = min(2 ** int(spent[component]), len(np.unique(own)))
        means = KMeans(number, n_init=1, random_state=0).fit(own)
        rebuilt[:, component] = means.cluster_centers_[means.predict(scores[:, [component]]), 0]
    return _error(rebuilt @ directions.T + centre, test)


def faiss_residual(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> float:
    """Faiss's residual quantiser of whole rows."""
    quantiser = faiss.ResidualQuantizer(train.shape[1], tokens, bits_of_token)
    quantiser.train(np.ascontiguousarray(train))
    return _error(quantiser.decode(quantiser.compute_codes(np.ascontiguousarray(test))), test)


def faiss_product(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> float | None:
    """Faiss's optimised product quantiser of whole rows; None where it has too few rows to be trained."""
    width = -(-train.shape[1] // tokens) * tokens
    if len(train) < 256:  # its rotation is trained with codebooks of that size
        return None
    rotation = faiss.OPQMatrix(train.shape[1], tokens, width)
    rotation.train(np.ascontiguousarray(train))
    quantiser = faiss.ProductQuantizer(width, tokens, bits_of_token)
    quantiser.train(rotation.apply(np.ascontiguousarray(train)))
    codes = quantiser.compute_codes(rotation.apply(np.ascontiguousarray(test)))
    return _error(rotation.reverse_transform(quantiser.decode(codes)), test)


def _residual_books(rows: Rows, levels: int, codes: int) -> list[Rows]:
    books, rest = [], rows.astype(np.float32).copy()
    for level in range(levels):
        number = min(codes, len(np.unique(rest, axis=0)))
        means = KMeans(number, n_init=1, random_state=level, max_iter=50).fit(rest)
        books.append(means.cluster_centers_)
        rest -= means.cluster_centers_[means.labels_]
    return books


def _nearest_sums(rows: Rows, books: Sequence[Rows]) -> Rows:
    sums = np.zeros((len(rows), 1, rows.shape[1]), dtype=np.float32)
    for book in books:
        further = sums[:, :, None] + book
        errors = ((rows[:, None, None] - further) ** 2).sum(axis=3).reshape(len(rows), -1)
        best = np.argsort(errors, axis=1, kind="stable")[:, :BEAM]
        sums = np.take_along_axis(further.reshape(len(rows), -1, rows.shape[1]), best[:, :, None], axis=1)
    return sums[:, 0]


def _error(rebuilt: Rows, test: Rows) -> float:
    return float(np.square(rebuilt - test).mean())
