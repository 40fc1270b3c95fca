"""Models are immutable: strong tags, 304, aliases that say what they stand for."""

import base64
import hashlib
import io

import numpy as np
import onnxruntime
import pytest

from worker.store import JobError

PARTS = ["", "/grouping", "/assignment", "/codebook", "/report", "/artifact"]


def test_a_model_says_what_it_is(client, model_id):
    model = client.get(f"/v1/models/{model_id}").json()
    assert (model["id"], model["digest"], model["levels"]) == (model_id, "sha256:hand", 1)
    assert model["features"] == ["a", "b", "c"]
    assert model["categories"] == ["first", "second"]
    assert model["codebook_size"] == [[2], [3]]
    assert model["job"].startswith("job_")
    assert client.get(f"/v1/datasets/{model['dataset']}").status_code == 200


def test_the_grouping_covers_every_feature_once(client, model_id):
    grouping = client.get(f"/v1/models/{model_id}/grouping").json()
    assert set(grouping) == {"model", "digest", "categories", "features"}
    assert grouping["model"] == model_id
    members = [name for category in grouping["categories"] for name in category["features"]]
    assert sorted(members) == ["a", "b", "c"]
    assert grouping["features"][0] == {
        "name": "a",
        "family": "features",
        "category": 0,
        "confidence": 0.75,
        "runner_up": 1,
    }


def test_the_assignment_is_soft_or_hard(client, model_id):
    path = f"/v1/models/{model_id}/assignment"
    soft = client.get(path).json()
    assert soft == {
        "model": model_id,
        "features": ["a", "b", "c"],
        "categories": ["first", "second"],
        "matrix": [[0.75, 0.25], [1, 0], [0.125, 0.875]],
    }
    hard = client.get(path, params={"kind": "hard"}, headers={"accept": "application/x-npy"})
    assert np.load(io.BytesIO(hard.content)).tolist() == [[1, 0], [1, 0], [0, 1]]
    assert client.get(path, params={"kind": "firm"}).status_code == 422
    text = client.get(path, headers={"accept": "text/csv"}).text
    assert text.splitlines() == ["feature,first,second", "a,0.75,0.25", "b,1,0", "c,0.125,0.875"]


def test_codebook_and_report_belong_to_the_model(client, model_id):
    codebook = client.get(f"/v1/models/{model_id}/codebook").json()
    assert (codebook["model"], len(codebook["categories"])) == (model_id, 2)
    report = client.get(f"/v1/models/{model_id}/report").json()
    assert (report["model"], report["losses"], report["warnings"]) == (model_id, {"test": 0.5}, [])
    assert report["baselines"] == {"status": "off"}
    assert report["verdict"] == "Not compared with simpler methods: the job did not request it."


def test_the_artifact_runs_without_the_service(client, model_id):
    answer = client.get(f"/v1/models/{model_id}/artifact")
    assert answer.headers["content-type"] == "application/octet-stream"
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    session = onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
    rows = np.array([[3, 4, 4]], np.float32)
    assert session.run(None, {session.get_inputs()[0].name: rows})[0].tolist() == [[1, 2]]


@pytest.mark.parametrize("part", PARTS)
def test_what_the_client_has_is_not_sent_again(client, model_id, part):
    path = f"/v1/models/{model_id}{part}"
    first = client.get(path)
    tag = first.headers["etag"]
    assert not tag.startswith("W/")
    assert "immutable" in first.headers["cache-control"]
    for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(path, headers={"if-none-match": header})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_another_format_and_kind_is_another_tag(client, model_id):
    path = f"/v1/models/{model_id}/assignment"
    answers = [
        client.get(path),
        client.get(path, params={"kind": "hard"}),
        client.get(path, headers={"accept": "application/x-npy"}),
    ]
    assert len({answer.headers["etag"] for answer in answers}) == 3


@pytest.mark.parametrize("part", PARTS)
def test_an_alias_says_what_it_stands_for_and_is_asked_again(client, model_id, part):
    client.put("/v1/aliases/reader", json={"model": model_id})
    answer = client.get(f"/v1/models/@reader{part}")
    assert answer.status_code == 200
    assert answer.headers["content-location"] == f"/v1/models/{model_id}{part}"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.content == client.get(f"/v1/models/{model_id}{part}").content


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("key", ["model_0", "@nobody"])
def test_an_unknown_model_or_alias_is_not_found(client, key, part):
    assert client.get(f"/v1/models/{key}{part}").status_code == 404


def test_links_of_a_model_lead_somewhere(client, model_id):
    for name, link in client.get(f"/v1/models/{model_id}").json()["links"].items():
        expected = 405 if name in {"encodings", "encoding-jobs", "decodings"} else 200
        assert client.get(link).status_code == expected, link


def test_models_are_listed_newest_first(api):
    first, second = api.model(), api.model()
    listed = [item["id"] for item in api.client.get("/v1/models", params={"limit": 2}).json()["items"]]
    assert listed == [second, first]


def test_a_deleted_model_is_gone_from_everywhere(api):
    model_id = api.model()
    path = f"/v1/models/{model_id}"
    rows = {"rows": [[1, 2, 3]]}
    assert api.client.post(f"{path}/encodings", json=rows).status_code == 200
    loaded_bytes = api.app.state.services.encoders.size_bytes
    assert api.client.delete(path).status_code == 204
    assert api.app.state.services.encoders.size_bytes < loaded_bytes
    assert api.client.post(f"{path}/encodings", json=rows).status_code == 404
    for part in PARTS:
        assert api.client.get(f"{path}{part}").status_code == 404


def test_a_damaged_model_is_the_services_own_fault(api):
    model_id = api.model()
    encoder = api.store.models.directory(model_id) / "encoder.onnx"
    encoder.write_bytes(encoder.read_bytes()[:50])
    answer = api.client.post(f"/v1/models/{model_id}/encodings", json={"rows": [[1, 2, 3]]})
    assert (answer.status_code, answer.json()["code"]) == (500, "damaged_model")


def report_of(client, model_id, **headers):
    return client.get(f"/v1/models/{model_id}/report", headers=headers)


def test_a_report_is_kept_for_ever_only_once_the_comparison_is_over(client, api):
    model_id = api.model(baselines=True)
    pending = report_of(client, model_id)
    assert pending.json()["baselines"] == {"status": "pending"}
    assert pending.json()["verdict"].startswith("Not yet compared")
    claim = api.store.pieces.claim("w.1")
    running = report_of(client, model_id)
    assert running.json()["baselines"] == {"status": "running"}
    found = {"outcome": "better", "best": "clustering", "verdict": "Better: yes."}
    api.store.pieces.finish(claim, found)
    done = report_of(client, model_id)
    assert done.json()["verdict"] == "Better: yes."
    assert done.json()["baselines"] == {"status": "done", "outcome": "better", "best": "clustering"}
    assert done.json()["losses"] == {"test": 0.5}
    answers = (pending, running, done)
    assert len({answer.headers["etag"] for answer in answers}) == 3
    assert ["immutable" in answer.headers["cache-control"] for answer in answers] == [False, False, True]
    for _ in range(2):  # the route, then the fast path
        again = report_of(client, model_id, **{"if-none-match": done.headers["etag"]})
        assert again.status_code == 304
        assert report_of(client, model_id).json() == done.json()


def test_a_report_says_why_there_is_no_comparison(client, api):
    model_id = api.model(baselines=True)
    api.store.pieces.fail(
        api.store.pieces.claim("w.1"), JobError(code="not_found", text="its dataset was deleted")
    )
    report = report_of(client, model_id).json()
    assert report["baselines"] == {"status": "failed", "reason": "its dataset was deleted"}
    assert report["verdict"] == "Not compared with simpler methods: its dataset was deleted."


OTHER = {
    "categories": [{"index": 0, "name": "all", "features": ["b", "c", "d"]}],
    "features": [
        {"name": name, "family": "features", "category": 0, "confidence": 1.0, "runner_up": None}
        for name in ("b", "c", "d")
    ],
}


@pytest.fixture(scope="module")
def other_id(api):
    return api.model(grouping=OTHER)


def test_two_models_are_compared_by_id_or_alias(client, model_id, other_id):
    found = client.get(f"/v1/models/{model_id}/diff", params={"to": other_id})
    assert found.json() == {
        "from": model_id,
        "to": other_id,
        "agreement": 0.0,
        "pairs": [{"from": "first", "to": "all", "shared": 1}],
        "moved": [{"name": "c", "from": "second", "to": "all"}],
        "only_in": {"from": ["a"], "to": ["d"]},
    }
    assert "immutable" in found.headers["cache-control"]
    client.put("/v1/aliases/newer", json={"model": other_id})
    for key, to in ((model_id, "@newer"), ("@newer", model_id), ("@newer", "@newer")):
        answer = client.get(f"/v1/models/{key}/diff", params={"to": to})
        ids = [other_id if name == "@newer" else name for name in (key, to)]
        assert [answer.json()["from"], answer.json()["to"]] == ids
        assert answer.headers["content-location"] == f"/v1/models/{ids[0]}/diff?to={ids[1]}"
        assert answer.headers["cache-control"] == "no-cache"
    again = client.get(
        f"/v1/models/{model_id}/diff",
        params={"to": other_id},
        headers={"if-none-match": found.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_other_model_must_be_named_and_exist(client, model_id):
    path = f"/v1/models/{model_id}/diff"
    assert client.get(path).json()["errors"][0]["field"] == "to"
    for to in ("model_0", "@nobody", "no id"):
        answer = client.get(path, params={"to": to})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.get(path, params={"to": "model_0"}).json()["errors"][0]["field"] == "to"
    assert client.get("/v1/models/model_0/diff", params={"to": model_id}).json()["code"] == "model_not_found"


@pytest.mark.parametrize("part", ["grouping", "assignment"])
def test_models_are_drawn_and_their_pictures_are_immutable(client, model_id, part):
    path = f"/v1/models/{model_id}/{part}"
    as_json = client.get(path)
    svg = client.get(path, headers={"accept": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8"})
    png = client.get(path, headers={"accept": "image/png"})
    assert (svg.headers["content-type"], png.headers["content-type"]) == ("image/svg+xml", "image/png")
    assert "second" in svg.text
    assert png.content.startswith(b"\x89PNG")
    assert len({answer.headers["etag"] for answer in (as_json, svg, png)}) == 3
    assert {answer.headers["vary"].split(",")[0] for answer in (as_json, svg, png)} == {"Accept"}
    assert "immutable" in png.headers["cache-control"]
    again = client.get(path, headers={"accept": "image/png", "if-none-match": png.headers["etag"]})
    assert again.status_code == 304
    assert client.get(path).content == as_json.content, "what was cached as a picture is no JSON"
    refused = client.get(path, headers={"accept": "image/gif"})
    assert refused.status_code == 406
    assert "image/svg+xml" in refused.json()["detail"]
