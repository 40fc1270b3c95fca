"""The transformer keeps scikit-learn's rules; it trains in this process here."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from catvq_client.sklearn import CatvqTransformer
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import check_estimator

TINY = {
    "model": {"levels": 1, "hidden_dim": 4, "embedding_dim": 2},
    "assignment": {"mode": "static"},
    "training": {"validation_fraction": 0, "test_fraction": 0, "device": "cpu"},
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(5)
    causes = random.normal(size=(60, 2)).repeat(2, axis=1)
    values = causes + random.normal(size=(60, 4)) / 10
    values[3, 0] = np.nan
    return pd.DataFrame(values, columns=["a", "b", "c", "d"])


def tiny(**parameters):
    return CatvqTransformer(categories=2, epochs=1, config=TINY, **parameters)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")  # the checks warn, of feature names and skipped checks
def test_every_check_of_scikit_learn_passes():
    # Of array libraries other than numpy it is only checked where an environment variable asks for that.
    results = check_estimator(tiny(), on_skip=None)
    assert len(results) > 30
    not_passed = {result["check_name"] for result in results if result["status"] != "passed"}
    assert not_passed <= {"check_array_api_input"}


def test_rows_become_codes_and_codes_rows(frame):
    transformer = tiny().set_output(transform="pandas")
    codes = transformer.fit_transform(frame)

    assert list(codes.columns) == list(transformer.get_feature_names_out())
    assert len(codes.columns) == 2
    rows = transformer.inverse_transform(codes)
    assert rows.shape == frame.shape
    assert np.isfinite(rows).all()
    assert [feature["name"] for feature in transformer.grouping_["features"]] == ["a", "b", "c", "d"]
    again = pickle.loads(pickle.dumps(transformer)).set_output(transform="default")
    np.testing.assert_array_equal(again.transform(frame), codes)


def test_it_is_a_step_of_a_pipeline(frame):
    labels = frame["c"] > 0
    pipeline = make_pipeline(tiny(), OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    assert clone(pipeline).fit(frame, labels).score(frame, labels) > 0.8


def test_rows_that_cannot_be_learnt_from_are_refused_as_scikit_learn_does(frame):
    with pytest.raises(ValueError, match=r"n_samples=60, n_features=2: none of the 2 features varies"):
        tiny().fit(np.ones((60, 2)))
    with pytest.raises(ValueError, match="infinity"):
        tiny().fit(frame.replace(frame.iloc[0, 1], np.inf))
    with pytest.raises(ValueError, match="feature names should match"):
        tiny().fit(frame).transform(frame.rename(columns={"a": "z"}))
