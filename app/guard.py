"""Middleware around every request: limits for bodies, allowed hosts, security headers, counts."""

import asyncio
import re
import time

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics

MOST_BYTES = 2**20  # of a body
SECONDS = 5  # for a body to arrive
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),  # files may be kept, and are asked for with their ETag
]


class Guard:
    """Pure ASGI middleware.

    Args:
        app: raises what its ``receive`` raises: HTTPException 408 or 413, for it to answer.
        hosts: the names that requests may call this server by; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None):
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + SECONDS
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")  # digits, or the server has refused it
        size, more = int(announced) if announced.isdecimal() else 0, True
        received = 0

        async def receive_within_limits() -> Message:
            nonlocal received, more
            if not more:
                return await receive()
            if size <= MOST_BYTES:
                try:
                    async with asyncio.timeout_at(deadline):
                        message = await receive()
                except TimeoutError:
                    sentence = f"The body did not arrive within {SECONDS} seconds."
                    raise HTTPException(408, sentence, {"Connection": "close"}) from None
                received += len(message.get("body", b""))
            if max(size, received) > MOST_BYTES:
                raise HTTPException(
                    413, f"The body is too large; the limit is {MOST_BYTES:,} bytes."
                )
            more = message.get("more_body", False)
            return message

        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.count(scope["path"], message["status"], time.perf_counter() - began)
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        app = self._app
        if self._hosts and re.sub(r":\d+$", "", headers.get("host", "")).lower() not in self._hosts:
            detail = f"This server answers only as {', '.join(sorted(self._hosts))}."
            app = JSONResponse({"detail": detail}, 400)
        await app(scope, receive_within_limits, count_and_send)
