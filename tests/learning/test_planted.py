"""Whole runs find what was planted: a fast part of `make bench-learning`, with other sizes and seeds."""

import pytest

from benchmarks.learning import learn
from benchmarks.planted import planted

pytestmark = pytest.mark.slow

SMALL = {"rows": 1500, "features": 32, "categories": 4}
SMALLER = {"rows": 800, "features": 24, "categories": 3}  # for a search, which takes long


@pytest.mark.parametrize(
    "kind", ["plain", "shared_factor", "harmonic", "unequal", "parity", "xor", "several"]
)
def test_the_default_start_finds_planted_categories_and_training_keeps_them(kind):
    agreement, _ = learn(planted(kind, seed=710, **SMALL), seed=1, epochs=10)
    assert agreement >= 0.9


@pytest.mark.parametrize(("kind", "start"), [("shared_factor", "random"), ("harmonic", "corrupted")])
def test_poor_starts_are_mended(kind, start):
    agreement, _ = learn(planted(kind, seed=711, **SMALLER), seed=2, start=start, epochs=5)
    assert agreement >= 0.9


@pytest.mark.parametrize(
    ("kind", "number"), [("plain", 4), ("xor", 4), ("one_category", 1), ("noise_only", 1)]
)
def test_the_number_of_categories_is_found(kind, number):
    agreement, found = learn(planted(kind, seed=712, **SMALL), seed=3, categories="auto", epochs=5)
    assert found == number
    assert agreement >= 0.9
