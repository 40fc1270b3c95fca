"""LRU cache of loaded encoders, bounded in bytes."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from app.inference.encoder import Encoder


class EncoderCache:
    """Loaded encoders by model id; the least recently used is dropped first.

    Requests that arrive while a model is being loaded wait for that load. The newest encoder is kept even if
    it alone is larger than the cache.

    Args:
        load: Loads the encoder of a model id.
        is_known: Whether a model is known to be there; one that is not is looked up before it is used again.
        max_bytes: Limit on the summed `size_bytes` of the loaded encoders.
    """

    def __init__(
        self, load: Callable[[str], Encoder], is_known: Callable[[str], bool], *, max_bytes: int
    ) -> None:
        self._load = load
        self._is_known = is_known
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._loaded: OrderedDict[str, Encoder] = OrderedDict()
        self._loading: dict[str, Future[Encoder]] = {}

    def get(self, model_id: str) -> Encoder:
        """Return the encoder of a model; load it if it is not in the cache.

        Raises:
            DamagedModelError: Its files cannot be loaded; the next call tries again.
        """
        if (encoder := self.loaded(model_id)) is not None:
            return encoder
        with self._lock:
            if (encoder := self._loaded.get(model_id)) is not None:
                return encoder
            future = self._loading.get(model_id)
            is_first = future is None
            if future is None:
                future = self._loading[model_id] = Future()
        if is_first:
            self._fill(model_id, future)
        return future.result()

    def loaded(self, model_id: str) -> Encoder | None:
        """Return the encoder of a model if it is loaded and the model is known to be there, else None."""
        with self._lock:
            encoder = self._loaded.get(model_id)
            if encoder is None:
                return None
            self._loaded.move_to_end(model_id)
        return encoder if self._is_known(model_id) else None

    def drop(self, model_id: str) -> None:
        """Remove a deleted model."""
        with self._lock:
            self._loaded.pop(model_id, None)
            self._loading.pop(model_id, None)

    @property
    def size_bytes(self) -> int:
        """Summed size of the loaded encoders."""
        with self._lock:
            return sum(encoder.size_bytes for encoder in self._loaded.values())

    def _fill(self, model_id: str, future: Future[Encoder]) -> None:
        try:
            encoder = self._load(model_id)
        except BaseException as error:  # noqa: BLE001 - raised by everyone who waits for the future
            self.drop(model_id)
            future.set_exception(error)
            return
        with self._lock:
            if self._loading.pop(model_id, None) is future:  # not dropped meanwhile
                self._loaded[model_id] = encoder
                self._evict()
        future.set_result(encoder)

    def _evict(self) -> None:
        """Drop the least recently used encoders beyond the limit, but never the newest."""
        excess = sum(encoder.size_bytes for encoder in self._loaded.values()) - self._max_bytes
        while excess > 0 and len(self._loaded) > 1:
            _, dropped = self._loaded.popitem(last=False)
            excess -= dropped.size_bytes
