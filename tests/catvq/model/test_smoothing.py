import torch

from catvq.model.smoothing import Smoother


def two_clouds():
    """Two far clouds of rows of different shape, and one row that belongs to none and does not train."""
    along, across = torch.zeros(300, 2), torch.zeros(300, 2)
    along[:, 0], across[:, 1] = torch.randn(300), torch.randn(300)
    return torch.cat([along, across + 100, torch.tensor([[1e6, 1e6]])]), torch.arange(600)


def test_rows_are_moved_as_far_as_their_region_is_wide_and_in_its_directions():
    features, train = two_clouds()

    moved = Smoother(features, train, seed=0).draw(train, 0.5) - features[:600]

    along, across = moved[:300], moved[300:]
    assert 0.05 < along[:, 0].std() < 0.6
    assert 0.05 < across[:, 1].std() < 0.6
    assert (along[:, 1] == 0).all()
    assert across[:, 0].abs().max() < 1e-4


def test_nothing_of_rows_that_do_not_train_is_seen():
    features, train = two_clouds()

    assert Smoother(features, train, seed=0).draw(train, 5.0).max() < 1e4


def test_without_a_spread_the_rows_are_themselves_and_no_random_number_is_drawn():
    features, train = two_clouds()
    rows, state = torch.tensor([5, 5, 0, 599]), torch.get_rng_state()

    drawn = Smoother(features, train, seed=0).draw(rows, 0.0)

    assert torch.equal(drawn, features[rows])
    assert torch.equal(torch.get_rng_state(), state)


def test_equal_rows_stay_where_they_are():
    features = torch.ones(20, 3)

    assert torch.equal(Smoother(features, torch.arange(20), seed=0).draw(torch.arange(20), 1.0), features)


def test_of_many_rows_a_sample_moves_the_others_within_their_regions(monkeypatch):
    monkeypatch.setattr("catvq.recipe.SAMPLE_CELLS", 100)
    monkeypatch.setattr("catvq.recipe.LEAST_SAMPLE_ROWS", 50)
    features, train = two_clouds()

    moved = Smoother(features, train, seed=0).draw(train, 0.5) - features[:600]

    assert 0.05 < moved[:300, 0].std() < 0.7
    assert (moved[:300, 1] == 0).all()
    assert moved[300:, 0].abs().max() < 1e-4


def test_regions_of_rows_told_in_chunks_are_those_of_all_rows_together(monkeypatch):
    features, train = two_clouds()
    whole = Smoother(features, train, seed=0)
    monkeypatch.setattr("catvq.model.smoothing.CHUNK_ROWS", 256)
    torch.manual_seed(0)
    expected = whole.draw(train, 0.5)
    torch.manual_seed(0)

    assert torch.equal(Smoother(features, train, seed=0).draw(train, 0.5), expected)
