"""The page's route and its files: what is served, how long it is kept, and that nothing else is."""

import re

import pytest

from worker.store import Scope, Store

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def page(client):
    return client.get("/", headers=HTML)


@pytest.fixture(scope="module")
def files(page):
    return re.findall(r'(?:href|src)="(/web/[^"]+)"', page.text)


def test_a_browser_gets_a_page_that_may_load_nothing_from_elsewhere(page, client):
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"(?:src|href)=\"(?!/web/|/docs)", page.text)
    assert "<style" not in page.text
    assert client.get("/").headers["content-type"] == page.headers["content-type"]


def test_the_files_of_the_page_are_kept_for_ever_and_the_page_is_asked_for_again(page, files, client):
    assert len(files) > 20
    for path in files:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "max-age=31536000, immutable"
        known = client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert known.status_code == 304
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == answer.headers["etag"]
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/", headers=HTML | {"if-none-match": page.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("suffix", "media_type"), [(".js", "text/javascript"), (".css", "text/css"), (".svg", "image/svg+xml")]
)
def test_files_say_what_they_are(files, client, suffix, media_type):
    path = next(path for path in files if path.endswith(suffix))
    assert client.get(path).headers["content-type"].startswith(media_type)


def test_the_whole_page_is_a_few_hundred_kilobytes(files, client):
    assert sum(len(client.get(path).content) for path in files) < 300_000


@pytest.mark.parametrize("name", ["index.html", "none.js", "../page.py", "%2e%2e/page.py", "/etc/passwd", ""])
def test_nothing_but_the_files_of_the_page_is_served(files, client, name):
    assert client.get(f"{files[0].rpartition('/')[0]}/{name}").status_code == 404


def test_files_of_another_version_are_not_served(client):
    assert client.get("/web/0000000000000000/main.js").json()["code"] == "file_not_found"


def test_as_json_it_is_what_the_entrance_of_the_api_says(client):
    answer = client.get("/", headers={"accept": "application/json"})
    assert answer.json() == client.get("/v1").json()
    assert client.get("/", headers={"accept": "image/png"}).status_code == 406


def test_where_keys_are_demanded_the_page_needs_none_but_its_json_does(serve, base_settings, tmp_path):
    changes = {"data_dir": tmp_path, "require_keys": True}
    settings = base_settings.model_copy(update=changes)
    store = Store.open(settings)
    keys = {scope: store.keys.create(scope).secret for scope in Scope}
    store.close()
    with serve(settings) as api:
        page = api.client.get("/", headers=HTML)
        assert 'data-keys="required"' in page.text
        path = re.search(r'src="(/web/[^"]+)"', page.text)[1]
        assert api.client.get(path).status_code == 200
        assert api.client.get("/", headers={"accept": "application/json"}).status_code == 401
        for scope, key in keys.items():
            headers = {"accept": "application/json", "authorization": f"Bearer {key}"}
            assert api.client.get("/", headers=headers).json()["scope"] == scope
