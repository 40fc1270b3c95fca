import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvq.errors import ConfigError
from catvq.model.codes.codebook import CodebookBank
from tests.catvq.model.codes.banks import bank_of, take_in


def test_the_nearest_code_is_the_one_at_the_smallest_distance():
    bank = CodebookBank([7, 3, 5], [4, 2, 3])
    latents = torch.randn(3, 50, 4) * bank.latent_mask.unsqueeze(1)
    expected = torch.stack(
        [
            torch.cdist(latents[s, :, :width], bank.codes[s, :size, :width]).argmin(dim=1)
            for s, (size, width) in enumerate([(7, 4), (3, 2), (5, 3)])
        ]
    )

    assert torch.equal(bank.nearest(latents), expected)


def test_codes_do_not_depend_on_how_many_rows_are_looked_at_at_once(monkeypatch):
    bank = CodebookBank([7, 5, 7, 5], [3] * 4).eval()
    latents = torch.randn(2, 50, 3)
    whole = bank.nearest(latents)

    monkeypatch.setattr("catvq.model.codes.least.CPU_DISTANCES", 200)

    assert torch.equal(bank.nearest(latents), whole)


def test_the_lower_index_wins_a_tie():
    assert bank_of([[1.0], [-1.0], [1.0]]).nearest(torch.tensor([[[0.0], [9.0]]])).tolist() == [[0, 0]]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=4), st.floats(0, 1e6))
def test_a_padded_code_is_never_chosen_and_padding_stays_zero(streams, scale):
    sizes, widths = (list(values) for values in zip(*streams, strict=True))
    bank = CodebookBank(sizes, widths)
    latents = scale * torch.randn(len(sizes), 9, max(widths)) * bank.latent_mask.unsqueeze(1)

    for _ in range(2):
        codes = bank.nearest(latents)
        assert (codes < torch.tensor(sizes).unsqueeze(1)).all()
        bank.update(*bank.batch_centroids(latents, codes))
        bank.start_from(latents)
        bank.revive_dead(latents)

    assert (bank.codes[~bank.code_mask] == 0).all()
    assert (bank.codes.transpose(1, 2)[bank.latent_mask == 0] == 0).all()
    assert (bank.usage_counts[~bank.code_mask] == 0).all()


def test_lookup_gives_the_codebook_rows_bit_for_bit():
    bank = CodebookBank([4, 4], [3, 3])
    codes = torch.tensor([[0, 3], [2, 2]])

    rows = bank.lookup(codes)

    assert torch.equal(rows[0], bank.codes[0, [0, 3]])
    assert torch.equal(rows[1], bank.codes[1, [2, 2]])


def test_batch_centroids_are_sums_and_counts_per_code():
    bank = bank_of([[0.0, 0.0], [1.0, 1.0]])
    latents = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], requires_grad=True)

    sums, counts = bank.batch_centroids(latents, torch.tensor([[1, 0, 1]]))
    sums[0, 1].sum().backward()

    assert sums.tolist() == [[[3.0, 4.0], [6.0, 8.0]]]
    assert counts.tolist() == [[1.0, 2.0]]
    assert latents.grad.tolist() == [[[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]]


def test_the_moving_average_by_hand():
    """Van den Oord et al. 2017, appendix A.1, of shares: N <- (N + n) / 2, m <- (m + sum) / 2, e = m / N."""
    bank = bank_of([[0.0], [10.0]], decay=0.5)

    take_in(bank, [[2.0], [4.0], [12.0]])
    # shares become 7/12 and 5/12, sums 1 and 4.5
    assert bank.codes.flatten().tolist() == pytest.approx([12 / 7, 10.8])

    take_in(bank, [[2.0]])
    # shares become 19/24 and 5/24, sums 1.5 and 2.25; the second was not used and keeps its place
    assert bank.codes.flatten().tolist() == pytest.approx([36 / 19, 10.8])
    assert bank.ema_shares.flatten().tolist() == pytest.approx([19 / 24, 5 / 24])


def test_an_unused_code_does_not_move_by_a_single_bit_over_thousands_of_steps():
    bank = CodebookBank([4], [3], decay=0.99)
    with torch.no_grad():
        bank.codes[0, 2] = torch.tensor([1e4, -1e4, 0.1])
        bank.ema_sums.copy_(bank.codes * bank.ema_shares.unsqueeze(2))
    before = bank.codes.clone()
    latents = 0.1 * torch.randn(1, 8, 3)
    sums, counts = bank.batch_centroids(latents, bank.nearest(latents) % 2)

    for _ in range(10_000):  # long enough for the unused counts to leave float32's range
        bank.update(sums, counts)

    assert bank.ema_shares[0, 2] < 1e-40
    assert torch.equal(bank.codes[0, 2:], before[0, 2:])


def test_a_code_used_again_after_a_long_rest_moves_to_its_latents():
    bank = bank_of([[0.0], [5.0]], decay=0.99)
    for _ in range(10_000):
        bank.update(torch.tensor([[[0.0], [0.0]]]), torch.tensor([[4.0, 0.0]]))

    take_in(bank, [[5.5], [6.5]])

    assert bank.codes.flatten().tolist() == pytest.approx([0.0, 6.0])


def test_a_used_code_settles_on_the_mean_of_its_latents():
    bank = bank_of([[0.0], [10.0]], decay=0.9)
    for _ in range(300):
        take_in(bank, [[1.0], [2.0], [12.0]])

    assert bank.codes.flatten().tolist() == pytest.approx([1.5, 12.0], rel=1e-4)


def test_a_moving_average_codebook_is_a_buffer_and_no_parameter():
    bank = CodebookBank([2], [2], update="ema")

    assert list(bank.parameters()) == []
    assert {"codes", "ema_shares", "ema_sums"} <= set(dict(bank.named_buffers()))


def test_a_gradient_codebook_is_the_only_parameter_and_is_not_averaged():
    bank = CodebookBank([2], [1], update="gradient")
    before = bank.codes.detach().clone()

    take_in(bank, [[5.0], [7.0]])

    assert [name for name, _ in bank.named_parameters()] == ["codes"]
    assert torch.equal(bank.codes, before)
    assert bank.usage_counts.sum() == 2


def test_usage_adds_up_until_a_new_window_is_opened():
    bank = bank_of([[0.0], [10.0]])
    take_in(bank, [[1.0], [9.0], [2.0]])
    take_in(bank, [[1.0]])
    assert bank.usage_counts.tolist() == [[3.0, 1.0]]

    bank.reset_usage()

    assert bank.usage_counts.tolist() == [[0.0, 0.0]]


def test_the_codebook_survives_a_reload():
    bank, other = CodebookBank([3], [2]), CodebookBank([3], [2])
    bank.start_from(torch.randn(1, 9, 2))
    bank.update(torch.randn(1, 3, 2), torch.tensor([[1.0, 0.0, 2.0]]))

    other.load_state_dict(bank.state_dict())

    for name, value in bank.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert {"codes", "ema_shares", "ema_sums", "usage_counts"} <= bank.state_dict().keys()


@pytest.mark.parametrize(
    ("sizes", "widths", "options"),
    [
        ([], [], {}),
        ([0], [2], {}),
        ([2], [0], {}),
        ([2, 2], [2], {}),
        ([2], [2], {"update": "sgd"}),
        ([2], [2], {"decay": 1.0}),
        ([2], [2], {"decay": -0.1}),
    ],
)
def test_a_codebook_that_cannot_be_is_refused(sizes, widths, options):
    with pytest.raises(ConfigError):
        CodebookBank(sizes, widths, **options)
