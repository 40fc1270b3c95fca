"""Documents are made once, compressed where that pays, kept within their bytes, and gone with their model."""

import gzip
import json

import pytest

from app.inference.document_cache import WORTH_COMPRESSING, DocumentCache

JSON = "application/json"


@pytest.fixture
def cache():
    return DocumentCache(max_bytes=100)


def test_a_document_is_made_once(cache):
    made = []

    def make():
        made.append(1)
        return b"{}"

    first = cache.get("m", "report", JSON, make)
    assert cache.get("m", "report", JSON, make) is first
    assert cache.find("m", "report") is first
    assert made == [1]
    assert first.compressed is None


def test_the_least_used_documents_go_first(cache):
    for name in ("a", "b", "a", "c"):
        cache.get(name, "", JSON, lambda: b"x" * 40)
    assert [name for name in "abc" if cache.find(name, "")] == ["a", "c"]


def test_what_is_larger_than_the_cache_drives_nothing_out(cache):
    cache.get("a", "", JSON, lambda: b"x" * 40)
    assert cache.get("b", "", "application/octet-stream", lambda: b"x" * 101).body == b"x" * 101
    assert cache.find("b", "") is None
    assert cache.find("a", "") is not None


def test_a_dropped_model_gives_its_room_back(cache):
    for part in ("grouping", "report"):
        cache.get("a", part, JSON, lambda: b"x" * 50)
    cache.drop("a")
    assert cache.find("a", "report") is None
    for name in ("b", "c"):
        cache.get(name, "", JSON, lambda: b"x" * 50)
    assert cache.find("b", "")


@pytest.fixture
def long_model(api):
    """A model whose grouping is worth compressing."""
    model_id = api.model()
    path = api.store.models.directory(model_id) / "grouping.json"
    grouping = json.loads(path.read_text())
    grouping["categories"][0]["name"] = "long" * WORTH_COMPRESSING
    path.write_text(json.dumps(grouping))
    return model_id


def test_a_long_document_is_compressed_for_those_who_take_it(client, long_model):
    path = f"/v1/models/{long_model}/grouping"
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for accepted in ("gzip", "br, GZIP;q=0.5"):
        for _ in range(2):  # the route, then the fast path
            packed = client.get(path, headers={"accept-encoding": accepted})
            assert packed.headers["content-encoding"] == "gzip"
            assert int(packed.headers["content-length"]) < len(plain.content) / 10
            assert packed.content == plain.content
            assert "Accept-Encoding" in packed.headers["vary"]
            assert packed.headers["etag"] != plain.headers["etag"]
    refused = client.get(path, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_each_form_is_known_again_by_its_own_tag(client, long_model, encoding):
    path = f"/v1/models/{long_model}/grouping"
    tag = client.get(path, headers={"accept-encoding": encoding}).headers["etag"]
    again = client.get(path, headers={"accept-encoding": encoding, "if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert "content-encoding" not in again.headers
    other = client.get(path, headers={"accept-encoding": encoding, "if-none-match": 'W/"x"'})
    assert other.status_code == 200


@pytest.mark.parametrize("part", ["", "/grouping", "/codebook", "/report"])
def test_the_short_way_to_a_document_answers_as_the_long_one(client, model_id, part):
    path = f"/v1/models/{model_id}{part}"
    long = client.get(path, params={"x": "1"})
    assert long.status_code == 422
    first, second = client.get(path), client.get(path)
    dropped = {"date", "x-request-id"}
    assert first.content == second.content
    assert [{k: v for k, v in a.headers.items() if k not in dropped} for a in (first, second)] == [
        {k: v for k, v in first.headers.items() if k not in dropped}
    ] * 2


def test_a_document_goes_with_its_model_even_when_another_process_deletes_it(api):
    model_id = api.model()
    path = f"/v1/models/{model_id}/grouping"
    assert api.client.get(path).status_code == 200
    api.store.models.delete(model_id)
    assert api.client.get(path).status_code == 404


def test_the_compressed_form_is_the_same_whenever_it_is_made():
    documents = [DocumentCache(max_bytes=1 << 20).get("m", "", JSON, lambda: b"x" * 5000) for _ in range(2)]
    assert documents[0].compressed == documents[1].compressed
    assert gzip.decompress(documents[0].compressed) == b"x" * 5000
