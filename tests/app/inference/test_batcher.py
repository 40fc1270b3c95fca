"""Requests share runs and keep their own rows, and nobody waits for a cancelled or an endless one."""

import asyncio
import threading

import numpy as np
import pytest

from app.inference.batcher import INSTANT_BYTES, Batcher
from app.inference.encoder import ROWS_PER_RUN, Encoder


@pytest.fixture
def encoder(make_model, tmp_path):
    make_model(tmp_path / "model")
    return Encoder(lambda: tmp_path / "model", threads=1)


@pytest.fixture
def runs(encoder, monkeypatch):
    """How many rows each run of the encoder had."""
    sizes = []
    encode = encoder.encode

    def counted(rows, *, with_doubt):
        sizes.append(len(rows))
        return encode(rows, with_doubt=with_doubt)

    monkeypatch.setattr(encoder, "encode", counted)
    return sizes


def with_batcher(use):
    async def main():
        batcher = Batcher()
        try:
            return await use(batcher)
        finally:
            batcher.close()

    return asyncio.run(main())


def draw(rows, seed=0):
    return np.random.default_rng(seed).normal(2, 3, (rows, 3)).astype(np.float32)


def test_requests_of_one_turn_share_a_run_and_each_gets_its_own_rows(encoder, runs):
    batches = [draw(size, size) for size in (1, 5, 17, 2)]

    async def use(batcher):
        return await asyncio.gather(*(batcher.encode(encoder, rows, with_doubt=False) for rows in batches))

    found = with_batcher(use)
    assert runs == [25]
    for encoded, rows in zip(found, batches, strict=True):
        assert encoded.codes.tolist() == encoder.encode(rows, with_doubt=False).codes.tolist()
        assert encoded.doubt is None


@pytest.mark.parametrize(
    ("rows", "size_bytes", "at_once", "by_the_loop"),
    [
        (1, INSTANT_BYTES, 1, True),
        (2, INSTANT_BYTES, 1, False),
        (1, INSTANT_BYTES + 1, 1, False),
        (1, INSTANT_BYTES, 2, False),
    ],
)
def test_only_a_row_that_comes_alone_to_a_quick_model_is_encoded_by_the_loop(
    encoder, monkeypatch, rows, size_bytes, at_once, by_the_loop
):
    threads = set()
    encode = encoder.encode

    def noted(rows, *, with_doubt):
        threads.add(threading.current_thread())
        return encode(rows, with_doubt=with_doubt)

    monkeypatch.setattr(encoder, "encode", noted)
    monkeypatch.setattr(encoder, "size_bytes", size_bytes)

    async def use(batcher):
        asked = (batcher.encode(encoder, draw(rows), with_doubt=True) for _ in range(at_once))
        return await asyncio.gather(*asked)

    found = with_batcher(use)
    assert (threads == {threading.current_thread()}) == by_the_loop
    assert found[0].codes.tolist() == encode(draw(rows), with_doubt=True).codes.tolist()


def test_a_row_that_comes_while_others_are_encoded_waits_for_the_thread(encoder, monkeypatch):
    threads = []
    began, may_end = threading.Event(), threading.Event()
    encode = encoder.encode

    def noted(rows, *, with_doubt):
        threads.append(threading.current_thread().name)
        began.set()
        assert may_end.wait(20)
        return encode(rows, with_doubt=with_doubt)

    monkeypatch.setattr(encoder, "encode", noted)

    async def use(batcher):
        many = asyncio.ensure_future(batcher.encode(encoder, draw(9), with_doubt=False))
        await asyncio.to_thread(began.wait, 20)
        lone = asyncio.ensure_future(batcher.encode(encoder, draw(1), with_doubt=False))
        for _ in range(5):  # turns of the loop: it is submitted, and handed over
            await asyncio.sleep(0)
        may_end.set()
        return await asyncio.gather(many, lone)

    assert [len(encoded.codes) for encoded in with_batcher(use)] == [9, 1]
    assert threads == ["encoder", "encoder"]


def test_requests_with_and_without_doubt_do_not_mix(encoder, runs):
    async def use(batcher):
        asked = (batcher.encode(encoder, draw(3), with_doubt=number % 2 == 0) for number in range(4))
        return await asyncio.gather(*asked)

    found = with_batcher(use)
    assert runs == [6, 6]
    assert [encoded.doubt is not None for encoded in found] == [True, False, True, False]
    assert found[2].doubt.reconstruction_error.shape == (3,)


def test_a_long_request_lets_a_short_one_pass(encoder, runs):
    long, short = draw(10 * ROWS_PER_RUN + 7), draw(4, 1)
    order = []

    async def ask(batcher, name, rows):
        encoded = await batcher.encode(encoder, rows, with_doubt=True)
        order.append(name)
        return encoded

    async def use(batcher):
        return await asyncio.gather(ask(batcher, "long", long), ask(batcher, "short", short))

    found, other = with_batcher(use)
    assert order == ["short", "long"]
    assert max(runs) == ROWS_PER_RUN
    expected = encoder.encode(long, with_doubt=True)
    assert found.codes.tolist() == expected.codes.tolist()
    np.testing.assert_array_equal(found.doubt.distance_percentile, expected.doubt.distance_percentile)
    assert other.codes.tolist() == encoder.encode(short, with_doubt=False).codes.tolist()


def test_a_cancelled_request_is_not_computed_and_hurts_nobody(encoder, runs):
    async def use(batcher):
        cancelled = asyncio.ensure_future(batcher.encode(encoder, draw(9), with_doubt=False))
        kept = asyncio.ensure_future(batcher.encode(encoder, draw(2), with_doubt=False))
        await asyncio.sleep(0)
        cancelled.cancel()
        return (await kept).codes.shape

    assert with_batcher(use) == (2, 2)
    assert runs == [2]


def test_a_failure_is_told_to_all_it_concerns_and_the_next_request_is_served(encoder):
    async def use(batcher):
        bad = [batcher.encode(encoder, np.zeros((1, 4), np.float32), with_doubt=False) for _ in range(2)]
        failures = await asyncio.gather(*bad, return_exceptions=True)
        return failures, await batcher.encode(encoder, draw(1), with_doubt=False)

    failures, encoded = with_batcher(use)
    assert all(isinstance(failure, Exception) for failure in failures)
    assert encoded.codes.shape == (1, 2)


def test_closing_ends_the_thread():
    threads = []

    async def use(batcher):
        threads.append(batcher._thread)
        assert threads[0].is_alive()

    with_batcher(use)
    assert not threads[0].is_alive()
