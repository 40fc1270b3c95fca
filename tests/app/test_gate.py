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
        ("[", 403),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(client, host, status):
    assert client.get("/v1", headers={"host": host}).status_code == status


def test_on_a_trusted_network_the_service_has_any_name(base_settings, serve, tmp_path):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path, "trusted_network": True})) as api:
        assert api.client.get("/v1", headers={"host": "api:8000"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("site", ["cross-site", "same-origin", "none"])
def test_pages_of_other_sites_change_nothing_in_an_open_service(client, method, site):
    path = "/v1/jobs/job_none/cancel" if method == "POST" else "/v1"
    answer = client.request(method, path, headers={"sec-fetch-site": site})
    assert (answer.status_code == 403) == (method == "POST" and site == "cross-site")


@pytest.fixture
def hurried(base_settings, serve, tmp_path):
    """A service that gives each key five requests a minute and two unfinished jobs, and two keys of it."""
    limits = {"require_keys": True, "max_requests_per_minute": 5, "max_jobs_per_key": 2}
    settings = base_settings.model_copy(update={"data_dir": tmp_path, **limits})
    store = Store.open(settings)
    keys = [store.keys.create(Scope.WRITE).secret for _ in range(2)]
    store.close()
    with serve(settings) as api:
        yield api, keys


def test_a_key_that_comes_too_often_waits_and_others_do_not(hurried):
    api, keys = hurried
    statuses = [api.client.get("/v1", headers=bearer(keys[0])).status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    refused = api.client.get("/v1", headers=bearer(keys[0]))
    assert (refused.json()["code"], refused.json()["retryable"]) == ("too_many_requests", True)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert api.client.get("/v1", headers=bearer(keys[1])).status_code == 200
    assert api.client.get("/livez", headers=bearer(keys[0])).status_code == 200


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
    limits = {"max_requests_per_minute": 5, "max_jobs_per_key": 1}
    with serve(base_settings.model_copy(update={"data_dir": tmp_path, **limits})) as api:
        for _ in range(3):
            api.job()
        assert {api.client.get("/v1").status_code for _ in range(8)} == {200}


def test_every_limit_is_said(hurried):
    api, keys = hurried
    limits = api.client.get("/v1", headers=bearer(keys[0])).json()["limits"]
    assert (limits["max_requests_per_minute"], limits["max_jobs_per_key"]) == (5, 2)
    assert set(limits) >= {
        "max_body_bytes",
        "max_json_bytes",
        "max_expanded_bytes",
        "max_rows",
        "max_features",
        "max_encode_rows",
        "max_queued_jobs",
    }
