"""A real browser on a real service, and pages that note everything that must not happen."""

import shutil
import sys
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from app.settings import ApiSettings
from tests.web.table import FEATURES, IMAGE, SCRIPT, SMALL
from worker.store import Scope, Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000  # on a machine with other work

expect.set_options(timeout=WAIT_MS)


@dataclass
class Seen:
    """What pages did that they must not do."""

    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    forgiven: tuple[str, ...] = ()

    def watch(self, page, url):
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        known = (url, "blob:", "data:")
        page.on(
            "request",
            lambda request: request.url.startswith(known) or self.strangers.append(request.url),
        )


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(browser, start_service, tmp_path_factory):
    """A service of these tests' own: they fill its lists and kill its API."""
    data_dir = tmp_path_factory.mktemp("web")
    command = [sys.executable, "-m", "app.embedded", "--port", "0", "--data", str(data_dir)]
    running = start_service(command, data_dir)
    yield running
    running.process.terminate()
    assert running.process.wait(60) == 0


@pytest.fixture
def opened(browser, service):
    """Opens a tab of its own; a test in which a page did what it must not do fails."""
    contexts, seen = [], Seen()

    def open_page(path="", *, url=service.url, forgive=(), **options):
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        seen.watch(page, url)
        seen.forgiven = forgive
        page.goto(f"{url}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [error for error in seen.errors if not error.startswith(seen.forgiven)] == []
    assert seen.strangers == []


@pytest.fixture(scope="module")
def with_keys(service, start_api):
    """A second API on the same data, which demands keys: its address, and a key of each scope."""
    store = Store.open(ApiSettings(data_dir=service.data_dir))
    keys = {scope.value: store.keys.create(scope).secret for scope in Scope}
    store.close()
    with start_api(service.data_dir, CATVQ_REQUIRE_KEYS="true") as api:
        yield api.url, keys


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file of 120 rows: two causes, three features each, and a column of text."""
    causes = np.random.default_rng(0).normal(size=(120, 2))
    values = np.repeat(causes, 3, axis=1) + np.random.default_rng(1).normal(scale=0.2, size=(120, 6))
    header = ",".join('"' + name.replace('"', '""') + '"' for name in FEATURES)
    lines = [f"{','.join(map(repr, row))},{'xy'[n % 2]}" for n, row in enumerate(values.tolist())]
    path = tmp_path_factory.mktemp("table") / "hostile.csv"
    path.write_text("\n".join([f"{header},kind", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(http, table):
    answer = http.post(
        "/v1/datasets",
        params={"name": SCRIPT},
        content=table.read_bytes(),
        headers={"content-type": "text/csv"},
    )
    return answer.json()["id"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A file of 60 rows: a series of two channels and of many lengths, and a grid, seen by two causes."""
    random = np.random.default_rng(0)
    causes = random.normal(size=(60, 2))
    lengths = random.integers(5, 20, size=60)
    wave = causes[:, None, :] + random.normal(scale=0.3, size=(60, 20, 2))
    field = causes[:, 1, None, None, None] + random.normal(scale=0.3, size=(60, 1, 4, 4))
    path = tmp_path_factory.mktemp("runs") / "runs.npz"
    np.savez(path, wave=wave, field=field, **{"wave.lengths": lengths})
    return path


@pytest.fixture(scope="module")
def of_series(http, runs):
    """A job that has learnt from series and grids."""
    headers = {"content-type": "application/x-npz"}
    dataset = http.post("/v1/datasets", content=runs.read_bytes(), headers=headers).json()["id"]
    return wait_for_end(http, submit(http, dataset))


def submit(http, dataset, **fields):
    answer = http.post("/v1/jobs", json={"dataset": dataset} | SMALL | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def done(http, dataset):
    """Two jobs that have succeeded."""
    runs = [
        submit(
            http, dataset, name=f"{IMAGE} {seed}", labels={"team": "x"}, training={"epochs": 3, "seed": seed}
        )
        for seed in (0, 1)
    ]
    return [wait_for_end(http, job_id) for job_id in runs]


def wait_for_end(http, job_id):
    while True:
        job = http.get(f"/v1/jobs/{job_id}", headers={"prefer": "wait=20"}).json()
        if job["status"] in {"succeeded", "failed", "cancelled"}:
            assert job["status"] == "succeeded", job["error"]
            return job


@pytest.fixture
def live(http, dataset):
    """A job that trains for as long as a test looks at it."""
    assignment = {"init": "random", "estimator": "softmax", "freeze_after_epochs": None}
    training = {"epochs": 20_000, "checkpoint_every_epochs": 1000}
    job_id = submit(http, dataset, name="live", assignment=assignment, training=training)
    yield job_id
    http.post(f"/v1/jobs/{job_id}/cancel")


@pytest.fixture(scope="module")
def store(service):
    store = Store.open(ApiSettings(data_dir=service.data_dir))
    yield store
    store.close()
