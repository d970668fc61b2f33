"""Measure the server: requests a second, how long one takes, its processor time and its memory.

Starts ``python -m app`` with one worker and sends it the same drawing over and over, as Chromium
sent it from the page, on as many connections at once as asked for, each waiting for its answer
before it sends again. The time of a request is from its first byte sent to the last of its answer
received. Client and server share the machine's cores; processor time and memory are the server's.

    python -m bench.server_load --connections 1 8 --seconds 10
    python -m bench.server_load --connections 8 --seconds 600 --rounds 2
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
import urllib.request
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import uvloop

from app.classifier import MODEL

DRAWING = Path(__file__).with_name("drawing.png")


def main() -> None:
    """Start the server, load it, and end it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.server_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the export stage")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8], help="at once")
    parser.add_argument("--seconds", type=float, default=10, help="for each number of connections")
    parser.add_argument("--rounds", type=int, default=1, help="of all of these")
    parser.add_argument("--drawing", type=Path, default=DRAWING, help="the PNG to send")
    arguments = parser.parse_args()
    body = arguments.drawing.read_bytes()
    with running(arguments.model) as port:
        uvloop.run(load(port, body, 1, 1))  # so that everything is loaded
        print(f"{len(body):,} bytes a drawing; memory {usage(port)[1]:.1f} MB")
        for connections in arguments.connections * arguments.rounds:
            before, _ = usage(port)
            times = uvloop.run(load(port, body, connections, arguments.seconds))
            after, megabytes = usage(port)
            p50, p99, slowest = np.percentile(times, (50, 99, 100)) * 1000
            print(
                f"connections: {connections}; requests/s: {len(times) / arguments.seconds:,.0f}; "
                f"ms: p50 {p50:.2f}, p99 {p99:.2f}, slowest {slowest:.1f}; processor us a request: "
                f"{(after - before) / len(times) * 1e6:.0f}; memory {megabytes:.1f} MB",
                flush=True,
            )


@contextmanager
def running(model: Path) -> Iterator[int]:
    """Start the server, yield its port, and end it."""
    command = [sys.executable, "-m", "app", "--port", "0", "--model", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            greeting = server.stdout.readline() if server.stdout else ""
            if not (address := re.search(r"http://[\d.]+:(\d+)/", greeting)):
                sys.exit("the server did not start")
            yield int(address[1])
        finally:
            server.terminate()
            server.wait()


def usage(port: int) -> tuple[float, float]:
    """Return the server's processor time in seconds and its memory in megabytes."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        numbers = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines())
    cpu, memory = (
        float(numbers[f"process_{name}"]) for name in ("cpu_seconds_total", "resident_memory_bytes")
    )
    return cpu, memory / 2**20


async def load(port: int, body: bytes, connections: int, seconds: float) -> "array[float]":
    """Send requests for some seconds; return the time of each, in seconds."""
    head = (
        f"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    times: array[float] = array("d")
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + seconds
    new = partial(Client, head.encode() + body, end, times)
    opened = [await loop.create_connection(new, "127.0.0.1", port) for _ in range(connections)]
    await asyncio.gather(*(client.closed for _, client in opened))
    return times


class Client(asyncio.Protocol):
    """One connection: sends the request again whenever the answer is there, until the end."""

    def __init__(self, request: bytes, end: float, times: "array[float]"):
        self._request, self._end, self._times = request, end, times
        self._answer = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send the first request."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Note the time when the answer is complete, and send the next request."""
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        self._times.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 200 "):
            self.closed.set_exception(RuntimeError(self._answer.decode()))
        elif time.perf_counter() < self._end:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on an error, if that is why."""
        if not self.closed.done():
            self.closed.set_result(None) if exc is None else self.closed.set_exception(exc)

    def _send(self) -> None:
        self._answer = b""
        self._sent = time.perf_counter()
        self._transport.write(self._request)


if __name__ == "__main__":
    main()
