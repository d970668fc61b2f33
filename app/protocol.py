"""uvicorn's HTTP protocol, with limits for a connection, and answers in one piece.

uvicorn itself waits for a request forever, and for a client to take its answer; it takes heads,
trailers and queues of requests of any size; it takes what follows an offer to upgrade for another
request; it refuses what is no HTTP in plain text, and sends the head of an answer before its body.
"""

import asyncio
import json
from typing import Any, Literal, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.guard import HEADERS, Guard

SECONDS = 5  # for the head of a request, for its body, and for a client to take its answer
MOST_BYTES_BESIDES = 2**16  # the body: head, trailers, the lengths of chunks
MOST_WAITING = 8  # requests on one connection behind the one that is being answered


class Protocol(HttpToolsProtocol):
    """One connection."""

    _awaited: Literal["head", "body"] | None = "head"
    _clock: asyncio.TimerHandle | None = None  # for that; most come in one piece and need none
    _bytes_besides = 0
    _stalled: asyncio.TimerHandle | None = None  # while the client takes no more of an answer

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
        if self.transport.is_closing():
            return
        self._stop_clock()
        if self.parser.should_upgrade():
            self._refuse(400, "This server speaks HTTP/1.1 only; send the request without Upgrade.")
            return
        super().on_headers_complete()
        self._awaited = "body"
        if len(self.pipeline) > MOST_WAITING:
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self.transport.is_closing():
            self._bytes_besides -= len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Await nothing."""
        if not self.transport.is_closing():
            self._stop_clock()
            self._awaited, self._bytes_besides = None, 0
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes, and see what is still to come."""
        if self.transport.is_closing():
            return
        self._bytes_besides += len(data)
        super().data_received(data)
        idle = self.cycle is None or self.cycle.response_complete  # but for a stray line end
        if self._bytes_besides > MOST_BYTES_BESIDES:
            self._refuse(431, "The request is too large, even without its body.")
        elif self._clock is None and (self._awaited or idle):
            self._start_clock()

    def pause_writing(self) -> None:
        """Give the client some time to take what was sent."""
        super().pause_writing()
        self._stalled = self.loop.call_later(SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, as the client does."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_clock()
        self.resume_writing()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "This is not a valid HTTP request.")

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(SECONDS, self._end)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock = None

    def _end(self) -> None:
        if self._awaited == "body":
            self._refuse(408, f"The body did not arrive within {SECONDS} seconds.")
        self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Close the connection, with an answer where the client awaits none but this."""
        if self._awaited == "body":
            unanswered = not self.cycle.response_started
        else:
            unanswered = self.cycle is None or self.cycle.response_complete
        if unanswered and not self.pipeline and not self.transport.is_closing():
            cast(Guard, self.app).metrics.count_refusal(status)
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
        """Keep the data until the turn is over; what comes after the end is lost, as everywhere."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()
