"""Counting requests for Prometheus."""

import os

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # s
ROUTES = {"/", "/classify", "/docs", "/healthz", "/metrics", "/openapi.json"}

disable_created_metrics()  # type: ignore[no-untyped-call]
REQUESTS = Counter("http_requests", "Requests answered", ("route", "status"))
SECONDS = Histogram(
    "http_request_seconds",
    "Time from a request's head to the first byte of its answer",
    ("route",),
    buckets=BUCKETS,
)


def count(path: str, status: int, seconds: float) -> None:
    """Count one request, under the route its path belongs to."""
    route = path if path in ROUTES else "/static" if path.startswith("/static/") else "other"
    REQUESTS.labels(route, status).inc()
    SECONDS.labels(route).observe(seconds)


def text() -> bytes:
    """Return all counts in Prometheus's text format; with several workers, those of all."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
