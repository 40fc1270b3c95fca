import numpy as np

from catvq.features.scores.channel_scores import channel_scores
from catvq.features.scores.feature_scores import feature_scores

rng = np.random.default_rng(0)
ROWS, DESCRIPTORS = 600, 40
CAUSE = rng.standard_normal(ROWS)
HALF = np.arange(ROWS) % 2


def described(strength):
    """Descriptors of which three see the cause."""
    noise = rng.standard_normal((ROWS, DESCRIPTORS))
    noise[:, :3] += strength * CAUSE[:, None]
    return noise.astype(np.float32)


def seen(number=4):
    return (CAUSE[:, None] + 0.5 * rng.standard_normal((ROWS, number))).astype(np.float32)


def test_the_score_of_a_channel_follows_what_it_has_in_common_with_others():
    scores = channel_scores(described(1), seen(), HALF)

    assert abs(np.corrcoef(scores, CAUSE)[0, 1]) > 0.75


def test_a_channel_that_tells_nothing_has_scores_that_tell_nothing():
    scores = channel_scores(described(0), seen(), HALF)

    assert abs(np.corrcoef(scores, CAUSE)[0, 1]) < 0.15


def test_two_rows_or_no_other_feature_give_no_scores():
    assert not channel_scores(described(1)[:2], seen()[:2], HALF[:2]).any()
    assert not channel_scores(described(1), seen()[:, :0], HALF).any()


def test_a_missing_channel_has_no_score():
    columns = np.concatenate([seen(), described(1)], axis=1)
    columns[::5, 4:] = np.nan
    feature = np.append(np.arange(4), np.full(DESCRIPTORS, 4))
    scores = feature_scores(columns, feature, np.arange(5) == 4)

    assert np.isnan(scores[::5, 4]).all()
    assert abs(np.corrcoef(np.delete(scores[:, 4], np.s_[::5]), np.delete(CAUSE, np.s_[::5]))[0, 1]) > 0.75
    assert abs(np.nanmean(scores[:, 4])) < 1e-5
    assert np.array_equal(scores[:, :4], columns[:, :4])
