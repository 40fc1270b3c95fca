"""The transformer of scikit-learn trains and encodes through a service."""

import numpy as np
import pandas as pd
from catvq_client.sklearn import CatvqTransformer

from tests.client.service.conftest import COLUMNS


def test_a_service_trains_and_encodes_for_a_transformer(service, client, values):
    config = {
        "model": {"levels": 1, "hidden_dim": 8, "embedding_dim": 4},
        "assignment": {"mode": "static"},
        "report": {"baselines": False},
    }
    frame = pd.DataFrame(values, columns=COLUMNS)
    transformer = CatvqTransformer(service.url, categories=2, epochs=1, config=config).fit(frame)

    assert client.models.get(transformer.model_id_).features == tuple(COLUMNS)
    codes = transformer.transform(frame)
    np.testing.assert_array_equal(codes, client.models.encode(transformer.model_id_, values))
    assert codes.shape == (len(values), len(transformer.get_feature_names_out()))
    rows = transformer.inverse_transform(codes)
    np.testing.assert_array_equal(rows, client.models.decode(transformer.model_id_, codes))
