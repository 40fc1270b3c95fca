"""The Open Inference Protocol, as its most used client speaks it, and as anybody may by hand."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

ROWS = np.array([[-1, 0, 2], [3, 4, 4], [3, 4, np.nan], [np.inf, 0, 0]], np.float32)
CODES = [[0, 0], [1, 2], [1, 1], [-1, -1]]
STATUS = ["ok", "ok", "imputed", "invalid"]
BINARY = {"inference-header-content-length": "2"}


@pytest.fixture(scope="module")
def server(api):
    with triton.InferenceServerClient(f"127.0.0.1:{api.client.base_url.port}") as client:
        yield client


def rows_input(rows, *, is_binary=True):
    tensor = triton.InferInput("rows", rows.shape, "FP32")
    return tensor.set_data_from_numpy(rows, binary_data=is_binary)


def codes_output(*, is_binary=True):
    return triton.InferRequestedOutput("codes", binary_data=is_binary)


def infer(client, model_id, **body):
    return client.post(f"/v2/models/{model_id}/infer", json=body)


def described(**changes):
    return {"name": "rows", "datatype": "FP32", "shape": [1, 3], "data": [3, 4, 4]} | changes


def test_an_id_that_cannot_be_seen_is_not_sent_back(client, model_id):
    refused = infer(client, model_id, id="a\u202eb", inputs=[described()])
    assert (refused.status_code, "U+202E" in refused.json()["error"]) == (422, True)
    assert infer(client, model_id, id="größer 長", inputs=[described()]).json()["id"] == "größer 長"


@pytest.mark.parametrize("is_binary", [True, False])
def test_the_short_way_gives_the_bytes_of_the_long_one(server, client, model_id, is_binary):
    body, json_bytes = server.generate_request_body(
        [rows_input(ROWS)], outputs=[codes_output(is_binary=is_binary)]
    )
    headers = {"inference-header-content-length": str(json_bytes)}
    first = client.post(f"/v2/models/{model_id}/infer", content=body, headers=headers)  # loads the model
    short = client.post(f"/v2/models/{model_id}/infer", content=body, headers=headers)
    long = client.post(f"/v2/models/{model_id}/versions/1/infer", content=body, headers=headers)
    assert first.status_code == 200
    assert short.content == long.content
    dropped = {"date", "x-request-id"}
    assert {name: value for name, value in short.headers.items() if name not in dropped} == {
        name: value for name, value in long.headers.items() if name not in dropped
    }


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 5000, str(1 << 62)])
def test_a_length_of_json_that_is_none_is_refused(client, model_id, length):
    infer(client, model_id, inputs=[described()])  # loads the model
    headers = {"inference-header-content-length": length}
    answer = client.post(f"/v2/models/{model_id}/infer", content=b"{}", headers=headers)
    assert 400 <= answer.status_code < 500


def test_a_server_and_its_models_say_that_they_are_ready(server, model_id):
    assert server.is_server_live()
    assert server.is_server_ready()
    assert server.is_model_ready(model_id)
    assert server.is_model_ready(model_id, "1")
    assert not server.is_model_ready(model_id, "2")
    assert not server.is_model_ready("model_0")
    assert server.get_server_metadata()["name"] == "catvq"


def test_a_model_tells_the_form_of_its_tensors(server, model_id):
    form = server.get_model_metadata(model_id)
    assert (form["name"], form["versions"]) == (model_id, ["1"])
    assert form["inputs"] == [{"name": "rows", "datatype": "FP32", "shape": [-1, 3]}]
    shapes = {output["name"]: (output["datatype"], output["shape"]) for output in form["outputs"]}
    assert shapes == {
        "codes": ("INT64", [-1, 2]),
        "reconstruction_error": ("FP32", [-1]),
        "distance_percentile": ("FP64", [-1]),
        "status": ("BYTES", [-1]),
    }


def test_binary_rows_become_binary_codes(server, model_id):
    answer = server.infer(
        model_id, [rows_input(ROWS)], model_version="1", outputs=[codes_output()], request_id="mine"
    )
    codes = answer.as_numpy("codes")
    assert (codes.dtype, codes.tolist()) == (np.int64, CODES)
    assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("mine", "1")


def test_all_outputs_come_when_none_is_named(server, model_id):
    answer = server.infer(model_id, [rows_input(ROWS)])
    assert answer.as_numpy("codes").tolist() == CODES
    assert [word.decode() for word in answer.as_numpy("status")] == STATUS
    for output in ("reconstruction_error", "distance_percentile"):
        assert np.nan_to_num(answer.as_numpy(output), nan=-1).tolist() == [0, 0, 0, -1]


def test_values_may_come_and_go_within_the_json(server, model_id):
    rows = ROWS[:2]
    names = ("codes", "reconstruction_error", "distance_percentile", "status")
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in names]
    answer = server.infer(model_id, [rows_input(rows, is_binary=False)], outputs=outputs)
    assert answer.as_numpy("codes").tolist() == CODES[:2]
    assert answer.as_numpy("status").tolist() == STATUS[:2]
    assert answer.as_numpy("distance_percentile").tolist() == [0, 0]


def test_binary_and_json_outputs_may_be_mixed(server, model_id):
    outputs = [triton.InferRequestedOutput("status", binary_data=False), codes_output()]
    answer = server.infer(model_id, [rows_input(ROWS)], outputs=outputs)
    assert (answer.as_numpy("codes").tolist(), answer.as_numpy("status").tolist()) == (CODES, STATUS)


def test_values_of_json_may_be_nested_and_null(client, model_id):
    nested = infer(client, model_id, inputs=[described(data=[[3, 4, None]])]).json()
    flat = infer(client, model_id, inputs=[described(data=[3, 4, None])]).json()
    assert nested == flat
    values = {output["name"]: output["data"] for output in nested["outputs"]}
    assert values == {
        "codes": [1, 1],
        "reconstruction_error": [0.0],
        "distance_percentile": [0.0],
        "status": ["imputed"],
    }


def test_the_version_of_an_alias_counts_its_moves(api, server, client, model_id):
    client.put("/v1/aliases/inferred", json={"model": model_id})
    client.put("/v1/aliases/inferred", json={"model": api.model()})
    client.put("/v1/aliases/inferred", json={"model": model_id})
    assert server.get_model_metadata("@inferred")["versions"] == ["3"]
    answer = server.infer("@inferred", [rows_input(ROWS)], model_version="3", outputs=[codes_output()])
    assert answer.as_numpy("codes").tolist() == CODES
    with pytest.raises(InferenceServerException, match="has the version 3"):
        server.infer("@inferred", [rows_input(ROWS)], model_version="2")


def test_an_error_is_a_problem_whose_text_the_client_finds(server, client, model_id):
    with pytest.raises(InferenceServerException, match="are not whole rows of 3"):
        server.infer(model_id, [rows_input(ROWS[:, :2])])
    answer = infer(client, "model_0", inputs=[described()])
    document = answer.json()
    assert (answer.status_code, document["error"]) == (404, document["detail"])
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "x"}, "missing_column"),
        ({"datatype": "BF16"}, "invalid_field"),
        ({"datatype": "BYTES"}, "invalid_field"),
        ({"shape": [3]}, "wrong_shape"),
        ({"shape": [2, 3]}, "wrong_shape"),
        ({"shape": [0, 3], "data": []}, "no_rows"),
        ({"data": [3, 4]}, "wrong_width"),
        ({"data": [3, 4, "4"]}, "not_numeric"),
        ({"data": [[3, 4, 4], 5]}, "invalid_type"),
        ({"data": None}, "invalid_input"),
        ({"parameters": {"binary_data_size": 12}}, "invalid_input"),
        ({"parameters": {"shared_memory_region": "x"}, "data": None}, "invalid_input"),
    ],
)
def test_an_input_of_another_form_is_refused(client, model_id, changes, code):
    answer = infer(client, model_id, inputs=[described(**changes)])
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_an_output_that_there_is_not_is_named(client, model_id):
    answer = infer(client, model_id, inputs=[described()], outputs=[{"name": "x"}])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "outputs.0.name")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"inputs": NaN}', b"[" * 5000])
@pytest.mark.parametrize("headers", [{}, BINARY])
def test_what_cannot_be_read_is_no_failure(client, model_id, content, headers):
    answer = client.post(f"/v2/models/{model_id}/infer", content=content, headers=headers)
    assert answer.status_code == (422 if content == b"{}" else 400)


def test_bytes_that_were_not_announced_are_refused(client, model_id):
    path = f"/v2/models/{model_id}/infer"
    head = (
        b'{"inputs":[{"name":"rows","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}}]}'
    )
    headers = {"inference-header-content-length": str(len(head))}
    assert client.post(path, content=head + bytes(12), headers=headers).status_code == 200
    assert client.post(path, content=head + bytes(13), headers=headers).status_code == 400
    assert client.post(path, content=head + bytes(11), headers=headers).status_code == 400


def test_too_much_is_too_large(server, client, model_id):
    rows = np.zeros((1001, 3), np.float32)
    with pytest.raises(InferenceServerException, match="more than 1000 rows"):
        server.infer(model_id, [rows_input(rows)])
    path = f"/v2/models/{model_id}/infer"
    assert client.post(path, content=b" " * (1 << 19)).status_code == 413
    headers = {"inference-header-content-length": str(1 << 19)}
    assert client.post(path, content=b" ", headers=headers).status_code == 413


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "INT32", "INT64", "UINT8", "UINT64"])
@pytest.mark.parametrize("is_binary", [True, False])
def test_numbers_of_every_type_are_cast(server, model_id, datatype, is_binary):
    rows = np.nan_to_num(ROWS[1:2]).astype(triton_to_np_dtype(datatype))
    tensor = triton.InferInput("rows", rows.shape, datatype)
    tensor.set_data_from_numpy(rows, binary_data=is_binary)
    answer = server.infer(model_id, [tensor], outputs=[codes_output()], request_compression_algorithm="gzip")
    assert answer.as_numpy("codes").tolist() == [CODES[1]]


def test_what_other_clients_add_is_ignored(client, model_id):
    plain = infer(client, model_id, inputs=[described()]).json()
    added = {"model_name": model_id, "parameters": {"content_type": "pd", "headers": {}}, "outputs": None}
    tensor = described(parameters={"content_type": "np"}) | {"extra": None}
    assert infer(client, model_id, inputs=[tensor], **added).json() == plain
    assert infer(client, model_id, inputs=[described(parameters=None)], parameters=None).json() == plain


def column(name, data, **more):
    return {"name": name, "datatype": "FP64", "shape": [len(data), 1], "data": data} | more


def test_each_column_may_be_a_tensor(client, model_id):
    columns = [column("c", [4]), column("a", [3]), column("other", ["x"], datatype="BYTES"), column("b", [4])]
    answer = infer(client, model_id, inputs=columns)
    assert (
        answer.json()["outputs"]
        == infer(client, model_id, inputs=[described(data=[3, 4, 4])]).json()["outputs"]
    )

    missing = infer(client, model_id, inputs=columns[:2])
    assert (missing.status_code, missing.json()["errors"][0]["column"]) == (422, "b")
    ragged = infer(client, model_id, inputs=[*columns[:3], column("b", [4, 5])])
    assert (ragged.status_code, ragged.json()["code"]) == (422, "ragged_row")
    twice = infer(client, model_id, inputs=[*columns, column("a", [5])])
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "inputs.4")
    text = infer(client, model_id, inputs=[*columns[:3], column("b", ["x"], datatype="BYTES")])
    assert (text.status_code, text.json()["errors"][0]["column"]) == (422, "b")
