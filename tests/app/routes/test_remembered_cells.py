"""What was said of the cells of a dataset holds for the rows that its models encode."""

import io

import numpy as np
import pytest

from app.formats import Format

CSV = {"content-type": "text/csv"}
READING = {"na_values": ["-", -999], "date_order": "day"}


@pytest.fixture(scope="module")
def remembering(api):
    """A model of a date and two numbers, of whose dataset something was said."""
    return api.model(origins=["2026-02-01T00:00:00", None, None], reading=READING)


@pytest.fixture(scope="module")
def expected(client, remembering):
    """Encodings of a row without its numbers, and of a whole one."""
    rows = {"rows": [[0, None, None], [2, 3, 4]]}
    answer = client.post(f"/v1/models/{remembering}/encodings", json=rows).json()
    assert answer["status"] == ["imputed", "ok"]
    return answer


def test_it_is_told_of_dataset_and_model(client, remembering):
    answer = client.post(
        "/v1/datasets",
        content="a,b\n1,2\n3,x\n",
        headers=CSV,
        params={"na_values": '["x",-9]', "date_order": "month"},
    )
    assert answer.json()["reading"] == {"na_values": ["x", -9], "date_order": "month"}
    stored = client.get(answer.headers["location"]).json()
    assert stored["reading"] == answer.json()["reading"]
    assert client.get(f"/v1/models/{remembering}").json()["reading"] == READING


def test_words_numbers_and_the_order_of_dates_are_remembered(client, remembering, expected):
    path = f"/v1/models/{remembering}/encodings"
    text = "a,b,c\n01/02/2026,-,-999\n01/02/2026 00:00:02,3,4\n"
    assert client.post(path, content=text, headers=CSV).json() == expected
    rows = [["01/02/2026", "-", -999], ["01/02/2026 00:00:02", 3, 4]]
    assert client.post(path, json={"rows": rows}).json() == expected


def test_more_may_be_said_and_an_order_be_changed(client, remembering, expected):
    path = f"/v1/models/{remembering}/encodings"
    text = "a,b,c\n02/01/2026,?,-999\n02/01/2026 00:00:02,3,4\n"
    more = {"na_values": '["?"]', "date_order": "month"}
    assert client.post(path, content=text, headers=CSV, params=more).json() == expected


@pytest.mark.parametrize("query", [{}, {"na_values": "[]"}], ids=["fast path", "route"])
@pytest.mark.parametrize("kind", [Format.NPY, Format.RAW])
def test_numbers_for_missing_cells_are_remembered_in_arrays(client, remembering, expected, kind, query):
    rows = np.array([[0, -999, -999], [2, 3, 4]], "<f4")
    body = io.BytesIO()
    np.save(body, rows)
    content = body.getvalue() if kind is Format.NPY else rows.tobytes()
    headers = {"content-type": kind.value, "accept": "application/json"}
    path = f"/v1/models/{remembering}/encodings"
    assert client.post(path, content=content, headers=headers, params=query).json() == expected


def test_a_time_is_never_such_a_number(client, remembering):
    path = f"/v1/models/{remembering}/encodings"
    assert client.post(path, json={"rows": [[-999, 3, 4]]}).json()["status"] == ["ok"]
    body = io.BytesIO()
    np.save(body, np.array([[-999, 3, 4]], "<f4"))
    headers = {"content-type": Format.NPY.value, "accept": "application/json"}
    assert client.post(path, content=body.getvalue(), headers=headers).json()["status"] == ["ok"]


def test_tensors_are_read_alike(client, remembering, expected):
    def infer(*tensors):
        answer = client.post(f"/v2/models/{remembering}/infer", json={"inputs": tensors})
        assert answer.status_code == 200, answer.text
        return np.reshape(answer.json()["outputs"][0]["data"], (-1, 2)).tolist()

    numbers = {"datatype": "FP32", "shape": [2]}
    dates = {"name": "a", "datatype": "BYTES", "shape": [2], "data": ["01/02/2026", "01/02/2026 00:00:02"]}
    b = {"name": "b", "datatype": "BYTES", "shape": [2], "data": ["-", "3"]}
    c = {"name": "c", **numbers, "data": [-999, 4]}
    assert infer(dates, b, c) == expected["codes"]
    rows = {"name": "rows", "datatype": "FP32", "shape": [2, 3], "data": [0, -999, -999, 2, 3, 4]}
    assert infer(rows) == expected["codes"]
