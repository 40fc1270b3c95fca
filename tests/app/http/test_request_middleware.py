"""What every request passes, whatever answers it."""

import asyncio
import json

import httpx

from app.http.connections import ConnectionLimit
from app.http.request_middleware import RequestMiddleware
from app.process.metrics import Telemetry
from app.settings import ApiSettings
from worker.contract.json_logs import JsonLines


async def broken(_scope, _receive, _send):
    raise RuntimeError("broken\nin two lines")


def test_what_is_logged_during_a_request_names_it(caplog):
    caplog.handler.setFormatter(JsonLines())

    settings = ApiSettings()

    async def ask():
        transport = httpx.ASGITransport(
            RequestMiddleware(broken, settings, ConnectionLimit(settings), Telemetry())
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/x", headers={"x-request-id": "mine-1"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine-1")
    line = next(
        json.loads(line) for line in caplog.text.splitlines() if "app.http.request_middleware" in line
    )
    assert (line["level"], line["request_id"]) == ("error", "mine-1")
    assert "RuntimeError: broken\nin two lines" in line["trace"]
