"""Squared partial correlations between expanded features.

A factor common to many features makes all of them correlate; given all other features, only those of one
category still do. Letters: N rows, D features, K functions of each feature, P = D K columns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import chdtrc, erfc

from catvq.dependence.available import Presence
from catvq.dependence.heavy_tails import tempered

# Standard deviations above its null mean from which a squared partial correlation counts. Low, because the
# evidence for a category is the sum over many pairs, each of which may be weak: a cut at the significance of
# single pairs gave an ARI of 0.1 on 300 rows with a shared factor, this one 1.0.
CUT_IN_DEVIATIONS = 1.0
# Factor of the ridge for rows that pairs lack. Correlations computed on different rows are inconsistent, and
# the inverse amplifies that. With half of all values missing in panels across eight features of each
# category, the separation was 0.4 with a factor of 1, and 0.92 with 10.
RIDGE_OF_GAPS = 10
LEAST_EIGENVALUE = (
    0.01  # of a feature's functions; below it they are linearly dependent (few distinct values)
)


@dataclass(frozen=True)
class FeatureBlocks:
    """Functions of each feature: centred, unit variance, uncorrelated within the feature.

    Attributes:
        columns: float32 [N, D, K], zero where a feature has fewer functions, and where its value is missing.
        rank: int64 [D], number of functions of each feature, from 0 (it is constant) to K.
    """

    columns: NDArray[np.float32]
    rank: NDArray[np.int64]


@dataclass(frozen=True)
class PairEvidence:
    """Evidence for dependence of each pair of features, [D, D], symmetric, diagonal 0.

    Attributes:
        strength: Squared partial correlation above the cut, 0 or more.
        surprise: Minus the logarithm of the p-value; under independence it follows Exp(1), or is smaller.
    """

    strength: NDArray[np.float64]
    surprise: NDArray[np.float64]


def whitened(functions: NDArray[np.float32], presence: Presence | None = None) -> FeatureBlocks:
    """Decorrelate the functions of each feature, [N, D, K]; directions that hardly vary become zero.

    Only rows in which the feature is present are used; in others its functions are 0.
    """
    if presence is None:
        columns = functions - functions.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = np.full((1, 1, 1), len(columns), dtype=np.float32)
    else:
        is_there = presence.cells[:, :, None]
        own = np.maximum(np.diag(presence.rows), 1)
        mean = functions.sum(axis=0, dtype=np.float64, where=is_there) / own[:, None]
        columns = np.where(is_there, functions - mean.astype(np.float32), 0)
        rows = own.astype(np.float32)[:, None, None]
    blocks = np.ascontiguousarray(columns.transpose(1, 0, 2))  # [D, N, K]
    values, vectors = np.linalg.eigh(blocks.transpose(0, 2, 1) @ blocks / rows)
    is_kept = values > LEAST_EIGENVALUE
    scale = np.where(is_kept, 1 / np.sqrt(np.where(is_kept, values, 1)), 0)
    blocks = blocks @ (vectors * scale[:, None, :]).astype(np.float32)
    return FeatureBlocks(blocks.transpose(1, 0, 2), is_kept.sum(axis=1))


def conditional_evidence(
    blocks: FeatureBlocks, kurtosis: NDArray[np.float64], presence: Presence | None = None
) -> PairEvidence:
    """Squared partial correlations between the blocks of two features, given all other features.

    With P = (R + ridge I)^-1 the precision of all columns and P_ij its K x K blocks, the statistic is
    |P_ii^-1/2 P_ij P_jj^-1/2|^2 (Frobenius). The ridge is P / N. Under independence it is `null_variance`
    times a chi-squared variable with as many degrees of freedom as the pair has products of functions; where
    both features hardly ever take more than one value, its tail is heavier, and the surprise allows for it.

    Args:
        blocks: Functions of the features.
        kurtosis: Of each feature's rank scores, [D], see `rank_scores.rank_kurtosis`.
        presence: Given if values are missing. N is then that of a typical pair, and the variance is measured
            on shuffled values; it is larger for pairs with fewer common rows.
    """
    length, count, _ = blocks.columns.shape
    functions = max(int(blocks.rank.sum()), 1)
    freedom = np.outer(blocks.rank, blocks.rank).astype(np.float64)
    if presence is None:
        rows: float = length
        ridge = functions / rows
        statistic = _squared_partials(blocks.columns, ridge, None)
        variance = null_variance(functions * (count - 1) / count, rows, ridge)
    else:
        rows = presence.typical_rows
        ridge = functions * (1 / length + RIDGE_OF_GAPS * (1 / rows - 1 / length))
        weight = presence.rows / rows
        statistic = weight * _squared_partials(blocks.columns, ridge, presence)
        by_chance = weight * _squared_partials(presence.shuffled(blocks.columns), ridge, presence)
        pairs = np.triu_indices(count, 1)
        variance = float(by_chance[pairs].sum() / max(freedom[pairs].sum(), 1))
    found = _against_chance(statistic / variance, freedom, kurtosis, rows)
    return PairEvidence(variance * found.strength, found.surprise)


def marginal_strength(
    blocks: FeatureBlocks, kurtosis: NDArray[np.float64], presence: Presence | None = None
) -> NDArray[np.float64]:
    """Squared marginal correlations between the blocks of two features above the cut, [D, D].

    As in `conditional_evidence`, with the correlation itself in place of its inverse.
    """
    length, count, width = blocks.columns.shape
    flat = blocks.columns.reshape(length, count * width)
    if presence is None:
        correlation = (flat.T @ flat).astype(np.float64) / length
        rows: NDArray[np.float64] | int = length
    else:
        correlation, rows = presence.correlation(flat), presence.rows
    squares = np.square(correlation).reshape(count, width, count, width).sum(axis=(1, 3))
    freedom = np.outer(blocks.rank, blocks.rank).astype(np.float64)
    typical = length if presence is None else presence.typical_rows
    return _against_chance(squares * rows, freedom, kurtosis, typical).strength / typical


def _squared_partials(
    columns: NDArray[np.float32], ridge: float, presence: Presence | None
) -> NDArray[np.float64]:
    """Sum of the squared partial correlations of each two features' functions [N, D, K], [D, D]."""
    rows, count, width = columns.shape
    flat = columns.reshape(rows, count * width)
    if presence is None:
        correlation = (flat.T @ flat).astype(np.float64) / rows
    else:
        correlation = presence.correlation(flat)
    # Missing functions are zero columns: they are isolated and contribute to no pair.
    correlation[np.diag_indices_from(correlation)] = 1 + ridge
    precision = inverse(correlation).reshape(count, width, count, width)
    own = precision[np.arange(count), :, np.arange(count), :]
    values, vectors = np.linalg.eigh(own)
    root = (vectors / np.sqrt(values)[:, None, :]) @ vectors.transpose(0, 2, 1)  # P_ii^-1/2
    # The precision is symmetric, so its transpose is used where the roots multiply from the right.
    by_feature = (count, width, count * width)
    half = (root @ precision.reshape(by_feature)).reshape(count * width, -1).T
    whole = (root @ half.reshape(by_feature)).reshape(count, width, count, width)
    return np.asarray(np.square(whole).sum(axis=(1, 3)))


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a positive definite matrix, during which other threads run (unlike with scipy's)."""
    found: NDArray[np.float64] = torch.cholesky_inverse(
        torch.linalg.cholesky(torch.from_numpy(matrix))
    ).numpy()
    return found


def null_variance(others: float, rows: float, ridge: float) -> float:
    """Variance of one normalised entry of the ridge precision of independent columns.

    With m1 and m2 the mean of 1 / (x + ridge) and of its square over the eigenvalues x of a sample
    correlation matrix, the squares of a row of the precision add up to m2. All but m1^2 of it is spread
    over the columns of other features: (m2 / m1^2 - 1) / others, written without differences of nearly
    equal numbers.

    Source: Marchenko and Pastur 1967 for the eigenvalues; m1 is their Stieltjes transform at -ridge,
    m2 minus its derivative by the ridge.

    Args:
        others: Columns of other features, at least 1.
        rows: N.
        ridge: Above 0.
    """
    ratio = others / rows
    root = np.sqrt((1 - ratio + ridge) ** 2 + 4 * ratio * ridge)
    return float(2 / (rows * root * (root + 1 + ratio + ridge)))


def _against_chance(
    statistic: NDArray[np.float64], freedom: NDArray[np.float64], kurtosis: NDArray[np.float64], rows: float
) -> PairEvidence:
    """Compare statistics, in units of their variance, with chi-squared variables, one per pair."""
    pairs = np.triu_indices(len(statistic), 1)
    of_pair, degrees = (statistic[pairs] + statistic.T[pairs]) / 2, freedom[pairs]
    excess = np.maximum(of_pair - degrees, 0)
    tail = tempered(excess, kurtosis[pairs[0]] * kurtosis[pairs[1]], rows=rows)
    p_value = _upper_tail(of_pair - excess + tail, degrees)
    surprise = np.where(degrees > 0, -np.log(np.maximum(p_value, np.finfo(np.float64).tiny)), 0)
    strength = np.where(degrees > 0, np.maximum(excess - CUT_IN_DEVIATIONS * np.sqrt(2 * degrees), 0), 0)
    return PairEvidence(_symmetric(strength, pairs), _symmetric(surprise, pairs))


def _upper_tail(statistic: NDArray[np.float64], degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Survival function of chi-squared variables with at least one degree of freedom.

    With one degree it is that of a squared normal variable, which is 70 times faster to compute.
    """
    found: NDArray[np.float64] = erfc(np.sqrt(statistic / 2))
    has_more = degrees > 1
    found[has_more] = chdtrc(degrees[has_more], statistic[has_more])
    return found


def _symmetric(values: NDArray[np.float64], pairs: tuple[NDArray[np.int64], ...]) -> NDArray[np.float64]:
    """Return a symmetric matrix with a value for each pair and a zero diagonal."""
    count = 1 + int(pairs[1].max(initial=0))
    matrix = np.zeros((count, count))
    matrix[pairs] = values
    return matrix + matrix.T
