"""The soak in short, and the memory that an API process takes."""

import asyncio
import gc

import httpx
import psutil
import pytest

from tests.soak.service import make_pool, publish_models, published
from tests.soak.traffic import JSON, NPY, READERS, WRITERS, put_traffic

pytestmark = pytest.mark.slow

MAX_RSS_BYTES = 160_000_000
SECONDS = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with published(tmp_path_factory.mktemp("soak")) as (model_id, directory):
        yield model_id, directory


@pytest.fixture(scope="module")
def pool(model):
    return make_pool(model[1], rows=500)


# A connection that is given up while it opens is left to the collector, which complains of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_answer_is_that_of_its_own_rows(start_api, model, pool):
    model_id, directory = model
    with start_api(directory.parents[1]) as api:
        tally = asyncio.run(put_traffic(api.url, model_id, pool, seconds=SECONDS))
        gc.collect()
    assert tally.wrong == []
    assert {"bad", "abandoned"} < set(tally.counts)
    assert len(tally.counts) > len(WRITERS) * len(READERS) / 2


def test_json_and_npy_take_little_memory(start_api, model, pool):
    model_id, directory = model
    rows = pool.rows[:256]
    bodies = [(kind, WRITERS[kind](part, pool.names)) for kind in (JSON, NPY) for part in (rows[:1], rows)]
    path = f"/v1/models/{model_id}/encodings"
    with start_api(directory.parents[1]) as api, httpx.Client(base_url=api.url) as client:
        for kind, body in 30 * bodies:
            answer = client.post(path, content=body, headers={"content-type": kind, "accept": kind})
            assert answer.status_code == 200
        assert psutil.Process(api.process.pid).memory_info().rss < MAX_RSS_BYTES


def test_models_that_come_and_go_take_no_more_than_those_that_are_kept(start_api, model, pool):
    _, directory = model
    kept = 3
    size = 2 * sum(path.stat().st_size for path in directory.glob("*.onnx"))
    body = WRITERS[NPY](pool.rows[:1], pool.names)
    headers = {"content-type": NPY, "accept": NPY}
    seen = []
    with (
        start_api(directory.parents[1], CATVQ_ENCODER_CACHE_BYTES=str(kept * size)) as api,
        httpx.Client(base_url=api.url) as client,
    ):
        for model_id in publish_models(directory.parents[1], 5 * kept):
            answer = client.post(f"/v1/models/{model_id}/encodings", content=body, headers=headers)
            assert answer.status_code == 200
            seen.append(psutil.Process(api.process.pid).memory_info().rss)
    assert seen[-1] < seen[kept] + 1.5 * size
