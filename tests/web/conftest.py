"""A real browser on a real service, and pages that note everything that must not happen."""

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect, sync_playwright

from app.settings import ApiSettings
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
    forgiven = getattr(seen, "forgiven", ())
    assert [error for error in seen.errors if not any(words in error for words in forgiven)] == []
    assert seen.strangers == []


@pytest.fixture(scope="module")
def with_keys(service, start_api):
    """A second API on the same data, which demands keys: its address, and a key of each scope."""
    store = Store.open(ApiSettings(data_dir=service.data_dir))
    keys = {scope.value: store.keys.create(scope).secret for scope in Scope}
    store.close()
    with start_api(service.data_dir, CATVQ_REQUIRE_KEYS="true") as api:
        yield api.url, keys


@contextmanager
def offline(page):
    page.context.set_offline(True)
    yield
    page.context.set_offline(False)
