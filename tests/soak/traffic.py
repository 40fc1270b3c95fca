"""Many clients at once: good, bad and abandoned requests, and every answer checked against its own rows."""

import asyncio
import io
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

NPY, RAW, JSON, CSV = "application/x-npy", "application/octet-stream", "application/json", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
V2 = "/v2"
CLIENTS = 24
SIZES = (1, 1, 1, 7, 64, 300)
BAD_BODIES = (b"", b"{", b'{"rows": [[1, 2]]}', b"\x93NUMPY\x01\x00v\x00{", b"x" * 1000, b'{"rows": [[NaN]]}')


@dataclass(frozen=True)
class Pool:
    """Rows with the codes and the status that they must get, whatever they are sent with."""

    rows: np.ndarray
    codes: np.ndarray
    status: np.ndarray
    names: tuple[str, ...]


@dataclass
class Tally:
    """What happened so far; a wrong answer is a text."""

    counts: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def put_traffic(url, model_id, pool, *, seconds, seed=0):
    """Run all clients for a while."""
    tally = Tally()
    ends_at = time.monotonic() + seconds
    # Idle connections are left before the service closes them, after five seconds.
    limits = httpx.Limits(max_connections=2 * CLIENTS, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        tasks = [
            _be_client(client, model_id, pool, tally, np.random.default_rng([seed, number]), ends_at)
            for number in range(CLIENTS)
        ]
        await asyncio.gather(*tasks)
    return tally


async def _be_client(client, model_id, pool, tally, random, ends_at):
    while time.monotonic() < ends_at:
        dice = random.random()
        if dice < 0.1:
            await _send_bad(client, model_id, tally, random)
        elif dice < 0.2:
            await _abandon(client, model_id, pool, tally, random)
        else:
            await _send_good(client, model_id, pool, tally, random)


async def _send_good(client, model_id, pool, tally, random):
    chosen = random.integers(0, len(pool.rows), random.choice(SIZES))
    sent = random.choice(SENT)
    if sent == V2:
        answer, accept = await client.post(**_inference(model_id, pool.rows[chosen])), V2
    else:
        accept = random.choice([*READERS])
        request = _encoding(model_id, pool, chosen, sent, accept)
        answer = await client.post(**request)
    tally.counts[f"{sent} -> {accept}"] += 1
    if answer.status_code != 200:
        tally.wrong.append(f"{sent} -> {accept}: {answer.status_code} {answer.text[:200]}")
        return
    codes, status = _read_inference(answer) if sent == V2 else READERS[accept](answer.content)
    is_right = np.array_equal(codes.reshape(len(chosen), -1), pool.codes[chosen])
    if not is_right or (status is not None and list(status) != pool.status[chosen].tolist()):
        tally.wrong.append(f"{sent} -> {accept}: other codes or status than those of its {len(chosen)} rows")


async def _send_bad(client, model_id, tally, random):
    sent, body = random.choice(SENT[:-2]), BAD_BODIES[random.integers(len(BAD_BODIES))]
    answer = await client.post(_path(model_id), content=body, headers={"content-type": sent})
    tally.counts["bad"] += 1
    kind = answer.headers.get("content-type")
    if answer.status_code not in {400, 422} or kind != "application/problem+json":
        tally.wrong.append(f"a bad body of {sent}: {answer.status_code} {kind}")


async def _abandon(client, model_id, pool, tally, random):
    chosen = random.integers(0, len(pool.rows), 300)
    request = _encoding(model_id, pool, chosen, random.choice(SENT[:-2]), NPY)
    with suppress(TimeoutError):
        await asyncio.wait_for(client.post(**request), random.uniform(0.0005, 0.02))
    tally.counts["abandoned"] += 1


def _path(model_id):
    return f"/v1/models/{model_id}/encodings"


def _encoding(model_id, pool, chosen, sent, accept):
    body = WRITERS[sent](pool.rows[chosen], pool.names)
    return {"url": _path(model_id), "content": body, "headers": {"content-type": sent, "accept": accept}}


def _inference(model_id, rows):
    size = {"binary_data_size": rows.nbytes}
    tensor = {"name": "rows", "datatype": "FP32", "shape": rows.shape, "parameters": size}
    outputs = [{"name": "codes", "parameters": {"binary_data": True}}, {"name": "status"}]
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    return {"url": f"/v2/models/{model_id}/infer", "content": head + rows.tobytes(), "headers": headers}


def _read_inference(answer):
    size = int(answer.headers["inference-header-content-length"])
    status = json.loads(answer.content[:size])["outputs"][1]["data"]
    return np.frombuffer(answer.content[size:], "<i8"), status


def _write_json(rows, _names):
    cells = [[None if np.isnan(cell) else cell for cell in row] for row in rows.astype(float).tolist()]
    # JSON knows no infinity, but numbers beyond what the service computes with.
    text = json.dumps({"rows": cells}).replace("-Infinity", "-1e39").replace("Infinity", "1e39")
    return text.encode()


def _write_npy(rows, _names):
    body = io.BytesIO()
    np.save(body, rows)
    return body.getvalue()


def _table(rows, names):
    return pa.table({name: rows[:, index] for index, name in enumerate(names)}).select(names[::-1])


def _write_csv(rows, names):
    body = io.BytesIO()
    csv.write_csv(_table(rows, names), body)
    return body.getvalue().replace(b"nan", b"")


def _write_arrow(rows, names):
    body = io.BytesIO()
    table = _table(rows, names)
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    return body.getvalue()


def _write_parquet(rows, names):
    body = io.BytesIO()
    parquet.write_table(_table(rows, names), body)
    return body.getvalue()


def _read_json(body):
    document = json.loads(body)
    return np.array(document["codes"]), document["status"]


def _read_table(table):
    tokens = [name for name in table.column_names if "." in name]
    return np.stack([table[name].to_numpy() for name in tokens], axis=1), table["status"].to_pylist()


WRITERS = {
    JSON: _write_json,
    NPY: _write_npy,
    RAW: lambda rows, _names: rows.tobytes(),
    CSV: _write_csv,
    ARROW: _write_arrow,
    PARQUET: _write_parquet,
}
READERS = {
    JSON: _read_json,
    NPY: lambda body: (np.load(io.BytesIO(body)), None),
    RAW: lambda body: (np.frombuffer(body, "<i8"), None),
    CSV: lambda body: _read_table(csv.read_csv(io.BytesIO(body))),
    ARROW: lambda body: _read_table(pa.ipc.open_stream(body).read_all()),
    PARQUET: lambda body: _read_table(parquet.read_table(io.BytesIO(body))),
}
# Parquet comes seldom: each body is read in a process of its own.
SENT = [JSON, NPY, RAW, CSV, ARROW] * 5 + [V2, PARQUET]
