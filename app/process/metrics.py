"""The service's own numbers, as Prometheus reads them."""

from collections.abc import Iterator
from functools import cache
from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from worker.store import Statistics

# One label for every path that is no route and for methods of a client's invention, which fill no memory so.
UNKNOWN_ROUTE = "(none)"
METHODS = frozenset(HTTPMethod)


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
        # Of every request, and nearly always the same few.
        self._requests_of, self._seconds_of = cache(self._requests.labels), cache(self._seconds.labels)
        self._encoded = Counter("catvq_encoded_rows", "Rows turned into codes.", registry=self._registry)
        self._encode_seconds = Histogram(
            "catvq_encode_duration_seconds",
            "Time from a request's rows to their codes, the wait for others' included.",
            registry=self._registry,
        )
        self._cached = Gauge(
            "catvq_encoder_cache_bytes", "Size of the models that are loaded.", registry=self._registry
        )

    def count_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count one request under the route that answered it, None where there was none."""
        method, route = (method, route) if route and method in METHODS else (UNKNOWN_ROUTE, UNKNOWN_ROUTE)
        self._requests_of(method, route, str(status)).inc()
        self._seconds_of(route).observe(seconds)

    def count_rows(self, rows: int, seconds: float) -> None:
        """Count rows of one request that were encoded."""
        self._encoded.inc(rows)
        self._encode_seconds.observe(seconds)

    def render(self, statistics: Statistics, *, cached_bytes: int) -> bytes:
        """Return every number in Prometheus's text form."""
        self._cached.set(cached_bytes)
        jobs = CollectorRegistry()
        jobs.register(_Jobs(statistics))
        return generate_latest(self._registry) + generate_latest(jobs)


class _Jobs:
    """Numbers that are the same in every API process: they are read from the store."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers."""
        found = self._statistics
        count = GaugeMetricFamily("catvq_jobs", "Jobs that have not ended.", labels=["status"])
        age = GaugeMetricFamily(
            "catvq_oldest_job_age_seconds", "Time since the oldest of them came.", labels=["status"]
        )
        for status, jobs in found.jobs.items():
            count.add_metric([status], jobs)
            age.add_metric([status], found.oldest_s[status])
        yield count
        yield age
        yield GaugeMetricFamily(
            "catvq_training_steps_per_second", "Of all running jobs together.", value=found.steps_per_s
        )
        yield CounterMetricFamily(
            "catvq_lease_losses", "Jobs taken from a worker that died.", value=found.lease_losses
        )
