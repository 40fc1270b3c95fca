"""What the API's tests share: a real server, a client, and what a worker would make."""

import asyncio
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest
import uvloop

from app import server
from app.embedded.ports import free_port
from app.main import create_app
from app.settings import ApiSettings
from app.tables.table import TableLimits
from tests.app.common_requests import encode
from tests.app.hand_model import DOCUMENT, GROUPING, write_model
from worker.store import Progress, Store, WorkerRecord


@dataclass
class Api:
    """A running API: its client, its store, and how to make what a worker would make."""

    client: httpx.Client
    store: Store
    app: object

    def half_done(self):
        """What uploads have left on the disk so far, apart from datasets."""
        files = (path for path in self.store.spool_dir.rglob("*") if path.is_file())
        return [path for path in files if path.name != ".lock"]

    def dataset(self, rows=32, seed=0, name=None):
        values = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
        text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in values.tolist())
        params = {} if name is None else {"name": name}
        answer = self.client.post(
            "/v1/datasets", content=text, params=params, headers={"content-type": "text/csv"}
        )
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"]

    def job(self, **fields):
        answer = self.client.post("/v1/jobs", json={"dataset": self.dataset()} | fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def running_job(self, epochs=3, recorded=2, **fields):
        """A job that some worker has claimed, with some of its epochs recorded; returns the claim."""
        job_id = self.job(training={"epochs": epochs}, **fields)
        claim = self.store.leases.claim(job_id, "tester", threads=1)
        for epoch in range(1, recorded + 1):
            self.record(claim, epoch, epochs)
        return claim

    def record(self, claim, epoch, epochs):
        share = epoch / (epochs + 1)
        self.store.recordings.record_progress(
            claim,
            Progress(
                epoch=epoch,
                epochs=epochs,
                step=10 * epoch,
                steps=10 * epochs,
                temperature=1 / epoch,
                losses={"total": 2.0 / epoch, "reconstruction": 1.0 / epoch, "validation": None},
                assignment={
                    "entropy": 0.5,
                    "confident_fraction": 0.5,
                    "changed_last_epoch": 1,
                    "active_categories": 2,
                },
                codebook={"perplexity": 2.0, "usage": 1.0},
                eta_seconds=1.0,
                matrix=np.array([[share, 1 - share], [1, 0], [0, 1]], np.float32),
                categories=["first", "second"],
                metrics={"total": 2.0 / epoch, "validation": None},
            ),
        )

    def report_worker(self, name, *, devices=("cpu",), memory_bytes=1 << 40, since=None):
        """Has a worker report itself."""
        now = datetime.now(UTC)
        self.store.workers.report(
            WorkerRecord(
                name=name,
                since=since or now,
                reported_at=now,
                devices=devices,
                memory_bytes=memory_bytes,
            )
        )

    def model(self, *, baselines=False, grouping=GROUPING, origins=(None, None, None), reading=None):
        """A published model; returns its id."""
        claim = self.running_job(report={"baselines": baselines})
        model_id = f"model_{claim.job.id.removeprefix('job_')}"
        write_model(self.store.models.directory(model_id), grouping=grouping, origins=origins)
        self.store.leases.publish(
            claim, model_id, DOCUMENT | {"origins": list(origins), "reading": reading or {}}, "sha256:hand"
        )
        return model_id


@contextmanager
def serving(settings):
    """A real server in a thread of this process, and a client of it."""
    app, port = create_app(settings), free_port()
    stops, is_ready = [], threading.Event()

    def note(stop):
        stops.append((asyncio.get_running_loop(), stop))
        is_ready.set()

    def run():
        uvloop.run(server.serve(app, settings, port=port, on_ready=note))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not is_ready.wait(0.1):
            assert thread.is_alive()
            assert time.monotonic() < deadline
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            while True:
                with suppress(httpx.ConnectError):
                    client.get("/livez")
                    break
                assert time.monotonic() < deadline
            yield Api(client, app.state.services.store, app)
    finally:
        for loop, stop in stops:
            loop.call_soon_threadsafe(stop)
        thread.join()


@pytest.fixture(scope="session")
def base_settings(tmp_path_factory):
    """Settings with small limits; nothing listens at the broker's address."""
    return ApiSettings(
        data_dir=tmp_path_factory.mktemp("api"),
        redis_url="redis://127.0.0.1:1/0",
        max_body_bytes=1 << 20,
        max_json_bytes=1 << 18,
        max_document_bytes=1 << 18,
        max_expanded_bytes=1 << 20,
        max_rows=5000,
        max_features=100,
        max_encode_rows=1000,
    )


@pytest.fixture(scope="session")
def api(base_settings):
    with serving(base_settings) as running:
        yield running


@pytest.fixture(scope="session")
def client(api):
    return api.client


@pytest.fixture(scope="session")
def model_id(api):
    return api.model()


@pytest.fixture
def loaded_id(client, model_id):
    """A model that was used before."""
    assert encode(client, model_id).status_code == 200
    assert client.get(f"/v1/models/{model_id}/grouping").status_code == 200
    return model_id


@pytest.fixture
def routed(api, monkeypatch):
    """The paths of the requests that the framework saw; others were answered before it."""
    seen, stack = [], api.app.middleware_stack

    async def noted(scope, receive, send):
        seen.append(scope["path"])
        await stack(scope, receive, send)

    monkeypatch.setattr(api.app, "middleware_stack", noted)
    return seen


@pytest.fixture
def make_model():
    return write_model


@pytest.fixture(scope="session")
def serve():
    return serving


@pytest.fixture
def limits(tmp_path):
    return TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path)
