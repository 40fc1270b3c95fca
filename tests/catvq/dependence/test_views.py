import numpy as np
import pytest

from catvq.dependence.spectral import separation
from catvq.dependence.views import MAY_LOSE, MUST_GAIN, Views

LEAVES = np.repeat(np.arange(4), 3)
BRANCHES = LEAVES // 2


def blocks(grouping, within=1.0, between=0.0):
    affinity = np.where(grouping[:, None] == grouping, within, between)
    np.fill_diagonal(affinity, 0)
    return affinity


def views(conditional, marginal, significant=None, strong=None):
    return Views(
        conditional,
        conditional if significant is None else significant,
        marginal,
        marginal if strong is None else strong,
    )


def same(one, other):
    return ((one[:, None] == one) == (other[:, None] == other)).all()


def test_without_a_better_view_the_conditional_view_is_clustered():
    assert same(views(blocks(LEAVES), blocks(LEAVES)).best_grouping(4), LEAVES)
    assert same(views(blocks(BRANCHES), blocks(BRANCHES)).best_grouping(2), BRANCHES)


def test_which_leaves_make_a_branch_is_seen_with_other_features_left_aside():
    """Given all others no leaf has to do with any other: two and two may join as they like."""
    conditional = blocks(LEAVES)
    marginal = np.maximum(blocks(LEAVES), blocks(BRANCHES, 0.3))
    marginal_of_others = np.maximum(blocks(LEAVES), blocks(LEAVES % 2, 0.3))

    assert same(views(conditional, marginal).best_grouping(2), BRANCHES)
    assert same(views(conditional, marginal_of_others).best_grouping(2), LEAVES % 2)
    assert same(views(conditional, marginal).best_grouping(4), LEAVES)


def test_marginal_dependence_that_contradicts_the_conditional_one_is_not_believed():
    """As where a factor common to all features is stronger in some than in others."""
    marginal = blocks(np.arange(12) % 4)
    found = views(blocks(LEAVES), marginal).best_grouping(4)

    assert same(found, LEAVES)
    assert separation(marginal, found) < separation(marginal, np.arange(12) % 4) - 10 * MUST_GAIN


def test_where_everything_depends_on_everything_the_conditional_view_stays():
    conditional = np.maximum(blocks(LEAVES), blocks(BRANCHES, 0.2)) + blocks(np.zeros(12), 0.2) * 0.99
    marginal = np.maximum(blocks(np.zeros(12), 0.6), blocks(BRANCHES, 0.9))
    alone = views(conditional, conditional).best_grouping(3)
    other = views(conditional, marginal, strong=blocks(BRANCHES, between=0.3))

    assert max(other.separation(grouping) for grouping in (alone, BRANCHES)) < 0.9
    assert same(other.best_grouping(3), alone)


def test_a_chain_is_not_cut_where_significant_pairs_hold_it_together():
    """One of 24 features and one of 6, with bridges of chance between them."""
    chain = np.repeat([0, 1], [24, 6])
    neighbours = np.abs(np.subtract.outer(np.arange(30), np.arange(30))) == 1
    significant = np.where(neighbours & (chain[:, None] == chain), 1.0, 0)
    bridges = np.where(chain[:, None] != chain, 0.003, 0)
    found = views(significant + bridges, significant, significant=significant)

    assert not same(views(significant + bridges, np.zeros((30, 30))).best_grouping(2), chain)
    assert same(found.best_grouping(2), chain)


def test_separation_is_that_of_conditional_or_of_strong_dependence():
    shown = views(blocks(LEAVES, between=0.2), blocks(LEAVES, between=0.1), strong=blocks(LEAVES))
    assert shown.separation(LEAVES) == 1
    assert views(blocks(LEAVES), blocks(LEAVES % 2)).separation(LEAVES) == 1
    assert views(blocks(LEAVES % 2), blocks(LEAVES % 2)).separation(BRANCHES) < MAY_LOSE


@pytest.mark.parametrize("number", [2, 5, 12])
def test_no_category_is_empty_where_nothing_depends_on_anything(number):
    nothing = np.zeros((12, 12))
    assert len(set(views(nothing, nothing).best_grouping(number).tolist())) == number
