"""The service's own numbers, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

UNKNOWN_ROUTE = "(none)"  # one label for every path that is no route, or a scanner could fill the memory


class Telemetry:
    """Counts what one API process does."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "catvq_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "catvq_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            registry=self._registry,
        )
        self._encoded = Counter("catvq_encoded_rows", "Rows turned into codes.", registry=self._registry)
        self._queued = Gauge("catvq_queued_jobs", "Jobs waiting for a worker.", registry=self._registry)
        self._cached = Gauge(
            "catvq_encoder_cache_bytes", "Size of the models that are loaded.", registry=self._registry
        )

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request under the route that answered it."""
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if route != UNKNOWN_ROUTE else UNKNOWN_ROUTE
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_rows(self, rows: int) -> None:
        """Count rows that were encoded."""
        self._encoded.inc(rows)

    def render(self, *, queued_jobs: int, cached_bytes: int) -> bytes:
        """Return every number in Prometheus's text form."""
        self._queued.set(queued_jobs)
        self._cached.set(cached_bytes)
        return generate_latest(self._registry)
