import pytest
import torch

from catvq.training.collapse import (
    DIRECTIONS,
    NEW_AFTER_EPOCHS,
    ROWS_PER_DIRECTION,
    Sign,
    explained_variance,
    find_dead_codebooks,
    find_duplicates,
    find_emptied,
    find_flat_temperature,
    record_signs,
)

NAMES = ("a", "b", "c")
EVERYWHERE = torch.ones(4, 2, dtype=torch.bool)


def emptied(sizes, *, start, found=None):
    sizes, start, found = (
        dict(zip(NAMES, counts, strict=False)) for counts in (sizes, start, found or start)
    )
    signs = find_emptied(sizes, start_sizes=start, found_sizes=found)
    return [(sign.kind, sign.subject, sign.measure, sign.cause.split(" moved")[0]) for sign in signs]


def flat(soft, allowed=EVERYWHERE, *, is_held=False):
    return find_flat_temperature(torch.tensor(soft), allowed, temperature=0.5, is_held=is_held)


def test_a_category_that_lost_all_features_is_empty():
    assert emptied([5, 0, 5], start=[4, 2, 4]) == [("empty", "b", 0.0, "the training")]
    assert emptied([5, 0, 5], start=[4, 2, 4], found=[5, 0, 5]) == [
        ("empty", "b", 0.0, "the choice of a start")
    ]


def test_a_category_that_was_empty_at_the_start_did_not_collapse():
    assert emptied([5, 0, 5], start=[5, 0, 5]) == []


def test_a_category_that_took_nine_tenths_of_all_features_swallows():
    assert emptied([18, 1, 1], start=[8, 6, 6]) == [("swallowing", "a", 0.9, "the training")]
    assert emptied([18, 1, 1], start=[8, 6, 6], found=[19, 1, 0]) == [
        ("swallowing", "a", 0.9, "the choice of a start")
    ]
    assert emptied([17, 2, 1], start=[8, 6, 6]) == []
    assert emptied([18, 1, 1], start=[19, 1, 0]) == []


def test_an_only_category_swallows_nothing():
    assert emptied([20], start=[0]) == []


def test_an_assignment_that_is_spread_when_annealing_ends_is_flat_and_a_settled_one_is_not():
    (sign,) = flat([[0.6, 0.4]] * 4)

    assert (sign.kind, sign.subject) == ("flat_temperature", "temperature")
    assert sign.measure == pytest.approx(0.971, abs=1e-3)  # bits of a coin of 0.6
    assert "annealed at 0.5" in sign.cause
    assert flat([[0.9, 0.1]] * 4) == []


def test_a_temperature_that_the_user_held_is_named_as_held():
    assert "held at 0.5" in flat([[0.5, 0.5]] * 4, is_held=True)[0].cause


def test_features_without_a_choice_do_not_count_as_settled():
    allowed = torch.tensor([[True, True]] + [[True, False]] * 3)

    assert flat([[0.5, 0.5]] + [[1.0, 0.0]] * 3, allowed)[0].measure == pytest.approx(1.0)
    assert flat([[1.0, 0.0]] * 3, allowed[1:]) == []


def test_explained_variance_is_the_squared_correlation_of_single_numbers():
    points = torch.randn(2, 200, 1)
    points[1] += points[0]

    told = explained_variance(points + 5)

    expected = torch.corrcoef(points.squeeze(2))[0, 1].square()
    assert torch.allclose(told, torch.tensor([[1.0, expected], [expected, 1.0]]), atol=1e-4)


def test_explained_variance_sees_through_turning_and_scaling():
    first = torch.randn(300, 4)
    turn, _ = torch.linalg.qr(torch.randn(4, 4))
    told = explained_variance(torch.stack([first, 7 * first @ turn + 3, torch.randn(300, 4)]))

    assert told[0, 1] > 0.999
    assert told[1, 0] > 0.999
    assert told[:2, 2].max() < 0.1


def test_a_part_tells_less_of_the_whole_than_the_whole_of_the_part():
    whole = torch.randn(400, 2)
    part = torch.cat([whole[:, :1], torch.zeros(400, 1)], dim=1)

    told = explained_variance(torch.stack([whole, part]))

    assert told[0, 1] == pytest.approx(1.0, abs=1e-3)
    assert told[1, 0] == pytest.approx(0.5, abs=0.1)
    assert find_duplicates(torch.stack([whole, part]), NAMES[:2]) == []


@pytest.mark.parametrize("rows", [8, 20, 60])
def test_unrelated_categories_of_many_numbers_and_few_rows_are_no_duplicates(rows):
    assert rows < DIRECTIONS * ROWS_PER_DIRECTION
    assert find_duplicates(torch.randn(5, rows, 100), list("vwxyz")) == []


def test_every_category_is_named_with_the_one_most_like_it_and_each_pair_once():
    first, second = torch.randn(300, 3), torch.randn(300, 3)
    latents = torch.stack([first, second, first + 0.01, second * 2, torch.randn(300, 3)])

    signs = find_duplicates(latents, list("abcde"))

    assert [(sign.kind, sign.subject) for sign in signs] == [("duplicate", "a = c"), ("duplicate", "b = d")]


def test_constant_categories_are_no_duplicates():
    latents = torch.randn(3, 1, 4).expand(3, 100, 4) * torch.tensor([1.0, 1e3, 1e6]).view(3, 1, 1)

    assert find_duplicates(latents, NAMES) == []
    assert find_duplicates(torch.zeros(3, 100, 4), NAMES) == []


def test_categories_that_diverged_are_left_to_who_judges_the_losses():
    assert find_duplicates(torch.full((3, 100, 4), torch.nan), NAMES) == []


def test_comparing_categories_draws_no_random_number_of_the_caller():
    latents, before = torch.randn(3, 100, 4), torch.get_rng_state()

    assert torch.equal(explained_variance(latents), explained_variance(latents))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_codebook_of_which_all_but_a_hundredth_of_the_rows_choose_one_code_is_dead():
    usage = torch.tensor([[990.0, 10.0, 0.0], [989.0, 11.0, 0.0], [1000.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    streams = {0: "a.0", 1: "a.1", 2: "b.0", 3: "b.1"}

    signs = find_dead_codebooks(usage, torch.tensor([1, 1, 0, 0]), streams)

    assert [(sign.subject, sign.measure) for sign in signs] == [("a.0", pytest.approx(0.99)), ("b.0", 1.0)]
    assert [sign.action.startswith("its unused codes were moved") for sign in signs] == [True, False]
    assert [sign.subject for sign in find_dead_codebooks(usage, None, {2: "b.0"})] == ["b.0"]
    assert "not time" in find_dead_codebooks(usage, None, streams)[0].action


def sign_of(subject):
    return Sign("dead_codebook", subject, 1.0, "cause", "action")


def test_a_sign_is_an_onset_once_and_again_only_after_it_was_long_gone():
    seen = []
    for epoch in (1, 2, 2 + NEW_AFTER_EPOCHS):
        seen = record_signs(seen, [sign_of("a.0")], epoch)
    assert [(each.first_epoch, each.last_epoch) for each in seen] == [(1, 2 + NEW_AFTER_EPOCHS)]

    seen = record_signs(seen, [], 8)
    seen = record_signs(seen, [sign_of("b.0"), sign_of("a.0")], 3 + 2 * NEW_AFTER_EPOCHS)

    assert [(each.subject, each.first_epoch) for each in seen] == [("a.0", 1), ("b.0", 13), ("a.0", 13)]
    assert [each.last_epoch for each in seen] == [7, 13, 13]
