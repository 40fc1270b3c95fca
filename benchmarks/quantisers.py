"""Quantisers of whole rows by faiss, at so many codes a row.

All are fitted to standardised rows, and return the test rows after quantisation.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 256  # a product quantiser's rotation is trained with codebooks of that size

Rows = NDArray[np.float32]


def faiss_residual(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> Rows:
    """Faiss's residual quantiser."""
    quantiser = faiss.ResidualQuantizer(train.shape[1], tokens, bits_of_token)
    quantiser.cp.min_points_per_centroid = 1  # it would warn of each codebook
    quantiser.train(np.ascontiguousarray(train))
    rebuilt: Rows = quantiser.decode(quantiser.compute_codes(np.ascontiguousarray(test)))
    return rebuilt


def faiss_product(train: Rows, test: Rows, *, tokens: int, bits_of_token: int) -> Rows | None:
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
    rebuilt: Rows = rotation.reverse_transform(quantiser.decode(codes))
    return rebuilt
