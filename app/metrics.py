"""Counting requests for Prometheus."""

import os
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # s
ROUTES = {"/", "/classify", "/docs", "/healthz", "/metrics", "/openapi.json"}

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The number of requests and the time to their answers, by route, and what the process uses.

    Where PROMETHEUS_MULTIPROC_DIR names a folder, it is the requests of all workers together alone.
    """

    MEDIA_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "http_requests", "Requests answered", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_seconds",
            "Time from a request's head to the first byte of its answer",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._of = lru_cache(self._children)  # looking them up takes longer than counting

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one request, under the route its path belongs to."""
        route = path if path in ROUTES else "/static" if path.startswith("/static/") else "other"
        requests, times = self._of(route, status)
        requests.inc()
        times.observe(seconds)

    def count_refusal(self, status: int) -> None:
        """Count a request that was refused before its route was asked."""
        self._requests.labels("none", status).inc()

    def _children(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, status), self._seconds.labels(route)

    def text(self) -> bytes:
        """Return all counts in Prometheus's text format."""
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
