"""The columns of one planted category, for each way in which features can belong together.

Every function takes a random source, the number of rows N and the number of features n, and returns
columns [N, n]. Letters: N rows, n features of one category.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Columns = NDArray[np.float64]

SINE_UNITS = 16
LATENTS = 2
CLEAR, NOISY = 0.3, 0.7  # deviations of the noise


def plain(random: Generator, rows: int, size: int) -> Columns:
    """Random sums of random sines of two normal latents, with a little noise."""
    return sines(random, random.standard_normal((rows, LATENTS)), size, noise=CLEAR)


def noisy(random: Generator, rows: int, size: int) -> Columns:
    """Like plain, with much noise."""
    return sines(random, random.standard_normal((rows, LATENTS)), size, noise=NOISY)


def repetitive(random: Generator, rows: int, size: int) -> Columns:
    """Like plain, but a fifth of the columns are exact copies of others, up to sign."""
    repeats = size // 5
    own = plain(random, rows, size - repeats)
    repeated = own[:, random.choice(size - repeats, repeats, replace=False)]
    return np.concatenate([own, repeated * random.choice([-1, 1], repeats)], axis=1)


def harmonic(random: Generator, rows: int, size: int) -> Columns:
    """Cosines and sines of the multiples of one angle: hardly correlated, wholly dependent."""
    multiple, is_sine = np.divmod(np.arange(size), 2)
    angle = random.uniform(0, 2 * np.pi, (rows, 1))
    # A sine is a cosine a quarter turn later.
    waves: Columns = np.sqrt(2) * np.cos((multiple + 1) * angle - is_sine * np.pi / 2)
    waves += 0.1 * random.standard_normal((rows, size))
    return waves


def parity(random: Generator, rows: int, size: int) -> Columns:
    """Signs are exclusive ors of a few coins, sizes are each feature's own: independent in pairs.

    The smallest sets of coins come first: each coin, then the pairs. Four features are three coins and
    their parity, which shows only in products of four.
    """
    coins = int(np.ceil(np.log2(size + 1)))
    smallest = sorted(range(1, 2**coins), key=lambda subset: (subset.bit_count(), subset))
    subsets = [1, 2, 4, 7] if size == 4 else smallest[:size]
    takes_part = np.array([[subset >> coin & 1 for subset in subsets] for coin in range(coins)])
    signs = 1 - 2 * (random.integers(0, 2, (rows, coins)) @ takes_part % 2)
    columns: Columns = signs * np.abs(random.standard_normal((rows, size)))
    return columns


def xor(random: Generator, rows: int, size: int) -> Columns:
    """Threes of a coin, another coin and their exclusive or, through noise; the first coin is common.

    What is left over when the size is no multiple of three is the first coin again.
    """
    threes, rest = divmod(size, 3)
    common = random.choice([-1, 1], (rows, 1))
    other = random.choice([-1, 1], (rows, threes))
    first, again = (np.repeat(common, number, axis=1) for number in (threes, rest))
    signals = np.concatenate([first, other, common * other, again], axis=1)
    return signals + 0.5 * random.standard_normal((rows, size))


def volatile(random: Generator, rows: int, size: int) -> Columns:
    """Independent noise of one common scale that changes from row to row."""
    scale = np.exp(0.8 * random.standard_normal((rows, 1)))
    columns: Columns = scale * random.standard_normal((rows, size))
    return columns


def sines(random: Generator, latents: Columns, size: int, *, noise: float) -> Columns:
    """Random sums of random sines of given latents [N, number], standardised, plus noise."""
    weights = 1.5 * random.standard_normal((latents.shape[1], SINE_UNITS))
    hidden = np.sin(latents @ weights + random.uniform(0, 2 * np.pi, SINE_UNITS))
    signals = standardised(hidden @ random.standard_normal((SINE_UNITS, size)))
    return signals + noise * random.standard_normal(signals.shape)


def standardised(columns: Columns) -> Columns:
    """Every column with mean 0 and variance 1."""
    scaled: Columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return scaled
