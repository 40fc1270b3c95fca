"""Aliases move only as their movers expect, and keep their model from being deleted."""

import pytest


def put(api, name, model, **headers):
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return api.client.put(f"/v1/aliases/{name}", json={"model": model}, headers=names)


@pytest.fixture(scope="module")
def models(api):
    return api.model(), api.model()


def test_an_alias_is_made_moved_and_forgotten(api, models):
    first, second = models
    made = put(api, "production", first)
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/aliases/production"
    assert {name: made.json()[name] for name in ("name", "model", "version")} == {
        "name": "production",
        "model": first,
        "version": 1,
    }
    assert put(api, "production", second).status_code == 200
    assert api.client.get("/v1/aliases/production").json()["model"] == second
    assert api.client.get("/v1/models/@production").json()["id"] == second
    assert "production" in [item["name"] for item in api.client.get("/v1/aliases").json()["items"]]
    assert api.client.delete("/v1/aliases/production").status_code == 204
    assert api.client.get("/v1/aliases/production").status_code == 404
    assert api.client.delete("/v1/aliases/production").status_code == 404


def test_a_model_is_kept_also_from_being_deleted_by_its_alias(api, models):
    first, _ = models
    put(api, "kept", first)
    answer = api.client.delete("/v1/models/@kept")
    assert (answer.status_code, answer.json()["code"]) == (409, "model_aliased")
    assert api.client.get(f"/v1/models/{first}").status_code == 200


def test_an_unknown_model_is_the_fault_of_its_field(api):
    answer = put(api, "nowhere", "model_0")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "model")


def test_a_name_moves_only_from_the_expected_version(api, models):
    first, second = models
    tag = put(api, "guarded", first).headers["etag"]
    assert put(api, "guarded", second, if_match=tag).status_code == 200
    late = put(api, "guarded", first, if_match=tag)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert api.client.get("/v1/aliases/guarded").json()["model"] == second
    assert put(
        api, "guarded", first, if_match=f'"7", {api.client.get("/v1/aliases/guarded").headers["etag"]}'
    ).is_success
    assert put(api, "guarded", first, if_match="*").is_success


@pytest.mark.parametrize("header", ["*", '"1"', 'W/"1"', "1", "nonsense"])
def test_a_name_that_is_not_there_matches_nothing(api, models, header):
    assert put(api, "absent", models[0], if_match=header).status_code == 412
    assert api.client.get("/v1/aliases/absent").status_code == 404


def test_a_weak_tag_never_matches(api, models):
    tag = put(api, "weak", models[0]).headers["etag"]
    assert put(api, "weak", models[1], if_match=f"W/{tag}").status_code == 412


def test_a_delete_may_be_guarded_too(api, models):
    tag = put(api, "deleted", models[0]).headers["etag"]
    path = "/v1/aliases/deleted"
    assert api.client.delete(path, headers={"if-match": '"9"'}).status_code == 412
    assert api.client.delete(path, headers={"if-match": tag}).status_code == 204


def test_an_unchanged_alias_is_not_sent_again(api, models):
    tag = put(api, "cached", models[0]).headers["etag"]
    assert api.client.get("/v1/aliases/cached", headers={"if-none-match": tag}).status_code == 304


def test_an_aliased_model_cannot_be_deleted(api):
    model_id = api.model()
    put(api, "holder", model_id)
    refused = api.client.delete(f"/v1/models/{model_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_aliased")
    api.client.delete("/v1/aliases/holder")
    assert api.client.delete(f"/v1/models/{model_id}").status_code == 204


def test_only_a_known_model_can_be_aliased(api, models):
    assert put(api, "unknown", "model_0").status_code == 404
    assert put(api, "copy", models[0]).status_code in {200, 201}
    assert put(api, "copy-of-copy", "@copy").json()["model"] == models[0]


@pytest.mark.parametrize("body", [{}, {"model": 1}, {"model": ""}, {"model": "m", "x": 1}, [], "m"])
def test_a_body_of_another_form_is_refused(api, body):
    assert api.client.put("/v1/aliases/x", json=body).status_code == 422


@pytest.mark.parametrize("name", ["@x", "a%20b", "x" * 201])
def test_a_name_that_could_not_be_asked_for_is_not_made(api, models, name):
    answer = put(api, name, models[0])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
