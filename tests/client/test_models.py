import io
import json

import numpy as np
import pandas as pd
import pytest
from catvq_client import Client, UnexpectedAnswerError
from catvq_client.tables.rows import ROWS_PER_REQUEST


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def codes(answer, values):
    return answer(200, content=npy(np.asarray(values)))


def model(answer, *features):
    described = {"id": "model_1", "digest": "d", "job": "j", "dataset": "ds", "features": features}
    rest = {
        "created_at": "2026-01-01T12:00:00Z",
        "values": [],
        "origins": [],
        "categories": [],
        "levels": 1,
        "codebook_size": [],
    }
    return answer(200, described | rest | {"metrics": {}})


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
    if kind is pd.DataFrame:
        scripted.answers.insert(0, model(answer, "0"))
    with Client(scripted.url) as client:
        found = client.models.encode("model_1", kind(rows))
    assert found.ravel().tolist() == [0, 1, 2]
    sent = [np.load(io.BytesIO(request.body)) for request in scripted.requests if request.body]
    assert [len(part) for part in sent] == [ROWS_PER_REQUEST, ROWS_PER_REQUEST, 5]
    np.testing.assert_array_equal(np.concatenate(sent), rows)


def test_columns_are_put_in_order_here_however_many_they_are(scripted, answer):
    names = [f"a long name, number {index}" for index in range(400)]  # more than a URL holds
    frame = pd.DataFrame([range(401), range(401)], columns=["left out", *names[::-1]])
    scripted.answers = [model(answer, *names), codes(answer, [[1]])]
    with Client(scripted.url) as client:
        client.models.encode("@best", frame)
        client.models.encode("model_1", frame)  # known by now
    described, first, second = scripted.requests
    assert described.path == "/v1/models/@best"
    assert first.path == second.path == "/v1/models/model_1/encodings"
    expected = np.arange(400, 0, -1)
    np.testing.assert_array_equal(np.load(io.BytesIO(first.body)), [expected, expected])


@pytest.mark.parametrize("names", [["a"], ["a", "x"], ["a", "b", "b"]])
def test_columns_that_do_not_fit_are_for_the_service_to_judge(scripted, answer, names):
    scripted.answers = [model(answer, "a", "b"), codes(answer, [[1]])]
    with Client(scripted.url) as client:
        client.models.encode("model_1", np.zeros((1, len(names))), columns=names)
    assert "columns=" in scripted.requests[1].path


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
