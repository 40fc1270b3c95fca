"""The door of an open service and of one with keys: other sites, other machines, and keys in a hurry."""

import asyncio

import httpx
import pytest

from worker.store import Scope, Store


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def status_beyond_loopback(app, path, headers=None):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.7", headers=headers) as client:
        return (await client.get(path)).status_code


@pytest.mark.parametrize(("is_trusted", "expected"), [(False, 401), (True, 200)])
def test_other_machines_need_keys_unless_the_network_is_trusted(
    base_settings, serve, tmp_path, is_trusted, expected
):
    settings = base_settings.model_copy(update={"data_dir": tmp_path, "trusted_network": is_trusted})
    with serve(settings) as api:
        assert api.client.get("/v1").status_code == 200
        assert asyncio.run(status_beyond_loopback(api.app, "/v1")) == expected
        key = api.store.keys.create(Scope.READ).secret
        asyncio.run(asyncio.sleep(1.1))  # keys are read anew after a second
        assert asyncio.run(status_beyond_loopback(api.app, "/v1", bearer(key))) == 200
        assert asyncio.run(status_beyond_loopback(api.app, "/livez")) == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:80", 200),
        ("[::1]:8000", 200),
        ("x.localhost", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.0.2.7", 403),
        ("LOCALHOST", 200),
        ("[", 403),
        ("[::1].evil.example", 403),
        ("evil.example@localhost", 403),
        ("evil.example\\@localhost", 403),
        ("localhost/.evil.example", 403),
        ("localhost?.evil.example", 403),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(client, host, status):
    assert client.get("/v1", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api:8000", 200),
        ("API", 200),
        ("192.0.2.7:8000", 200),
        ("[2001:db8::1]", 200),
        ("localhost", 200),
        ("evil.example", 403),
        ("api.evil.example", 403),
        ("192.0.2.7.evil.example", 403),
    ],
)
def test_a_trusted_network_knows_addresses_and_the_names_it_was_given(trusted, host, status):
    assert trusted.client.get("/v1", headers={"host": host}).status_code == status


@pytest.fixture(scope="module")
def trusted(base_settings, serve, tmp_path_factory):
    settings = {"data_dir": tmp_path_factory.mktemp("trusted"), "trusted_network": True}
    with serve(base_settings.model_copy(update={**settings, "allowed_hosts": frozenset({"api"})})) as api:
        yield api


def test_hosts_of_any_length_leave_nothing_behind(trusted):
    for number in range(50):
        host = f"{number}." + "x" * 60_000
        assert trusted.client.get("/v1", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    ("origin", "site", "status"),
    [
        (None, None, 404),
        ("http://127.0.0.1:1", "same-origin", 403),
        ("own", "same-origin", 404),
        ("own", "none", 404),
        ("own", "same-site", 403),
        ("own", "cross-site", 403),
        ("null", None, 403),
        ("http://evil.example", None, 403),
        ("http://localhost", "same-site", 403),
    ],
)
def test_only_pages_of_the_service_itself_change_anything(client, origin, site, status):
    own = f"http://{client.base_url.netloc.decode()}"
    headers = {"origin": own if origin == "own" else origin, "sec-fetch-site": site}
    answer = client.post(
        "/v1/jobs/job_none/cancel", headers={name: value for name, value in headers.items() if value}
    )
    assert answer.status_code == status


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
def test_pages_of_other_sites_may_ask_what_they_cannot_read(client, site):
    assert client.get("/v1", headers={"sec-fetch-site": site}).status_code == 200


@pytest.fixture
def hurried(base_settings, serve, tmp_path):
    """A service that gives each key so much a minute and two unfinished jobs, and two keys of it."""
    limits = {
        "require_keys": True,
        "max_jobs_per_key": 2,
        "max_uploads_per_minute": 3,
        "max_encoded_rows_per_minute": 5,
    }
    settings = base_settings.model_copy(update={"data_dir": tmp_path, **limits})
    store = Store.open(settings)
    keys = [store.keys.create(Scope.WRITE).secret for _ in range(2)]
    store.close()
    with serve(settings) as api:
        yield api, keys


def upload(api, key, text="a,b\n" + "1,2\n3,4\n" * 8):
    headers = {"content-type": "text/csv", **bearer(key)}
    return api.client.post("/v1/datasets", content=text, headers=headers)


def test_a_key_that_uploads_too_often_waits_and_others_do_not(hurried):
    api, keys = hurried
    answers = [upload(api, keys[0]) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 429, 429]
    left = [[answer.headers[f"ratelimit-{name}"] for name in ("limit", "remaining")] for answer in answers]
    assert left == [["3", "2"], ["3", "1"], ["3", "0"], ["3", "0"], ["3", "0"]]
    refused = answers[-1]
    assert (refused.json()["code"], refused.json()["retryable"]) == ("too_many_uploads", True)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-reset"] == refused.headers["retry-after"]
    assert upload(api, keys[1]).status_code == 200
    assert api.client.get("/v1", headers=bearer(keys[0])).status_code == 200


def test_requests_that_cost_nothing_are_not_counted(hurried):
    api, keys = hurried
    answers = [api.client.get("/v1/jobs", headers=bearer(keys[0])) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(name.startswith("ratelimit") for answer in answers for name in answer.headers)


@pytest.mark.parametrize("accept", ["application/json", "*/*;q=0.1, application/json"], ids=["fast", "route"])
def test_rows_to_encode_are_counted_where_a_limit_is_set(hurried, accept):
    api, keys = hurried
    api.client.headers.update(bearer(keys[1]))
    model_id = api.model()
    headers = {"accept": accept}
    statuses = [
        api.client.post(f"/v1/models/{model_id}/encodings", json={"rows": [[1, 2, 3]] * 2}, headers=headers)
        for _ in range(3)
    ]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert statuses[0].headers["ratelimit-remaining"] == "3"


def test_a_key_has_its_share_of_unfinished_jobs(hurried):
    api, keys = hurried
    uploaded = api.client.post(
        "/v1/datasets",
        content="a,b\n" + "1,2\n3,4\n" * 8,
        headers={"content-type": "text/csv", **bearer(keys[0])},
    )
    body = {"dataset": uploaded.json()["id"]}
    answers = [api.client.post("/v1/jobs", json=body, headers=bearer(keys[0])) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == "too_many_jobs"
    assert int(answers[2].headers["retry-after"]) > 0
    assert api.client.post("/v1/jobs", json=body, headers=bearer(keys[1])).status_code == 202
    api.store.controls.cancel(answers[0].json()["id"])
    assert api.client.post("/v1/jobs", json=body, headers=bearer(keys[0])).status_code == 202


def test_an_open_service_counts_nobody(base_settings, serve, tmp_path):
    limits = {"max_uploads_per_minute": 1, "max_jobs_per_minute": 1, "max_jobs_per_key": 1}
    with serve(base_settings.model_copy(update={"data_dir": tmp_path, **limits})) as api:
        for _ in range(3):
            api.job()
        assert {api.client.get("/v1").status_code for _ in range(8)} == {200}


def test_every_limit_is_said(hurried):
    api, keys = hurried
    limits = api.client.get("/v1", headers=bearer(keys[0])).json()["limits"]
    assert (limits["max_uploads_per_minute"], limits["max_jobs_per_key"]) == (3, 2)
    assert set(limits) >= {
        "max_body_bytes",
        "max_json_bytes",
        "max_expanded_bytes",
        "max_rows",
        "max_features",
        "max_encode_rows",
        "max_queued_jobs",
        "max_head_bytes",
        "max_head_fields",
        "head_timeout_s",
        "body_timeout_s",
        "max_connections",
    }
