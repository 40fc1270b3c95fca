"""Bodies that other clients of the Open Inference Protocol send: captured from their own code.

KServe 0.21.0 (InferRequest.to_rest), MLServer 1.7.1 (NumpyRequestCodec, PandasCodec). Both are too heavy, and
too strict about versions, to be installed beside the service. Tritonclient is: see test_inference.
"""

import numpy as np
import pytest

ROWS = [[-1, 0, 2], [3, 4, 4]]
KSERVE_HEAD = (
    b'{"id":"r1","model_name":"model","inputs":[{"name":"input-0","shape":[2,3],"datatype":"FP64",'
    b'"parameters":{"binary_data_size":48}}],"outputs":[{"name":"codes","parameters":{"binary_data":true}}]}'
)
KSERVE_TAIL = (
    b"\x00\x00\x00\x00\x00\x00\xf0\xbf\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@"
    b"\x00\x00\x00\x00\x00\x00\x08@\x00\x00\x00\x00\x00\x00\x10@\x00\x00\x00\x00\x00\x00\x10@"
)
KSERVE_JSON = (
    b'{"id":"r1","model_name":"model","inputs":[{"name":"input-0","shape":[2,3],"datatype":"FP64",'
    b'"data":[-1.0,0.0,2.0,3.0,4.0,4.0]}],"outputs":[{"name":"codes","parameters":{"binary_data":false}}]}'
)
MLSERVER_NUMPY = (
    b'{"parameters":{"content_type":"np"},"inputs":[{"name":"input-1","shape":[2,3],"datatype":"FP64",'
    b'"parameters":{"content_type":"np"},"data":[-1.0,0.0,2.0,3.0,4.0,4.0]}]}'
)
MLSERVER_PANDAS = (
    b'{"parameters":{"content_type":"pd"},"inputs":[{"name":"a","shape":[2,1],"datatype":"FP64","data":'
    b'[-1.0,3.0]},{"name":"b","shape":[2,1],"datatype":"FP64","data":[0.5,null]},'
    b'{"name":"c","shape":[2,1],"datatype":"INT64","data":[2,4]}]}'
)


def codes_of(client, model_id, rows):
    codes = client.post(f"/v1/models/{model_id}/encodings", json={"rows": rows}).json()["codes"]
    return np.ravel(codes).tolist()


@pytest.mark.parametrize("body", [KSERVE_JSON, MLSERVER_NUMPY])
def test_one_tensor_without_a_name_of_its_own_holds_the_rows(client, model_id, body):
    headers = {"content-type": "application/json"}
    answer = client.post(f"/v2/models/{model_id}/infer", content=body, headers=headers).json()
    assert answer["outputs"][0]["data"] == codes_of(client, model_id, ROWS)


def test_kserve_sends_and_gets_bytes_behind_the_json(client, model_id):
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(KSERVE_HEAD)),
        "accept-encoding": "gzip, deflate",
    }
    path = f"/v2/models/{model_id}/infer"
    answer = client.post(path, content=KSERVE_HEAD + KSERVE_TAIL, headers=headers)
    codes = np.frombuffer(answer.content[int(answer.headers["inference-header-content-length"]) :], "<i8")
    assert codes.tolist() == codes_of(client, model_id, ROWS)


def test_mlserver_sends_a_frame_column_by_column(client, model_id):
    headers = {"content-type": "application/json"}
    answer = client.post(f"/v2/models/{model_id}/infer", content=MLSERVER_PANDAS, headers=headers).json()
    expected = codes_of(client, model_id, [[-1, 0.5, 2], [3, None, 4]])
    assert answer["outputs"][0]["data"] == expected
