"""Every route x every kind of key: who may do what, walked from the OpenAPI document to forget none."""

import re
import time
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.access import needed_scope
from app.main import create_app
from app.settings import ApiSettings
from worker.store import Scope, Store

DOCUMENT = create_app(ApiSettings(require_keys=True)).openapi()
ROUTES = [
    (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
] + [("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/v1/no-such-thing"), ("DELETE", "/no-such-thing")]
TABLE = Path(__file__).parents[2] / "docs" / "access.md"
IDS = [" ".join(route) for route in ROUTES]

# The whole policy, once more and by hand: what is not listed here is read with a read key and changed with a
# write key.
OPEN = {("GET", path) for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")}
ADMIN = {
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("POST", "/v1/keys/{key_id}/rotate"),
    ("DELETE", "/v1/keys/{key_id}"),
}
READ = {
    ("POST", "/v1/models/{model_id}/encodings"),
    ("POST", "/v1/models/{model_id}/decodings"),
    ("POST", "/v2/models/{model_id}/infer"),
    ("POST", "/v2/models/{model_id}/versions/{model_version}/infer"),
}


def scope_of(route):
    if route in OPEN:
        return None
    if route in ADMIN:
        return Scope.ADMIN
    return Scope.READ if route in READ or route[0] == "GET" else Scope.WRITE


@pytest.fixture(scope="module")
def locked(base_settings, serve, tmp_path_factory):
    """A service on loopback that demands keys all the same, as behind a proxy; with a key of each scope."""
    settings = base_settings.model_copy(
        update={"data_dir": tmp_path_factory.mktemp("locked"), "require_keys": True}
    )
    store = Store.open(settings)
    keys = {scope: store.keys.create(scope) for scope in Scope}
    store.close()
    with serve(settings) as api:
        api.keys = keys
        yield api


def send(client, method, path, key=None, **more):
    """A request that changes nothing: its ids are of nothing, its body is not one."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return client.request(method, re.sub(r"\{\w+\}", "none", path), headers=headers, **more)


@pytest.fixture(scope="module")
def answered(locked, client):
    """What every caller is told on every route: 401, 403, or "may" where the request came in."""
    keys = {"no key": None, "wrong key": "catvq_wrong"}
    keys |= {f"{scope} key": key.secret for scope, key in locked.keys.items()}
    callers = {name: partial(send, locked.client, key=key) for name, key in keys.items()}
    callers["no key, on loopback"] = partial(send, client)
    return {route: {name: told(call(*route)) for name, call in callers.items()} for route in ROUTES}


def told(answer):
    return answer.status_code if answer.status_code in {401, 403} else "may"


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_what_each_key_may_do_on_each_route(answered, route):
    needed = scope_of(route)
    stranger = "may" if needed is None else 401
    expected = {"no key": stranger, "wrong key": stranger}
    expected |= {f"{s} key": "may" if needed is None or s.includes(needed) else 403 for s in Scope}
    assert answered[route] == expected | {"no key, on loopback": 401 if route in ADMIN else "may"}


def test_the_documented_table_says_what_each_key_may_do_on_each_route(answered):
    """Whoever adds a route copies its line from this test's failure."""
    callers = list(answered[ROUTES[0]])
    lines = [["route", *callers], ["---"] * (1 + len(callers))]
    lines += [[f"`{method} {path}`", *map(str, answered[method, path].values())] for method, path in ROUTES]
    table = [f"| {' | '.join(cells)} |" for cells in lines]
    assert table == [line for line in TABLE.read_text().splitlines() if line.startswith("|")]


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_the_policy_is_the_one_that_is_documented(route):
    method, path = route
    assert needed_scope(method, path) == scope_of(route)
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return
    needed = scope_of(route)
    assert operation.get("security") == (None if needed is None else [{"key": [needed]}])
    assert {"401", "403", "429"} <= set(operation["responses"]) or needed is None


def test_the_key_is_a_bearer_token_in_the_document():
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_an_open_service_says_that_keys_are_optional():
    document = create_app(ApiSettings()).openapi()
    assert document["paths"]["/v1/jobs"]["post"]["security"] == [{}, {"key": ["write"]}]
    assert document["paths"]["/v1/keys"]["post"]["security"] == [{"key": ["admin"]}]


def test_refusals_are_problems_with_a_challenge(locked):
    for key, status, code, challenge in [
        (None, 401, "no_key", 'Bearer realm="catvq"'),
        ("catvq_wrong", 401, "invalid_token", 'Bearer realm="catvq", error="invalid_token"'),
        (
            locked.keys[Scope.READ].secret,
            403,
            "insufficient_scope",
            'Bearer realm="catvq", error="insufficient_scope", scope="write"',
        ),
    ]:
        answer = send(locked.client, "POST", "/v1/jobs", key, json={"dataset": "ds_1"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == challenge
        assert answer.headers["x-request-id"] in answer.json()["instance"]
        assert answer.json()["retryable"] is False


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic dXNlcjpwYXNz", "Bearer \xff\xfe", "{secret}", "Bearer {id}"]
)
def test_what_is_no_key_opens_nothing(locked, authorization):
    key = locked.keys[Scope.ADMIN]
    value = authorization.format(secret=key.secret, id=key.record.id).encode("latin-1")
    answer = locked.client.get("/v1", headers={b"authorization": value})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/keys/", "//v1/keys", "/v1/%6beys", "/V1/keys", "/v1/./keys", "/v1/keys?x=1"]
)
def test_no_spelling_of_a_path_gets_around_its_scope(locked, path):
    answer = locked.client.get(path, headers={"authorization": f"Bearer {locked.keys[Scope.WRITE].secret}"})
    assert answer.status_code in {403, 404}


def test_a_refused_upload_is_not_read(locked):
    sent = 0

    def endless():
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b"1" * (1 << 16)

    with pytest.raises(httpx.TransportError):  # noqa: PT012 - the refusal may come before or after the break
        answer = locked.client.post("/v1/datasets", content=endless(), headers={"content-type": "text/csv"})
        assert answer.status_code == 401
        raise httpx.WriteError("refused in time")
    assert sent < 64 << 20
    assert locked.half_done() == []


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keys_come_change_and_go_without_a_restart(locked):
    made = locked.store.keys.create(Scope.READ)

    def status(secret):
        return send(locked.client, "GET", "/v1/jobs", secret).status_code

    until(lambda: status(made.secret) == 200)
    rotated = locked.store.keys.rotate(made.record.id)
    until(lambda: status(made.secret) == 401)
    assert status(rotated.secret) == 200
    locked.store.keys.revoke(made.record.id)
    until(lambda: status(rotated.secret) == 401)


def test_an_admin_manages_keys_over_http(locked):
    admin = locked.keys[Scope.ADMIN].secret
    made = send(locked.client, "POST", "/v1/keys", admin, json={"scope": "read", "name": "dashboard"})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    document = made.json()
    listed = send(locked.client, "GET", "/v1/keys", admin).json()["items"]
    assert listed[0] == {name: value for name, value in document.items() if name != "secret"}
    until(lambda: send(locked.client, "GET", "/v1", document["secret"]).status_code == 200)
    rotated = send(locked.client, "POST", f"/v1/keys/{document['id']}/rotate", admin).json()
    assert rotated["secret"] != document["secret"]
    assert send(locked.client, "DELETE", f"/v1/keys/{document['id']}", admin).status_code == 204
    until(lambda: send(locked.client, "GET", "/v1", rotated["secret"]).status_code == 401)
    for method, path in (("DELETE", f"/v1/keys/{document['id']}"), ("POST", "/v1/keys/x/rotate")):
        assert send(locked.client, method, path, admin).json()["code"] == "key_not_found"
    assert send(locked.client, "POST", "/v1/keys", admin, json={"scope": "all"}).status_code == 422
