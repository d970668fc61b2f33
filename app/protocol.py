"""uvicorn's HTTP protocol, with limits for the head of a request, and answers in one piece.

uvicorn itself waits for a head forever and takes one of any size, it refuses what is no HTTP in
plain text, and sends the head of an answer before its body.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.guard import HEADERS

HEAD_SECONDS = 5
MOST_HEAD_BYTES = 2**16


class Protocol(HttpToolsProtocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None  # for the head that is awaited
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first head."""
        super().connection_made(Gathering(transport))  # type: ignore[arg-type]
        self._deadline = self.loop.call_later(HEAD_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        """Await the rest of a head."""
        super().on_message_begin()
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._stop_clock()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes, unless the head has become too large."""
        awaited = self._deadline
        super().data_received(data)
        if awaited is None or awaited is not self._deadline:  # a head began or ended in these bytes
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "The head of the request is too large.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_clock()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "This is not a valid HTTP request.")

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline, self._head_bytes = None, 0

    def _refuse(self, status: int, detail: str) -> None:
        content = json.dumps({"detail": detail}).encode()
        headers = [
            *HEADERS,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%s: %s\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", content]))
        self.transport.close()


class Gathering:
    """A transport that sends what is written in one turn of the event loop by one system call."""

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep the data until the turn is over."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()
