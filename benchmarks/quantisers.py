"""Quantisers of whole rows by faiss, at so many codes a row; their error on held-out rows.

All take standardised rows, and return the mean squared error of the test rows, in units of the features'
variance.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 256  # a product quantiser's rotation is trained with codebooks of that size

Rows = NDArray[np.float32]


def faiss_residual(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> float:
    """Faiss's residual quantiser."""
    quantiser = faiss.ResidualQuantizer(train.shape[1], tokens, bits_of_token)
    quantiser.cp.min_points_per_centroid = 1  # it would warn of each codebook
    quantiser.train(np.ascontiguousarray(train))
    return _error(quantiser.decode(quantiser.compute_codes(np.ascontiguousarray(test))), test)


def faiss_product(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> float | None:
    """Faiss's optimised product quantiser; None where it has too few rows to be trained."""
    if len(train) < LEAST_ROWS:
        return None
    width = -(-train.shape[1] // tokens) * tokens
    rotation, inner = faiss.OPQMatrix(train.shape[1], tokens, width), faiss.ProductQuantizer(width, tokens, 8)
    inner.cp.min_points_per_centroid = 1
    rotation.pq = inner
    rotation.train(np.ascontiguousarray(train))
    quantiser = faiss.ProductQuantizer(width, tokens, bits_of_token)
    quantiser.cp.min_points_per_centroid = 1
    quantiser.train(rotation.apply(np.ascontiguousarray(train)))
    codes = quantiser.compute_codes(rotation.apply(np.ascontiguousarray(test)))
    return _error(rotation.reverse_transform(quantiser.decode(codes)), test)


def _error(rebuilt: Rows, test: Rows) -> float:
    return float(np.square(rebuilt - test).mean())
