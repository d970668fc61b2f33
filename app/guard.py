"""Middleware around every request: limits for bodies, allowed hosts, security headers, counts."""

import asyncio
import os
import re
import time

import prometheus_client as prometheus
from fastapi import HTTPException
from fastapi.responses import JSONResponse
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 2**20  # of a body
SECONDS = 5  # for a body to arrive
TOO_LARGE = f"The body is too large; the limit is {MOST_BYTES:,} bytes."
HEADERS = {
    b"content-security-policy": b"default-src 'self'; object-src 'none'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-cache",  # files may be kept, and are asked for with their ETag
}
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # s
ROUTES = {"/", "/classify", "/compare", "/docs", "/healthz", "/metrics", "/openapi.json"}
PURPOSE = "Time from a request's head to the first byte of its answer"

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
requests = prometheus.Counter("http_requests", "Requests answered", ("route", "status"))
times = prometheus.Histogram("http_request_seconds", PURPOSE, ("route",), buckets=BUCKETS)


def guarded(app: ASGIApp, hosts: frozenset[str] | None) -> ASGIApp:
    """Return an app with this middleware around it, which answers only as ``hosts``; None: as any.

    The app must answer the HTTPExceptions 408 and 413 that its ``receive`` raises.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        began, deadline = time.perf_counter(), asyncio.get_running_loop().time() + SECONDS
        headers = Headers(scope=scope)
        announced = int(headers.get("content-length", 0))  # h11 has checked that it is a number
        received, more = 0, True

        async def receive_within_limits() -> Message:
            nonlocal received, more
            if announced > MOST_BYTES:
                raise HTTPException(413, TOO_LARGE)
            try:
                async with asyncio.timeout_at(deadline if more else None):
                    message = await receive()
            except TimeoutError:
                sentence = f"The body did not arrive within {SECONDS} seconds."
                raise HTTPException(408, sentence, {"Connection": "close"}) from None
            received += len(message.get("body", b""))
            if received > MOST_BYTES:
                raise HTTPException(413, TOO_LARGE)
            more = message.get("more_body", False)
            return message

        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                other = "/static" if scope["path"].startswith("/static/") else "other"
                route = scope["path"] if scope["path"] in ROUTES else other
                requests.labels(route, message["status"]).inc()
                times.labels(route).observe(time.perf_counter() - began)
                message["headers"] = [*message.get("headers", ()), *HEADERS.items()]
            await send(message)

        inner = app
        if hosts and re.sub(r":\d+$", "", headers.get("host", "")).lower() not in hosts:
            detail = f"This server answers only as {', '.join(sorted(hosts))}."
            inner = JSONResponse({"detail": detail}, 400)
        await inner(scope, receive_within_limits, count_and_send)

    return guard


def counts() -> bytes:
    """Return all counts in Prometheus's text format; with several workers, those of all."""
    registry = prometheus.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus.CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus.generate_latest(registry)
