"""Measure the server: requests a second, how long one takes, and whether memory grows.

Starts ``python -m app`` with one worker, and sends it the same drawing over and over, on as many
connections at once as asked for, each waiting for its answer before it sends again. The time of a
request is from its first byte sent to the last of its answer received. Client and server share the
machine's cores.

    python -m bench.server_load --connections 1 8 --seconds 10
    python -m bench.server_load --connections 8 --seconds 600 --rounds 2
"""

import argparse
import asyncio
import subprocess
import sys
import time
from array import array
from functools import partial
from io import BytesIO

import numpy as np
import uvloop
from PIL import Image, ImageDraw


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


def drawing(side: int, mode: str) -> bytes:
    """Return a PNG of a 7, white on black."""
    image = Image.new("L", (side, side))
    corners = [(0.3 * side, 0.25 * side), (0.7 * side, 0.25 * side), (0.45 * side, 0.8 * side)]
    ImageDraw.Draw(image).line(corners, 255, max(1, side // 15), joint="curve")
    file = BytesIO()
    image.convert(mode).save(file, "PNG")
    return file.getvalue()


def memory(pid: int) -> float:
    """Return what a process has in memory, in megabytes."""
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024  # noqa: S603


def main() -> None:
    """Start the server, load it, and end it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.server_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="models/export", help="folder of the export stage")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8], help="at once")
    parser.add_argument("--seconds", type=float, default=10, help="for each number of connections")
    parser.add_argument("--rounds", type=int, default=1, help="of all of these")
    parser.add_argument("--side", type=int, default=280, help="of the drawing, in pixels")
    parser.add_argument("--mode", default="RGBA", help="of the drawing: L, RGB, RGBA ...")
    arguments = parser.parse_args()
    body = drawing(arguments.side, arguments.mode)
    print(f"a drawing of {arguments.side} x {arguments.side}, {arguments.mode}, {len(body)} bytes")

    command = [sys.executable, "-m", "app", "--port", "0", "--model", arguments.model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout  # noqa: S101
            port = int(server.stdout.readline().split("/")[2].rpartition(":")[2])
            uvloop.run(load(port, body, 1, 1))  # so that everything is loaded
            print(f"memory: {memory(server.pid):.1f} MB")
            for _ in range(arguments.rounds):
                for connections in arguments.connections:
                    times = uvloop.run(load(port, body, connections, arguments.seconds))
                    p50, p99 = np.percentile(times, (50, 99)) * 1000
                    print(
                        f"{connections} connections: {len(times) / arguments.seconds:,.0f} "
                        f"requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
                        f"slowest {max(times) * 1000:.1f} ms; memory {memory(server.pid):.1f} MB",
                        flush=True,
                    )
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
