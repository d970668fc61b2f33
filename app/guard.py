"""What is done around every request, whichever route it is for."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics

LINGER_SECONDS = 2
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

logger = logging.getLogger(__name__)


class Guard:
    """Middleware: security headers, metrics, allowed hosts, and an answer even to a defect.

    In plain ASGI: Starlette's base class would take more time than all the rest around a request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: frozenset[str] | None):
        self._app = app
        self.metrics = metrics
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        started = False
        headers = dict(scope["headers"])
        unread = b"content-length" in headers or b"transfer-encoding" in headers

        async def note_and_receive() -> Message:
            nonlocal unread
            message = await receive()
            unread = message.get("more_body", False)
            return message

        async def complete_and_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                seconds = time.perf_counter() - began
                self.metrics.count(scope["path"], message["status"], seconds)
                message["headers"] = [*message.get("headers", ()), *HEADERS]
                if unread:
                    message["headers"].append((b"connection", b"close"))
            elif unread and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _discard(receive)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            if self._hosts is not None and _host(headers) not in self._hosts:
                detail = f"This server answers only as {', '.join(sorted(self._hosts))}."
                app: ASGIApp = JSONResponse({"detail": detail}, 400)
            else:
                app = self._app
            await app(scope, note_and_receive, complete_and_send)
        except ClientDisconnect:
            return
        except Exception:
            logger.exception("%s %s", scope["method"], scope["path"])
            if started:
                raise
            defect = JSONResponse({"detail": "The server has a defect; its log says where."}, 500)
            await defect(scope, note_and_receive, complete_and_send)


def _host(headers: Mapping[bytes, bytes]) -> str:
    """Return the Host of a request, without the port."""
    host = headers.get(b"host", b"").decode("latin-1")
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


async def _discard(receive: Receive) -> None:
    """Read on for a while, so that a client that is still sending gets round to the answer.

    Closing at once would reset the connection, and the answer might be lost with it.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
