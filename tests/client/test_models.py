import io
import json

import numpy as np
import pandas as pd
import pytest
from catvq_client import Client, UnexpectedAnswerError
from catvq_client.models import ROWS_PER_REQUEST


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def codes(answer, values):
    return answer(200, content=npy(np.asarray(values)))


def test_rows_are_sent_and_codes_are_received_in_binary(scripted, answer):
    scripted.answers = [codes(answer, np.array([[1, 2]], np.int32))]
    with Client(scripted.url) as client:
        found = client.models.encode("@best", np.array([[0.5, np.nan]]))
    np.testing.assert_array_equal(found, [[1, 2]])
    assert found.dtype == np.int64
    (request,) = scripted.requests
    assert request.path == "/v1/models/@best/encodings"
    assert (request.headers["Content-Type"], request.headers["Accept"]) == ("application/x-npy",) * 2


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame])
def test_many_rows_are_sent_in_several_requests_and_stay_in_order(scripted, answer, kind):
    rows = np.arange(2 * ROWS_PER_REQUEST + 5, dtype=np.float32).reshape(-1, 1)
    scripted.answers = [codes(answer, [[number]]) for number in range(3)]
    with Client(scripted.url) as client:
        found = client.models.encode("model_1", kind(rows))
    assert found.ravel().tolist() == [0, 1, 2]
    sent = [np.load(io.BytesIO(request.body)) for request in scripted.requests]
    assert [len(part) for part in sent] == [ROWS_PER_REQUEST, ROWS_PER_REQUEST, 5]
    np.testing.assert_array_equal(np.concatenate(sent), rows)


def test_no_rows_at_all_are_still_for_the_service_to_judge(scripted, answer):
    scripted.answers = [codes(answer, np.zeros((0, 2), np.int64))]
    with Client(scripted.url) as client:
        assert client.models.encode("model_1", np.zeros((0, 3))).shape == (0, 2)
    assert len(scripted.requests) == 1


def test_an_answer_that_is_no_array_is_named(scripted, answer):
    scripted.answers = [answer(200, {"codes": []})]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match="NPY"):
        client.models.encode("model_1", np.zeros((1, 1)))


def test_pickles_in_an_answer_are_never_loaded(scripted, answer):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    scripted.answers = [answer(200, content=buffer.getvalue())]
    with Client(scripted.url) as client, pytest.raises(UnexpectedAnswerError, match="NPY"):
        client.models.encode("model_1", np.zeros((1, 1)))


def test_codes_are_decoded_to_rows(scripted, answer):
    scripted.answers = [codes(answer, np.array([[0.5, 1.5]]))]
    with Client(scripted.url) as client:
        rows = client.models.decode("model_1", np.array([[3, 4]]))
    assert rows.tolist() == [[0.5, 1.5]]
    assert json.loads(scripted.requests[0].body) == {"codes": [[3, 4]]}


def test_an_alias_is_moved_only_from_the_version_that_was_seen(scripted, answer):
    scripted.answers = [answer(200, {"name": "best", "model": "model_1", "version": 2})]
    with Client(scripted.url) as client:
        assert client.aliases.put("best", "model_1", if_match='"1"').version == 2
    (request,) = scripted.requests
    assert (request.method, request.path, request.headers["If-Match"]) == ("PUT", "/v1/aliases/best", '"1"')
