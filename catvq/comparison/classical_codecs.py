"""Classical quantisers as baselines for a model's codes: residual k-means, principal components.

Shapes: N training rows, B test rows, D features, K codebook size.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

BEAM = 8  # width of the beam search over levels
RIDGE = 0.02  # relative to a feature's variance
MAX_SCALAR_BITS = 8  # per principal component
MAX_ITERATIONS = 30  # of k-means

Rows = NDArray[np.float32]


def residual_k_means(
    train: Rows, test: Rows, groups: Sequence[NDArray[np.int64]], *, codes: Sequence[int], seed: int
) -> Rows:
    """Quantise by residual k-means in each group of features, then one ridge regression of all features.

    Args:
        train: float32 [N, D], standardised.
        test: float32 [B, D].
        groups: Features of each group.
        codes: K of each level, the same in every group.
        seed: Seed of k-means.

    Returns:
        The test rows after quantisation, [B, D].
    """
    quantised, encoded = np.zeros_like(train), np.zeros_like(test)
    for group in groups:
        books = _residual_books(train[:, group], codes, seed)
        quantised[:, group] = _nearest_sums(train[:, group], books)
        encoded[:, group] = _nearest_sums(test[:, group], books)
    moments = quantised.T @ quantised + RIDGE * len(train) * np.eye(train.shape[1])
    weights = np.linalg.solve(moments, quantised.T @ (train - quantised))
    return (encoded + encoded @ weights).astype(np.float32)


def principal_components(train: Rows, test: Rows, *, bits: int, seed: int) -> Rows:
    """Quantise principal components by scalar codebooks; each bit goes to the largest remaining variance.

    Args:
        train: float32 [N, D], standardised.
        test: float32 [B, D].
        bits: Bits per row.
        seed: Seed of k-means.

    Returns:
        The test rows after quantisation, [B, D].
    """
    centre = train.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(train.T).reshape(train.shape[1], -1))
    spent, left = np.zeros(len(variances), dtype=np.int64), variances.clip(min=1e-12)
    for _ in range(min(bits, MAX_SCALAR_BITS * len(variances))):
        best = int(np.where(spent < MAX_SCALAR_BITS, left, 0).argmax())
        spent[best] += 1
        left[best] /= 4
    directions = directions.astype(np.float32)
    fitted, scores = (train - centre) @ directions, (test - centre) @ directions
    rebuilt = np.zeros_like(scores)
    for component in np.flatnonzero(spent):
        means = _k_means(fitted[:, [component]], 2 ** int(spent[component]), seed)
        rebuilt[:, component] = means.cluster_centers_[means.predict(scores[:, [component]]), 0]
    decoded: Rows = rebuilt @ directions.T + centre
    return decoded


def _residual_books(rows: Rows, codes: Sequence[int], seed: int) -> list[Rows]:
    """Fit codebooks, each on the residuals of the ones before."""
    books, rest = [], rows.copy()
    for size in codes:
        means = _k_means(rest, size, seed)
        books.append(means.cluster_centers_)
        rest -= means.cluster_centers_[means.labels_]
    return books


def _nearest_sums(rows: Rows, books: Sequence[Rows]) -> Rows:
    """Approximate the nearest sum of one code from each book, by beam search."""
    sums = np.zeros((len(rows), 1, rows.shape[1]), dtype=np.float32)
    for book in books:
        rest = rows[:, None] - sums
        errors = np.square(rest).sum(axis=2)[:, :, None] - 2 * rest @ book.T + np.square(book).sum(axis=1)
        errors = errors.reshape(len(rows), -1)
        best = np.argsort(errors, axis=1, kind="stable")[:, :BEAM]
        parents = np.take_along_axis(sums, (best // len(book))[:, :, None], axis=1)
        sums = parents + book[best % len(book)]
    return sums[:, 0]


def _k_means(rows: Rows, codes: int, seed: int) -> KMeans:
    means = KMeans(min(codes, len(rows)), n_init=1, max_iter=MAX_ITERATIONS, random_state=seed)
    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # few distinct rows
        return means.fit(rows.astype(np.float32))
