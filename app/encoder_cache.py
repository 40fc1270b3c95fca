"""Keeps the models in use loaded, within a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from app.encoder import Encoder


class EncoderCache:
    """Loaded encoders by model id, the least used dropped first.

    Requests that come while a model is being loaded wait for that one load. One encoder is kept
    even if it alone is larger than the cache.

    Args:
        load: Loads the encoder of a model id.
        max_bytes: Sum of the sizes of the loaded models' files.
    """

    def __init__(self, load: Callable[[str], Encoder], *, max_bytes: int) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._encoders: OrderedDict[str, Future[Encoder]] = OrderedDict()

    def get(self, model_id: str) -> Encoder:
        """Return the encoder of a model, loading it on its first use and after it was deleted.

        Raises:
            DamagedModelError: Its files cannot be loaded; the next call tries again.
        """
        if (encoder := self.loaded(model_id)) is not None:
            return encoder
        with self._lock:
            future = self._encoders.get(model_id)
            is_first = future is None
            if future is None:
                future = self._encoders[model_id] = Future()
            self._encoders.move_to_end(model_id)
        if is_first:
            self._fill(model_id, future)
        return future.result()

    def loaded(self, model_id: str) -> Encoder | None:
        """Return the encoder of a model if that takes no time: it is loaded, and the model still there."""
        with self._lock:
            future = self._encoders.get(model_id)
            if future is None or not _is_loaded(future):
                return None
            self._encoders.move_to_end(model_id)
        encoder = future.result()
        if encoder.is_deleted:
            self.drop(model_id)
            return None
        return encoder

    def drop(self, model_id: str) -> None:
        """Forget a model that was deleted."""
        with self._lock:
            self._encoders.pop(model_id, None)

    @property
    def size_bytes(self) -> int:
        """What the loaded models take, by the size of their files."""
        with self._lock:
            return sum(_size(future) for future in self._encoders.values())

    def _fill(self, model_id: str, future: Future[Encoder]) -> None:
        try:
            future.set_result(self._load(model_id))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, and raised there
            self.drop(model_id)
            future.set_exception(error)
            return
        with self._lock:
            self._evict(keep=model_id)

    def _evict(self, *, keep: str) -> None:
        excess = sum(_size(future) for future in self._encoders.values()) - self._max_bytes
        for model_id in [name for name in self._encoders if name != keep]:
            if excess <= 0:
                return
            size = _size(self._encoders[model_id])
            if size:
                excess -= size
                del self._encoders[model_id]


def _size(future: Future[Encoder]) -> int:
    return future.result().size_bytes if _is_loaded(future) else 0


def _is_loaded(future: Future[Encoder]) -> bool:
    return future.done() and future.exception() is None
