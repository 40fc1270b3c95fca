"""Where codes are put: by k-means at the start, by revival in between, and which are given up at the end."""

import pytest
import torch

from catvq.model.codes.codebook import CodebookBank
from tests.catvq.model.codes.banks import bank_of, take_in


def test_k_means_finds_well_separated_clusters_of_every_stream_at_once():
    centres = torch.tensor([[[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]], [[-9.0, 9.0], [9.0, 9.0], [9.0, -9.0]]])
    latents = (centres.unsqueeze(2) + 0.1 * torch.randn(2, 3, 40, 2)).flatten(1, 2)
    for seed in range(40):  # a start may put two codes into one cluster, and stays there
        torch.manual_seed(seed)
        bank = CodebookBank([3, 3], [2, 2])
        bank.start_from(latents)
        if torch.cdist(centres, bank.codes).amin(dim=2).max() < 1:
            break
    else:
        pytest.fail("no start of forty found the clusters")

    assert torch.allclose(bank.ema_shares, torch.full((2, 3), 1 / 3))
    assert torch.allclose(bank.ema_sums, bank.codes / 3)


def test_k_means_never_raises_the_distance_to_the_nearest_code():
    latents = torch.randn(1, 200, 3)
    bank = CodebookBank([8], [3])
    torch.manual_seed(5)
    start = latents[0, torch.rand(1, 200).argsort(dim=1)[0, :8]]
    torch.manual_seed(5)

    bank.start_from(latents)

    assert (
        torch.cdist(latents[0], bank.codes[0]).amin(1).square().mean()
        < torch.cdist(latents[0], start).amin(1).square().mean()
    )


@pytest.mark.parametrize("rows", [1, 3])
def test_k_means_with_fewer_latents_than_codes_places_every_code_on_one(rows):
    latents = torch.arange(float(rows)).reshape(1, rows, 1)
    bank = CodebookBank([5], [1])

    bank.start_from(latents)

    assert set(bank.codes.flatten().tolist()) == set(range(rows))
    assert bank.nearest(latents).unique().numel() == rows


def test_after_k_means_an_unused_code_stays_where_it_was_put():
    bank = CodebookBank([5], [1], decay=0.5)
    bank.start_from(torch.tensor([[[0.0], [1.0]]]))
    before = bank.codes.clone()
    counts = torch.zeros(1, 5)

    bank.update(torch.zeros(1, 5, 1), counts)

    assert torch.equal(bank.codes, before)


def test_revival_moves_dead_codes_onto_latents_and_leaves_the_others():
    bank = bank_of([[0.0], [10.0], [99.0], [-99.0]])
    take_in(bank, [[0.0], [10.0]])
    living = bank.codes[0, :2].clone()
    latents = torch.tensor([[[3.0], [4.0]]])

    moved = bank.revive_dead(latents)

    assert moved.tolist() == [2]
    assert torch.equal(bank.codes[0, :2], living)
    assert set(bank.codes[0, 2:].flatten().tolist()) <= {3.0, 4.0}
    assert bank.ema_shares[0, 2:].tolist() == [0.25, 0.25]
    assert torch.equal(bank.ema_sums[0, 2:], bank.codes[0, 2:] / 4)


def test_revival_finds_nothing_where_every_code_was_used():
    bank = bank_of([[0.0], [10.0]])
    take_in(bank, [[0.0], [10.0]])

    assert bank.revive_dead(torch.tensor([[[3.0]]])).tolist() == [0]


def test_padding_is_not_counted_among_the_dead():
    bank = CodebookBank([1, 3], [1, 1])

    assert bank.revive_dead(torch.ones(2, 4, 1)).tolist() == [1, 3]


def test_of_two_codes_within_rounding_of_each_other_only_the_lower_is_ever_chosen():
    bank = bank_of([[1.0, 0.0], [0.0, 1.0], [1.0, 1e-7], [1.0, 0.1], [0.0, 1.0]])
    latents = torch.randn(1, 200, 2)
    rows = bank.lookup(bank.nearest(latents))

    bank.retire_twins(len(bank.codes))

    assert bank.code_mask.tolist() == [[True, True, False, True, False]]
    codes = bank.nearest(latents)
    assert set(codes.unique().tolist()) == {0, 1, 3}
    assert torch.allclose(bank.lookup(codes), rows, atol=1e-6)


def test_codes_a_percent_apart_are_no_twins():
    bank = bank_of([[1.0], [1.01], [0.99], [-1.0], [0.0]])

    bank.retire_twins(len(bank.codes))

    assert bank.code_mask.all()


def test_a_chain_of_near_codes_keeps_every_link_that_is_apart_from_the_ones_kept():
    bank = bank_of([[1.0], [1.002], [1.004], [1.006]])

    bank.retire_twins(len(bank.codes))
    bank.retire_twins(len(bank.codes))

    assert bank.code_mask.tolist() == [[True, False, True, False]]


def test_codes_that_tell_only_the_rounding_of_their_category_are_twins_whatever_their_own_size():
    bank = CodebookBank([2, 3], [1, 1])
    bank.codes.copy_(torch.tensor([[[100.0], [-100.0], [0.0]], [[1e-5], [-2e-5], [0.1]]]))

    bank.retire_twins(1)

    assert bank.code_mask.tolist() == [[True, True, False], [True, False, True]]


def test_every_level_is_placed_on_what_the_coarser_ones_leave():
    coarse, fine = torch.tensor([-50.0, 0.0, 50.0]), torch.tensor([-1.0, 1.0])
    latents = (coarse.unsqueeze(1) + fine).reshape(1, 6, 1).repeat(1, 20, 1)
    bank = CodebookBank([3, 2], [1, 1])

    bank.start_from(latents)

    assert sorted(bank.codes[0].flatten().tolist()) == pytest.approx([-50.0, 0.0, 50.0])
    assert sorted(bank.codes[1, :2].flatten().tolist()) == pytest.approx([-1.0, 1.0])
    sums = bank.lookup(bank.nearest(latents)).sum(dim=0)
    assert torch.allclose(sums, latents[0], atol=1e-4)


def test_padding_is_nobodys_twin():
    bank = CodebookBank([1, 3], [1, 1])
    bank.codes.copy_(torch.tensor([[[0.0], [0.0], [0.0]], [[0.0], [0.0], [5.0]]]))

    bank.retire_twins(len(bank.codes))

    assert bank.code_mask.tolist() == [[True, False, False], [True, False, True]]
