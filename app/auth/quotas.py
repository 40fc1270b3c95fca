"""Rate limits of each API key: jobs, uploads and encoded rows in a minute."""

from collections.abc import MutableMapping
from math import ceil
from time import time
from typing import Any

from app.problems import TooManyError
from app.settings import ApiSettings


class Quotas:
    """Counts the jobs, uploads and rows of each key, in this process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._items: dict[str, Any] = {}
        if not settings.demands_keys:
            return
        # Imported only where keys are required: it takes 3 MB.
        from limits import RateLimitItemPerMinute  # noqa: PLC0415
        from limits.storage import MemoryStorage  # noqa: PLC0415
        from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415

        amounts = {
            "jobs": settings.max_jobs_per_minute,
            "uploads": settings.max_uploads_per_minute,
            "rows": settings.max_encoded_rows_per_minute,
        }
        for what, amount in amounts.items():
            if amount is not None:
                self._items[what] = RateLimitItemPerMinute(amount, namespace=what)
        self._counts = FixedWindowRateLimiter(MemoryStorage())

    def count(self, state: MutableMapping[str, Any], what: str, amount: int = 1) -> None:
        """Count a request against the limit of its key, and set the RateLimit headers of its response.

        Requests without a key are not counted.

        Args:
            state: The request's state.
            what: `jobs`, `uploads` or `rows`.

        Raises:
            TooManyError: The key's limit for this minute is exceeded.
        """
        item, key = self._items.get(what), state["key"]
        if item is None or key is None:
            return
        is_within = self._counts.hit(item, key.id, cost=amount)
        window = self._counts.get_window_stats(item, key.id)
        reset_s = max(1, ceil(window.reset_time - time()))
        left = {"limit": item.amount, "remaining": window.remaining, "reset": reset_s}
        state["rate_limit"] = [(f"ratelimit-{name}".encode(), b"%d" % left[name]) for name in left]
        if not is_within:
            raise TooManyError(
                f"more than {item.amount} {what} in a minute with one key",
                code=f"too_many_{what}",
                retry_after_s=reset_s,
            )
