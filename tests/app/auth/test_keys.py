"""Every route x every kind of key: who may do what, walked from the OpenAPI document to forget none."""

import json
import re
import socket
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.http.bounded_route import Route
from app.main import create_app
from app.openapi import needed_scopes
from app.settings import ApiSettings
from worker.store import Scope, Store

APP = create_app(ApiSettings(require_keys=True))
DOCUMENT = APP.openapi()
ROUTES = [
    (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
] + [
    ("GET", "/"),
    ("GET", "/web/{digest}/{name}"),
    ("GET", "/docs/{name}"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/v1/no-such-thing"),
    ("DELETE", "/no-such-thing"),
]
TABLE = Path(__file__).parents[3] / "docs" / "access.md"
IDS = [" ".join(route) for route in ROUTES]

# The whole policy, once more and by hand: what is not listed here is read with a read key and changed with a
# write key.
OPEN = {("GET", path) for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/")}
OPEN |= {("GET", "/web/{digest}/{name}"), ("GET", "/docs/{name}")}
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
    assert needed_scopes(APP).get(route, scope_of(route)) == scope_of(route)
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


def test_every_route_asks_for_a_key_itself():
    routes = [route.original_route for route in iter_route_contexts(APP.routes)]
    assert len(routes) > 40
    assert all(isinstance(route, Route) for route in routes)


# Ways to write a path that some router, proxy or pattern takes for another one.
MANGLED = [
    *(
        f"{{path}}{tail}"
        for tail in ("%0A", "%0D", "%0D%0A", "%00", "%20", "/", "//", ".", "/.", ";", ";x=1", "%3F", "%23")
    ),
    *(
        f"{{path}}{tail}"
        for tail in ("%E2%80%A8", "%E2%80%A9", "%C2%85", "%0B", "%0C", "%1C", "%FF", "%2F", "%5C", "%2e")
    ),
    *(
        "//{rest}",
        "/./{rest}",
        "/x/../{rest}",
        "/%2e/{rest}",
        "/{rest}?x=1",
        "/%0A{rest}",
        "/{upper}",
        "/{encoded}",
        "/{first}%0A",
    ),
]


def spell(pattern, path):
    rest = re.sub(r"\{\w+\}", "none", path).lstrip("/")
    first, _, others = rest.partition("/")
    return pattern.format(
        path=f"/{rest}",
        rest=rest,
        upper=rest.upper(),
        encoded="".join(f"%{byte:02X}" for byte in rest.encode()).replace("%2F", "/"),
        first=f"{first}%0A/{others}",
    )


def refusal(client, method, path, key):
    """Why a path is refused, as it is spelt (clients tidy some up): the code, else the bare status."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(f"{head}{authorization}Content-Length: 0\r\n\r\n".encode("latin-1"))
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    return json.loads(body)["code"] if b"problem+json" in head else int(head.split()[1])


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_no_spelling_of_a_path_gets_around_its_scope(locked, client, route):
    """However it is spelt: it is refused as the route is, or it is none at all."""
    needed = scope_of(route)
    callers = {None: locked.client, **dict.fromkeys(Scope, locked.client), "loopback": client}
    refusals = {"no_key", "insufficient_scope", "no_such_route", "method_not_allowed", "invalid_path", 400}
    for pattern in MANGLED:
        for caller, served_by in callers.items():
            key = locked.keys[caller].secret if isinstance(caller, Scope) else None
            found = refusal(served_by, route[0], spell(pattern, route[1]), key)
            is_enough = isinstance(caller, Scope) and (needed is None or caller.includes(needed))
            if caller == "loopback":
                is_enough = needed is not Scope.ADMIN
            assert found in refusals or is_enough or needed is None, (pattern, caller, found)


@pytest.mark.parametrize("key", [None, *Scope])
@pytest.mark.parametrize(
    "path", ["/v1/keys%0A", "/v1/keys%0D", "/v1/keys%00", "/v1/keys%E2%80%A8", "/v1/keys%20"]
)
def test_a_line_end_behind_a_path_makes_no_key(locked, client, path, key):
    api, secret = (client, None) if key is None else (locked.client, locked.keys[key].secret)
    before = len(locked.store.keys.list().items)
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    answer = api.post(path, json={"scope": "admin"}, headers=headers)
    assert answer.status_code in {400, 401, 403, 404}
    assert len(locked.store.keys.list().items) == before


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


def test_a_setting_opens_the_documentation_and_nothing_else(locked, base_settings, serve, tmp_path):
    settings = base_settings.model_copy(
        update={"data_dir": tmp_path, "require_keys": True, "open_docs": True}
    )
    store = Store.open(settings)
    store.keys.create(Scope.ADMIN)
    store.close()
    with serve(settings) as api:
        for path in ("/docs", "/openapi.json"):
            assert api.client.get(path).status_code == 200
            assert locked.client.get(path).status_code == 401
        assert api.client.get("/v1").status_code == 401
