"""Corrects the significance of means of heavy-tailed products.

Letters: N rows.
"""

import numpy as np
from numpy.typing import NDArray

NORMAL_KURTOSIS = 3


def tempered(
    squares: NDArray[np.float64], kurtosis: NDArray[np.float64], *, rows: float
) -> NDArray[np.float64]:
    """Reduce squared deviations to those of a normal variable with the same p-value, same shape.

    A mean of N products with kurtosis k has an excess kurtosis of b^2 = (k - 3) / N, as if single rows made
    it jump by b deviations. Without the correction, two rare values that coincide once look like a strong
    dependence.
    A square x^2 becomes x^2 / (1 + b^2 x^2 / 12) for small jumps and x^2 / (1 + b x / 3) for large ones.

    Source: Cornish and Fisher 1938 for the first, Bernstein's inequality for the second.

    Args:
        squares: x^2, 0 or more, in units of the variance under independence.
        kurtosis: Kurtosis k of the products; below 3 nothing changes.
        rows: N.
    """
    jump = np.sqrt(np.maximum(kurtosis - NORMAL_KURTOSIS, 0) / rows * squares)
    found: NDArray[np.float64] = squares / (1 + np.minimum(jump / 3, np.square(jump) / 12))
    return found
