import itertools

import pytest
import torch

from catvq.model.codes.residual_search import BEAM, TRAINING_BEAM, search_codes


def squares_of(codes):
    return codes.square().sum(dim=2)


def distances(codes, chosen, latents):
    """Squared distance of each latent to the sum of its codes, [G, B]."""
    rows = codes.gather(1, chosen.unsqueeze(2).expand(-1, -1, codes.shape[2]))
    return (latents - rows.view(len(latents), -1, *latents.shape[1:]).sum(dim=1)).square().sum(dim=2)


def nearest_of_all(codes, latents):
    """The least such distance over all combinations, for one category."""
    levels = range(len(codes))
    sums = [
        sum(codes[level, code] for level, code in zip(levels, combination, strict=True))
        for combination in itertools.product(range(codes.shape[1]), repeat=len(codes))
    ]
    return torch.cdist(latents[0], torch.stack(sums)).amin(dim=1).square()


def test_with_one_level_it_is_the_nearest_code():
    codes, latents = torch.randn(3, 7, 4), torch.randn(3, 50, 4)

    chosen, _ = search_codes(codes, squares_of(codes), latents)

    assert torch.equal(chosen, torch.cdist(latents, codes).argmin(dim=2))


def test_with_no_more_codes_than_the_beam_it_finds_the_best_of_all_combinations():
    codes, latents = torch.randn(2, BEAM, 3), torch.randn(1, 200, 3)

    chosen, _ = search_codes(codes, squares_of(codes), latents)

    assert torch.allclose(distances(codes, chosen, latents)[0], nearest_of_all(codes, latents), atol=1e-4)


def test_a_beam_finds_nearer_codes_than_the_greedy_search_and_none_beyond_the_best():
    codes = torch.randn(3, 8, 4) * torch.tensor([1.0, 0.7, 0.5]).view(3, 1, 1)
    latents = torch.randn(1, 300, 4)

    greedy, by_beam = (
        distances(codes, search_codes(codes, squares_of(codes), latents, beam=beam)[0], latents)[0]
        for beam in (1, BEAM)
    )

    assert by_beam.mean() < 0.95 * greedy.mean()
    assert (by_beam >= nearest_of_all(codes, latents) - 1e-4).all()


def test_categories_do_not_see_each_other():
    codes, latents = torch.randn(6, 5, 3), torch.randn(2, 40, 3)

    together, _ = search_codes(codes, squares_of(codes), latents)

    for category in range(2):
        own = codes[3 * category : 3 * category + 3]
        alone, _ = search_codes(own, squares_of(own), latents[category : category + 1])
        assert torch.equal(together[3 * category : 3 * category + 3], alone)


@pytest.mark.parametrize("beam", [1, TRAINING_BEAM, BEAM])
def test_a_code_that_must_not_be_chosen_never_is_even_where_fewer_are_left_than_the_beam_keeps(beam):
    codes, latents = torch.randn(3, 6, 2), 10 * torch.randn(1, 500, 2)
    squares = squares_of(codes)
    squares[0, 1:] = squares[1, 2:] = squares[2, 3:] = torch.inf

    chosen, clearness = search_codes(codes, squares, latents, beam=beam)

    assert (chosen.amax(dim=1) < torch.tensor([1, 2, 3])).all()
    assert not clearness.isnan().any()


def test_a_choice_is_clear_when_no_rounding_of_the_latent_changes_it():
    codes = torch.tensor([[[-1.0], [1.0]]])
    latents = torch.tensor([[[0.0], [1e-6], [0.5], [0.9]]])

    _, clearness = search_codes(codes, squares_of(codes), latents)

    assert clearness[0, 0] == 0
    assert clearness[0, 1] < 1e-5
    assert 0.1 < clearness[0, 2] < clearness[0, 3]


def test_fine_levels_are_compared_by_what_is_left_and_not_by_the_whole_latent():
    """Distances from a latent of a thousand are rounded by more than what the fine codes differ by."""
    codes = torch.tensor([[[1000.0], [-1000.0]], [[1e-3], [2e-3]]])
    latents = torch.tensor([[[1000.0012], [1000.0018]]])

    chosen, _ = search_codes(codes, squares_of(codes), latents)

    assert chosen.tolist() == [[0, 0], [0, 1]]
