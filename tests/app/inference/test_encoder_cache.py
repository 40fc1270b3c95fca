"""Models are loaded once, kept within their bytes, and dropped when deleted."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from app.inference.encoder import DamagedModelError
from app.inference.encoder_cache import EncoderCache


@dataclass
class Loaded:
    """Stands for an encoder: the cache looks at nothing but the size."""

    name: str
    size_bytes: int = 10


class Loader:
    def __init__(self):
        self.loads = []
        self.is_damaged = False

    def __call__(self, model_id):
        self.loads.append(model_id)
        time.sleep(0.05)
        if self.is_damaged:
            raise DamagedModelError("torn")
        return Loaded(model_id)


@pytest.fixture
def loader():
    return Loader()


def test_simultaneous_first_requests_load_a_model_once(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=100)
    with ThreadPoolExecutor(8) as pool:
        encoders = list(pool.map(cache.get, ["model_1"] * 8))
    assert loader.loads == ["model_1"]
    assert len({id(encoder) for encoder in encoders}) == 1


def test_the_least_recently_used_model_goes_first(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=20)
    for model_id in ("a", "b", "a", "c", "a"):
        assert cache.get(model_id).name == model_id
    assert loader.loads == ["a", "b", "c"]
    assert cache.size_bytes == 20
    cache.get("b")
    assert loader.loads == ["a", "b", "c", "b"]


def test_a_hundred_models_stay_within_the_bytes(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=35)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(cache.get, [f"model_{number % 50}" for number in range(100)]))
    assert cache.size_bytes <= 35


def test_a_model_larger_than_the_cache_is_still_served(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=0)
    assert cache.get("a").name == "a"
    assert cache.get("a").name == "a"
    assert loader.loads == ["a"]


def test_a_damaged_model_is_tried_again(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=100)
    loader.is_damaged = True
    with pytest.raises(DamagedModelError):
        cache.get("a")
    loader.is_damaged = False
    assert cache.get("a").name == "a"


def test_a_deleted_model_is_forgotten(loader):
    cache = EncoderCache(loader, lambda _: True, max_bytes=100)
    cache.get("a")
    cache.drop("a")
    assert cache.size_bytes == 0


def test_a_model_that_may_have_been_deleted_is_looked_up_before_it_is_used_again(loader):
    known = {"a"}
    cache = EncoderCache(loader, known.__contains__, max_bytes=100)
    cache.get("a")
    known.clear()
    assert cache.loaded("a") is None
    known.add("a")
    assert cache.loaded("a") is cache.get("a")
    assert loader.loads == ["a"]
