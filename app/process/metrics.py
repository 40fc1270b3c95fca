"""Prometheus metrics of the service."""

from collections.abc import Iterator
from functools import cache
from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from worker.store import Statistics

# One label for all unknown paths and methods, so that clients cannot create labels without bound.
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
            "Time from a request's head to the end of its response.",
            ["route"],
            registry=self._registry,
        )
        # Looked up in every request, nearly always with the same few labels.
        self._requests_of, self._seconds_of = cache(self._requests.labels), cache(self._seconds.labels)
        self._encoded = Counter("catvq_encoded_rows", "Rows turned into codes.", registry=self._registry)
        self._encode_seconds = Histogram(
            "catvq_encode_duration_seconds",
            "Time to encode a request's rows, including the wait for other requests.",
            registry=self._registry,
        )
        self._cached = Gauge(
            "catvq_encoder_cache_bytes", "Size of the loaded models.", registry=self._registry
        )

    def count_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count one request under its route; None if no route matched."""
        method, route = (method, route) if route and method in METHODS else (UNKNOWN_ROUTE, UNKNOWN_ROUTE)
        self._requests_of(method, route, str(status)).inc()
        self._seconds_of(route).observe(seconds)

    def count_rows(self, rows: int, seconds: float) -> None:
        """Count the encoded rows of one request."""
        self._encoded.inc(rows)
        self._encode_seconds.observe(seconds)

    def render(self, statistics: Statistics, *, cached_bytes: int) -> bytes:
        """Return all metrics in Prometheus's text format."""
        self._cached.set(cached_bytes)
        jobs = CollectorRegistry()
        jobs.register(_Jobs(statistics))
        return generate_latest(self._registry) + generate_latest(jobs)


class _Jobs:
    """Metrics that are read from the store, and so are the same in every API process."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        found = self._statistics
        count = GaugeMetricFamily("catvq_jobs", "Jobs that have not ended.", labels=["status"])
        age = GaugeMetricFamily(
            "catvq_oldest_job_age_seconds", "Age of the oldest job that has not ended.", labels=["status"]
        )
        for status, jobs in found.jobs.items():
            count.add_metric([status], jobs)
            age.add_metric([status], found.oldest_s[status])
        yield count
        yield age
        yield GaugeMetricFamily(
            "catvq_training_steps_per_second",
            "Training steps per second of all running jobs together.",
            value=found.steps_per_s,
        )
        yield CounterMetricFamily(
            "catvq_lease_losses", "Jobs taken from a worker that died.", value=found.lease_losses
        )
