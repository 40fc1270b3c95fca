"""Scripts of listed origins may use the service; others may not, as ever."""

import pytest
from pydantic import ValidationError

from app.settings import ApiSettings
from tests.app.common_requests import encode
from worker.store import Scope, Store

ORIGIN, OTHER = "https://dashboard.example", "https://elsewhere.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
def shared(base_settings, serve, tmp_path_factory):
    """A service without keys that scripts of one origin may use."""
    update = {"data_dir": tmp_path_factory.mktemp("shared"), "cors_origins": frozenset({ORIGIN})}
    with serve(base_settings.model_copy(update=update)) as api:
        yield api


def test_a_preflight_of_a_listed_origin_is_answered_without_a_key(base_settings, serve, tmp_path):
    settings = base_settings.model_copy(
        update={"data_dir": tmp_path, "require_keys": True, "cors_origins": frozenset({ORIGIN})}
    )
    store = Store.open(settings)
    secret = store.keys.create(Scope.READ).secret
    store.close()
    with serve(settings) as api:
        preflight = api.client.options("/v1/jobs", headers={"origin": ORIGIN} | PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        assert preflight.headers["x-request-id"]
        refused = api.client.get("/v1/jobs", headers={"origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
        allowed = api.client.get("/v1/jobs", headers={"origin": ORIGIN, "authorization": f"Bearer {secret}"})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert "ETag" in allowed.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in allowed.headers


def test_a_preflight_of_another_origin_is_refused_as_a_problem(shared):
    answer = shared.client.options("/v1/jobs", headers={"origin": OTHER} | PREFLIGHT)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_site")
    assert "CATVQ_CORS_ORIGINS" in answer.json()["detail"]
    assert "access-control-allow-origin" not in answer.headers


def test_without_keys_a_listed_origin_may_change_things_and_another_may_not(shared):
    body = {"dataset": shared.dataset()}
    cross_site = {"sec-fetch-site": "cross-site"}
    for origin, status in ((ORIGIN, 202), (OTHER, 403)):
        answer = shared.client.post("/v1/jobs", json=body, headers={"origin": origin} | cross_site)
        assert answer.status_code == status
        assert answer.headers.get("access-control-allow-origin") == (ORIGIN if status == 202 else None)


def test_common_requests_are_marked_too(shared, monkeypatch):
    model_id = shared.model()
    for origin, expected in ((ORIGIN, ORIGIN), (None, None)):
        headers = {} if origin is None else {"origin": origin}
        for _ in range(2):  # the second would be answered before the framework
            answer = encode(shared.client, model_id, headers=headers)
            assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (200, expected)


def test_what_is_refused_before_the_routes_is_marked_too(shared):
    too_large = {"a": "b" * 65_500}
    for origin, expected in ((ORIGIN, ORIGIN), (OTHER, None)):
        answer = shared.client.get("/v1", headers={"origin": origin} | too_large)
        assert (answer.status_code, answer.json()["code"]) == (431, "head_too_large")
        assert answer.headers.get("access-control-allow-origin") == expected
        assert answer.headers.get_list("x-request-id") == [answer.json()["instance"].rpartition(":")[2]]


def test_by_default_no_answer_is_marked(client):
    answer = client.get("/v1", headers={"origin": ORIGIN})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.options("/v1/jobs", headers={"origin": ORIGIN} | PREFLIGHT)
    assert preflight.status_code in {403, 405}


@pytest.mark.parametrize("origin", ["*", "https://a.example/", "a.example", "HTTPS://A.EXAMPLE", "null"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ValidationError, match="cors_origins"):
        ApiSettings(cors_origins=frozenset({origin}))
