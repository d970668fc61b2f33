"""uvicorn's HTTP protocol, with limits for a request, and answers in one piece.

uvicorn itself waits for a request forever and takes a head of any size, it refuses what is no HTTP
in plain text, and sends the head of an answer before its body.
"""

import asyncio
import json
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.guard import HEADERS

SECONDS = 5  # for the head of a request, and again for its body
MOST_HEAD_BYTES = 2**16


class Protocol(HttpToolsProtocol):
    """One connection."""

    _awaited: Literal["head", "body"] | None = "head"
    _clock: asyncio.TimerHandle | None = None  # for that; most come in one piece and need none
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first head."""
        super().connection_made(Gathering(transport))  # type: ignore[arg-type]
        self._start_clock()

    def on_message_begin(self) -> None:
        """Await the rest of a head."""
        super().on_message_begin()
        self._awaited = "head"

    def on_headers_complete(self) -> None:
        """Await the body."""
        self._stop_clock()
        self._awaited = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Await nothing."""
        self._stop_clock()
        self._awaited = None
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes, unless the head has become too large."""
        clock = self._clock
        super().data_received(data)
        if self._awaited and self._clock is None:
            self._start_clock()
        elif self._awaited == "head" and self._clock is clock:  # it did not begin in these bytes
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

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(SECONDS, self._end)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock, self._head_bytes = None, 0

    def _end(self) -> None:
        if self._awaited == "body" and not (self.pipeline or self.cycle.response_started):
            self._refuse(408, f"The body did not arrive within {SECONDS} seconds.")
        self.transport.close()

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
