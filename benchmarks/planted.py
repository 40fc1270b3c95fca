"""Makes tables whose categories are known, one kind for each way in which features can belong together.

Letters: N rows, D features, G categories.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.planted_blocks import (
    CLEAR,
    LATENTS,
    Columns,
    harmonic,
    noisy,
    parity,
    plain,
    repetitive,
    sines,
    standardised,
    volatile,
    xor,
)

Kind = Literal[
    "plain",
    "shared_factor",
    "harmonic",
    "unequal",
    "unequal_shared",
    "duplicate",
    "parity",
    "xor",
    "volatility",
    "several",
    "mixed",
    "two_homes",
    "one_category",
    "noise_only",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Block = Callable[[Generator, int, int], Columns]

NOWHERE = -1  # the category of a feature that belongs to nothing
FACTOR_WEIGHT = 0.7
SMALLEST, LARGEST = 3, 30  # sizes of unequal categories
NOISE_FEATURES = 6
FEATURES_WITH_TWO_HOMES = 6


@dataclass(frozen=True)
class PlantedTable:
    """A table and the truth about it.

    Attributes:
        values: float32 [N, D], every column with mean 0 and variance 1, in random order.
        category: int64 [D], -1 for a feature that belongs to nothing.
        kind: How the table was made.
        second_category: int64 [D], the other category of a feature that has two, else -1.
    """

    values: NDArray[np.float32]
    category: NDArray[np.int64]
    kind: Kind
    second_category: NDArray[np.int64]

    @property
    def num_categories(self) -> int:
        """The true number of categories, 0 when there is only noise."""
        return len(np.unique(self.category[self.category != NOWHERE]))


def planted(
    kind: Kind, *, seed: int, rows: int = 4000, features: int = 60, categories: int = 6, mixing: float = 0.5
) -> PlantedTable:
    """Make one planted table.

    - plain: a category has 2 normal latents, 16 random sine units over them, and features that are random
      sums of the units plus noise of deviation 0.3.
    - shared_factor: the same with noise 0.7 and one normal factor of weight 0.7 in every feature.
    - harmonic: a category has one angle; its features are cosines and sines of the angle's multiples.
    - unequal: plain, with sizes from 3 to 30 whatever `features` says, and 6 columns of noise.
    - unequal_shared: the same with the noise and the factor of shared_factor, the noise columns left alone.
    - duplicate: plain, but in each category a fifth of the columns repeat others, up to sign.
    - parity: a feature's sign is the exclusive or of some of its category's coins and its size is its own,
      so that any two features are independent.
    - xor: threes of one category are a coin, another coin and their exclusive or, all seen through noise;
      the first coin is common to all threes of the category.
    - volatility: features are noise whose scale is common to the category.
    - several: categories take turns in being plain, discretised, heavy-tailed, harmonic, volatile, parity;
      the first three have a factor in common.
    - mixed: plain, but a part `mixing` of a latent's variance is a sum of the other categories' latents.
    - two_homes: plain, and 6 features are sums of features of two categories.
    - one_category: plain with one category. noise_only: independent normal columns.

    Args:
        kind: One of the above.
        seed: The same seed gives the same table.
        rows: N.
        features: D, shared out evenly over the categories, at least 3 each.
        categories: G, at least 2; one_category and noise_only ignore it.
        mixing: From 0 to 1, for "mixed" only.
    """
    random = np.random.default_rng([seed, KINDS.index(kind)])
    even = [features // categories + (index < features % categories) for index in range(categories)]
    uneven = random.integers(SMALLEST, LARGEST + 1, categories).tolist()
    make = _Maker(random, rows)
    draft: Callable[[], _Draft] = {
        "plain": lambda: make.blocks(plain, even),
        "shared_factor": lambda: make.with_factor(make.blocks(noisy, even)),
        "harmonic": lambda: make.blocks(harmonic, even),
        "unequal": lambda: make.with_noise(make.blocks(plain, uneven), NOISE_FEATURES),
        "unequal_shared": lambda: make.with_noise(
            make.with_factor(make.blocks(noisy, uneven)), NOISE_FEATURES
        ),
        "duplicate": lambda: make.blocks(repetitive, even),
        "parity": lambda: make.blocks(parity, even),
        "xor": lambda: make.blocks(xor, even),
        "volatility": lambda: make.blocks(volatile, even),
        "several": lambda: make.several(even),
        "mixed": lambda: make.mixed(even, mixing),
        "two_homes": lambda: make.with_two_homes(make.blocks(plain, even), FEATURES_WITH_TWO_HOMES),
        "one_category": lambda: make.blocks(plain, [features]),
        "noise_only": lambda: make.with_noise(make.blocks(plain, []), features),
    }[kind]
    return make.shuffled(draft(), kind)


@dataclass(frozen=True)
class _Draft:
    """Columns in the order in which they were made."""

    values: Columns
    category: NDArray[np.int64]
    second: NDArray[np.int64]

    def extended(self, columns: Columns, category: NDArray[np.int64], second: NDArray[np.int64]) -> "_Draft":
        return _Draft(
            np.concatenate([self.values, columns], axis=1),
            np.concatenate([self.category, category]),
            np.concatenate([self.second, second]),
        )


@dataclass(frozen=True)
class _Maker:
    """The steps that tables are made in, sharing one random source and one number of rows."""

    random: Generator
    rows: int

    def blocks(self, block: Block, sizes: list[int]) -> _Draft:
        return self.joined([block(self.random, self.rows, size) for size in sizes])

    def joined(self, blocks: list[Columns]) -> _Draft:
        values = np.concatenate([np.empty((self.rows, 0)), *blocks], axis=1)
        category = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        return _Draft(values, category, np.full(len(category), NOWHERE))

    def with_factor(self, draft: _Draft) -> _Draft:
        factor = FACTOR_WEIGHT * self.random.standard_normal((self.rows, 1))
        return _Draft(draft.values + factor, draft.category, draft.second)

    def with_noise(self, draft: _Draft, number: int) -> _Draft:
        nowhere = np.full(number, NOWHERE)
        return draft.extended(self.random.standard_normal((self.rows, number)), nowhere, nowhere)

    def with_two_homes(self, draft: _Draft, number: int) -> _Draft:
        categories = draft.category.max() + 1
        homes = np.array([self.random.choice(categories, 2, replace=False) for _ in range(number)])
        sums = CLEAR * self.random.standard_normal((self.rows, number))
        for side in homes.T:
            parents = [self.random.choice(np.flatnonzero(draft.category == home)) for home in side]
            sums += draft.values[:, parents]
        return draft.extended(sums, homes[:, 0], homes[:, 1])

    def several(self, sizes: list[int]) -> _Draft:
        factor = FACTOR_WEIGHT * self.random.standard_normal((self.rows, 1))
        turns: list[Callable[[int], Columns]] = [
            lambda size: plain(self.random, self.rows, size) + factor,
            lambda size: np.round(1.5 * (plain(self.random, self.rows, size) + factor)),
            lambda size: np.sinh(1.5 * (plain(self.random, self.rows, size) + factor)),
            lambda size: harmonic(self.random, self.rows, size),
            lambda size: volatile(self.random, self.rows, size),
            lambda size: parity(self.random, self.rows, size),
        ]
        return self.joined([turns[index % len(turns)](size) for index, size in enumerate(sizes)])

    def mixed(self, sizes: list[int], mixing: float) -> _Draft:
        own = self.random.standard_normal((len(sizes), self.rows, LATENTS))
        others = own.sum(axis=0) - own
        latents = np.sqrt(1 - mixing) * own + np.sqrt(mixing / (len(sizes) - 1)) * others
        pairs = zip(latents, sizes, strict=True)
        return self.joined([sines(self.random, latent, size, noise=CLEAR) for latent, size in pairs])

    def shuffled(self, draft: _Draft, kind: Kind) -> PlantedTable:
        order = self.random.permutation(len(draft.category))
        values = standardised(draft.values[:, order]).astype(np.float32)
        return PlantedTable(values, draft.category[order].astype(np.int64), kind, draft.second[order])
