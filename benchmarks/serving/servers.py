"""The servers that are compared: how each is started, asked and understood."""

import json
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.frozen_model import STREAMS

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".venv-peers" / "bin" / "python"
KSERVE_HEAD_BYTES = 256
OURS, OURS_JSON, OURS_304 = "catvq, raw", "catvq, JSON", "catvq, grouping, 304"
OURS_V2, OURS_V2_DOUBT = "catvq, /v2", "catvq, /v2 with doubt"
OURS_ALIAS, OURS_ROUTE = "catvq, raw, by alias", "catvq, raw, by the route"
ALIAS = "bench"
MOSEC, LITSERVE, BENTOML = "mosec, msgpack", "LitServe, JSON", "BentoML, JSON"
USUAL = "FastAPI, pydantic, torch"
FASTAPI_HELLO, ASGI_HELLO = "hello world, FastAPI", "hello world, bare ASGI"

_UVICORN = [sys.executable, "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log"]
_OURS = [sys.executable, "-m", "app"]  # its port is in its environment

Rows = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Server:
    """One server, and one way to ask it.

    Args:
        command: With `{port}` where its port belongs.
        path: With `{id}` for the model's id.
        write: Rows to a body; None where it is asked for no rows.
        read: An answer's body to codes.
    """

    command: list[str]
    path: str = "/encode"
    headers: dict[str, str] = field(default_factory=dict)
    write: Callable[[Rows], bytes] | None = None
    read: Callable[[bytes], Codes] | None = None


def request_of(server: Server, model_id: str, rows: Rows | None) -> bytes:
    """Return the bytes of one request."""
    body = b"" if server.write is None or rows is None else server.write(rows)
    head = f"{'POST' if body else 'GET'} {server.path.format(id=model_id)} HTTP/1.1\r\nHost: localhost\r\n"
    headers = {**server.headers, **({"Content-Length": str(len(body))} if body else {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}{lines}\r\n".encode() + body


def _json(rows: Rows) -> bytes:
    return json.dumps({"rows": rows.tolist()}).encode()


def _from_json(body: bytes) -> Codes:
    document = json.loads(body)
    return np.array(document["codes"] if isinstance(document, dict) else document, np.int64)


def _raw(rows: Rows) -> bytes:
    return rows.tobytes()


def _from_raw(body: bytes) -> Codes:
    return np.frombuffer(body, "<i8").reshape(-1, STREAMS)


def _msgpack(rows: Rows) -> bytes:
    body = rows.tobytes()
    return b"\xc6" + struct.pack(">I", len(body)) + body  # one string of bytes


def _from_msgpack(body: bytes) -> Codes:
    return _from_raw(body[{0xC4: 2, 0xC5: 3, 0xC6: 5}[body[0]] :])


def _kserve(rows: Rows) -> bytes:
    return _kserve_of(rows, {"outputs": [{"name": "codes", "parameters": {"binary_data": True}}]})


def _kserve_with_doubt(rows: Rows) -> bytes:
    return _kserve_of(rows, {"parameters": {"binary_data_output": True}})  # all that JSON answers


def _kserve_of(rows: Rows, wanted: dict[str, object]) -> bytes:
    size = {"binary_data_size": rows.nbytes}
    tensor = {"name": "rows", "shape": rows.shape, "datatype": "FP32", "parameters": size}
    head = json.dumps({"inputs": [tensor], **wanted}).encode()
    return head.ljust(KSERVE_HEAD_BYTES) + rows.tobytes()


def _from_kserve(body: bytes) -> Codes:
    document, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    return _from_raw(body[end : end + document["outputs"][0]["parameters"]["binary_data_size"]])


def _peer(name: str) -> list[str]:
    return [str(PEERS), str(HERE / "peers" / f"{name}.py"), "{port}"]


_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_RAW = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
_KSERVE = {"Inference-Header-Content-Length": str(KSERVE_HEAD_BYTES)}
_ENCODINGS = "/v1/models/{id}/encodings"
SERVERS = {
    OURS: Server(_OURS, _ENCODINGS, _RAW, _raw, _from_raw),
    OURS_ALIAS: Server(_OURS, f"/v1/models/@{ALIAS}/encodings", _RAW, _raw, _from_raw),
    OURS_ROUTE: Server(
        _OURS, _ENCODINGS, _RAW | {"Accept": "*/*;q=0.1, application/octet-stream"}, _raw, _from_raw
    ),
    OURS_JSON: Server(_OURS, _ENCODINGS, _JSON, _json, _from_json),
    OURS_V2: Server(_OURS, "/v2/models/{id}/infer", _KSERVE, _kserve, _from_kserve),
    OURS_V2_DOUBT: Server(_OURS, "/v2/models/{id}/infer", _KSERVE, _kserve_with_doubt, _from_kserve),
    OURS_304: Server(_OURS, "/v1/models/{id}/grouping", {"If-None-Match": "*"}),
    MOSEC: Server(_peer("mosec_server"), "/inference", {}, _msgpack, _from_msgpack),
    LITSERVE: Server(_peer("litserve_server"), "/predict", _JSON, _json, _from_json),
    BENTOML: Server(_peer("bentoml_server"), "/encode", _JSON, _json, _from_json),
    USUAL: Server(
        [*_UVICORN, "benchmarks.serving.peers.usual_server:app"], "/encode", _JSON, _json, _from_json
    ),
    FASTAPI_HELLO: Server([*_UVICORN, "benchmarks.serving.peers.hello:fastapi_app"], "/"),
    ASGI_HELLO: Server([*_UVICORN, "benchmarks.serving.peers.hello:bare_app"], "/"),
}
