"""The page in a browser, on a service with a worker: what its users see and do."""

import json
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import psutil
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from tests.web.table import FEATURES, IMAGE, SCRIPT, SMALL
from worker.store.database.ids import new_id
from worker.store.database.schema import job_assignments, jobs

LOST = ("Failed to load resource: net::ERR_",)
REFUSED = ("Failed to load resource: the server responded with a status of 401",)
FRAME_MS = 1000 / 30
HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""
VIEWS_OF_LISTS = ["#/jobs", "#/models", "#/datasets", "#/new"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def copies_of(store, job_id, count, **changes):
    """Insert copies of a job that has ended, as if it had been run so often."""
    with store.jobs._database.write() as connection:
        found = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one()
        common = {name: value for name, value in found.items() if name != "seq"} | changes
        ids = [new_id("job") for _ in range(count)]
        connection.execute(sa.insert(jobs), [common | {"id": each} for each in ids])
    return ids


def wait_until_ready(http):
    deadline = time.monotonic() + 60
    while True:
        with suppress(httpx.TransportError):
            if http.get("/readyz").status_code == 200:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def offline(page):
    page.context.set_offline(True)
    yield
    page.context.set_offline(False)


def picture(page):
    return page.evaluate("document.querySelector('.matrix canvas').toDataURL()")


def test_from_a_dropped_file_to_the_codes_of_its_rows(opened, table):
    page = opened()
    page.get_by_role("link", name="New job").click()
    page.set_input_files("input[type=file]", table)
    expect(page.get_by_role("rowheader", name=SCRIPT, exact=True)).to_be_visible()
    page.get_by_label("Type of kind").select_option("ignore")
    expect(page.get_by_label("Type of kind")).to_have_value("ignore")
    page.get_by_label("Name", exact=True).fill("first visit")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="first visit")).to_be_visible()
    page.get_by_text("Any other setting").click()
    page.get_by_label("Other settings as JSON").fill(json.dumps(SMALL))
    page.get_by_label("Epochs").fill("2")
    expect(page.get_by_text("Time, about")).to_be_visible()
    page.get_by_role("button", name="Start the job").click()
    page.get_by_role("link", name="Its model").click()
    expect(page.get_by_role("heading", name="Which features belong together")).to_be_visible()
    page.get_by_role("button", name="Take three rows").click()
    expect(page.get_by_label("Rows as CSV")).to_have_value(re.compile("c_3"))
    page.get_by_role("button", name="Encode", exact=True).click()
    codes = page.get_by_role("region", name="Codes", exact=True)
    expect(codes.get_by_role("row")).to_have_count(4)


def test_a_model_of_series_tells_what_its_codes_keep_and_encodes_a_file(opened, of_series, runs):
    page = opened(f"#/datasets/{of_series['config']['dataset']}")
    expect(page.get_by_role("rowheader", name="wave/1", exact=True)).to_be_visible()
    assert page.get_by_role("button", name="Rows, CSV").count() == 0
    page.goto(page.url.partition("#")[0] + f"#/models/{of_series['model']}")
    page.get_by_label("Every descriptor of").select_option("wave/0")
    expect(page.get_by_role("rowheader", name="slope", exact=True)).to_be_visible()
    page.set_input_files("input[type=file]", runs)
    codes = page.get_by_role("region", name="Codes", exact=True)
    expect(codes.get_by_role("row")).to_have_count(61)


def test_the_matrix_of_a_live_job_moves_and_its_temperature_is_steered(opened, live, http):
    page = opened(f"#/jobs/{live}")
    page.wait_for_selector(".matrix canvas")
    before, deadline = picture(page), time.monotonic() + 30
    while picture(page) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_text("Held by hand.")).to_be_visible()
    assert http.get(f"/v1/jobs/{live}/temperature").json()["held"] is True
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_label("Events").get_by_text("paused", exact=True)).to_be_visible()


def test_a_hidden_tab_holds_no_stream_and_catches_up_when_it_is_looked_at(opened, live, http):
    page = opened(f"#/jobs/{live}")
    events = page.get_by_label("Events")
    expect(events.get_by_text("started", exact=True)).to_be_visible()
    page.evaluate(HIDE, True)
    http.post(f"/v1/jobs/{live}/pause").raise_for_status()
    while http.get(f"/v1/jobs/{live}").json()["status"] != "paused":
        time.sleep(0.1)
    page.wait_for_timeout(1000)
    assert events.get_by_text("paused", exact=True).count() == 0
    page.evaluate(HIDE, False)
    expect(events.get_by_text("paused", exact=True)).to_be_visible()


def test_a_read_key_sees_and_a_write_key_acts(opened, with_keys, done):
    url, keys = with_keys
    page = opened(f"#/jobs/{done[0]['id']}", url=url, forgive=REFUSED)
    wrong = "catvq_wrong"
    for key, can_delete in (
        (wrong, None),
        (keys["read"], False),
        (keys["write"], True),
        (keys["admin"], True),
    ):
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        if can_delete is None:
            expect(page.get_by_role("alert")).to_have_text("This key is unknown or was revoked.")
            continue
        expect(page.get_by_role("button", name="Delete")).to_be_enabled(enabled=can_delete)
        assert page.get_by_text("it sees everything").count() == (not can_delete)
        page.reload()
        expect(page.get_by_role("button", name="Delete")).to_be_visible()
        assert key not in page.content()
        page.get_by_role("button", name="Sign out").click()
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]


def test_hostile_names_are_text_everywhere(opened, done, dataset):
    job, other = done
    model = job["model"]
    page = opened()
    for path in (
        f"#/jobs/{job['id']}",
        f"#/models/{model}",
        f"#/datasets/{dataset}",
        f"#/compare?jobs={job['id']},{other['id']}",
        f"#/compare/models?from={model}&to={other['model']}",
        f"#/jobs/{SCRIPT}",
        "#/jobs/%",
        "#/models/..%2Fjobs",
        "#/" + IMAGE,
        *VIEWS_OF_LISTS,
    ):
        page.goto(page.url.partition("#")[0] + path)
        expect(page.locator("main h1").first).to_be_visible()
        if path in {f"#/models/{model}", f"#/datasets/{dataset}"}:
            expect(page.get_by_text(SCRIPT).first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.locator("main script, main img").count() == 0


def test_every_view_is_accessible_and_fits_a_narrow_screen(opened, done, dataset, of_series):
    job, other = done
    model = job["model"]
    axe = (Path(__file__).parent / "axe" / "axe.js").read_text()
    places = [f"#/jobs/{job['id']}", f"#/models/{model}", f"#/datasets/{dataset}"]
    places += [f"#/compare?jobs={job['id']},{other['id']}", f"#/models/{of_series['model']}", *VIEWS_OF_LISTS]
    for scheme, width in (("light", 1280), ("dark", 360)):
        page = opened(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
        for place in places:
            page.goto(page.url.partition("#")[0] + place)
            expect(page.locator("main h1").first).to_be_visible()
            page.wait_for_load_state("networkidle")
            if not page.evaluate("Boolean(window.axe)"):
                page.evaluate(axe)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            serious = [
                (place, each["id"], each["nodes"][0]["html"])
                for each in found
                if each["impact"] in {"serious", "critical"}
            ]
            assert serious == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place


def test_runs_are_chosen_in_the_list_and_compared(opened, done):
    page = opened("#/jobs?label.team=x")
    expect(page.locator("table.jobs tbody tr")).to_have_count(len(done))
    for job in done:
        page.get_by_role("row", name=job["config"]["name"]).get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare 2").click()
    settings = page.get_by_label("Settings that differ").first
    expect(settings.get_by_role("rowheader")).to_have_text(["training.seed"])
    expect(page.get_by_text("adjusted Rand index")).to_be_visible()


def test_the_keyboard_reads_the_matrix(opened, done):
    page = opened(f"#/jobs/{done[0]['id']}")
    page.locator(".matrix canvas").focus()
    page.keyboard.press("ArrowDown")
    first = page.locator(".matrix .reader p").inner_text()
    assert any(first.startswith(name) for name in FEATURES)
    page.keyboard.press("ArrowDown")
    expect(page.locator(".matrix .reader p")).not_to_have_text(first)


def test_a_lost_connection_is_said_and_everything_goes_on_when_it_is_back(opened, live):
    page = opened(f"#/jobs/{live}", forgive=LOST)
    page.wait_for_selector(".matrix canvas")
    with offline(page):
        expect(page.get_by_text("The service does not answer.")).to_be_visible()
    expect(page.get_by_text("The service does not answer.")).not_to_be_visible()
    epoch = page.locator(".facts dd").first
    seen = epoch.inner_text()
    expect(epoch).not_to_have_text(seen)


def test_a_restarted_api_loses_no_event(opened, live, service, http):
    page = opened(f"#/jobs/{live}", forgive=LOST)
    expect(page.get_by_label("Events").get_by_text("started", exact=True)).to_be_visible()
    (api,) = (
        each
        for each in service.process.children(recursive=True)
        if "-m app " in f"{' '.join(each.cmdline())} "
    )
    api.kill()
    psutil.wait_procs([api], timeout=10)
    wait_until_ready(http)
    http.post(f"/v1/jobs/{live}/pause").raise_for_status()
    expect(page.get_by_label("Events").get_by_text("paused", exact=True)).to_be_visible()
    assert page.get_by_label("Events").get_by_text("submitted", exact=True).count() == 1


def test_a_matrix_of_2000_features_and_100_categories_is_drawn_within_a_frame(opened, http, store, done):
    header = ",".join(f"f_{n}" for n in range(2000))
    row = ",".join(str(n % 7) for n in range(2000))
    upload = http.post(
        "/v1/datasets",
        params={"families": "prefix:_"},
        content=f"{header}\n" + f"{row}\n" * 4,
        headers={"content-type": "text/csv"},
    )
    (wide,) = copies_of(store, done[0]["id"], 1, dataset_id=upload.json()["id"], model_id=None)
    with store.jobs._database.write() as connection:
        for epoch in (1, 2, 3, 4):
            logits = np.random.default_rng(0).normal(scale=epoch, size=(2000, 100))
            matrix = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            categories = [f"category_{n}" for n in range(100)]
            found = {"job_id": wide, "epoch": epoch, "temperature": 1.0, "categories": categories}
            connection.execute(sa.insert(job_assignments), found | {"matrix": matrix.astype("<f4").tobytes()})
    page = opened(f"#/jobs/{wide}")
    page.get_by_role("button", name="Play").click()
    times = []
    while len(times) < 20:
        time.sleep(0.1)
        times = page.evaluate("performance.getEntriesByName('matrix-frame').map(({duration}) => duration)")
    print(f"a frame took {median(times):.1f} ms in the median, {max(times):.1f} ms at most")
    assert median(times) < FRAME_MS


def test_ten_thousand_jobs_are_listed_page_by_page_and_by_label(opened, store, done):
    copies_of(store, done[0]["id"], 10_000, name="one of many", labels={})
    page = opened()
    expect(page.locator("table.jobs tbody tr")).to_have_count(50)
    first = page.locator("table.jobs tbody code").first.inner_text()
    page.get_by_role("link", name="Older").click()
    expect(page.locator("table.jobs tbody code").first).not_to_have_text(first)
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("table.jobs tbody code").first).to_have_text(first)
    page.get_by_label("State").select_option("failed")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
