"""Counting requests for Prometheus."""

import os

import prometheus_client as prometheus
from prometheus_client.multiprocess import MultiProcessCollector

MEDIA_TYPE = prometheus.CONTENT_TYPE_LATEST
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # s
ROUTES = {"/", "/classify", "/compare", "/docs", "/healthz", "/metrics", "/openapi.json"}
PURPOSE = "Time from a request's head to the first byte of its answer"

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
requests = prometheus.Counter("http_requests", "Requests answered", ("route", "status"))
times = prometheus.Histogram("http_request_seconds", PURPOSE, ("route",), buckets=BUCKETS)


def count(path: str, status: int, seconds: float) -> None:
    """Count one request, under the route its path belongs to."""
    route = path if path in ROUTES else "/static" if path.startswith("/static/") else "other"
    requests.labels(route, status).inc()
    times.labels(route).observe(seconds)


def text() -> bytes:
    """Return all counts in Prometheus's text format; with several workers, those of all."""
    registry = prometheus.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus.CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus.generate_latest(registry)
