"""Measure the server: requests a second, how long one takes, its CPU time and its memory.

Starts ``python -m app`` with one worker and sends it one drawing of the page's over and over, on as
many connections at once as asked for, each waiting for its answer before it sends again. Client and
server share the machine's cores; CPU time and memory are the server's.

    python -m bench.server_load --connections 1 8 --seconds 10
    python -m bench.server_load --connections 8 8 --seconds 600
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import uvloop

from app.classifier import HELP, MODEL
from digits.errors import PipelineError, command_line, run_stage

DRAWING = Path(__file__).with_name("drawing.png")


def main() -> None:
    """Start the server, load it, and end it."""
    parser = command_line("bench.server_load", __doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8], help="at once")
    parser.add_argument("--seconds", type=float, default=10, help="for each number of connections")
    arguments = parser.parse_args()
    body = DRAWING.read_bytes()
    with running(arguments.model) as (port, server):
        uvloop.run(load(port, body, 1, 1))  # so that everything is loaded
        print(f"{len(body):,} bytes a drawing; memory {server.memory_info().rss / 2**20:.1f} MB")
        for connections in arguments.connections:
            before = server.cpu_times()
            times = uvloop.run(load(port, body, connections, arguments.seconds))
            cpu = sum(np.subtract(server.cpu_times(), before)[:2])  # by us and by the system for us
            p50, p99, slowest = np.percentile(times, (50, 99, 100)) * 1000
            print(
                f"connections: {connections}; requests/s: {len(times) / arguments.seconds:,.0f}; "
                f"ms: p50 {p50:.2f}, p99 {p99:.2f}, slowest {slowest:.1f}; CPU us a request: "
                f"{cpu / len(times) * 1e6:.0f}; memory {server.memory_info().rss / 2**20:.1f} MB",
                flush=True,
            )


@contextmanager
def running(model: Path) -> Iterator[tuple[int, psutil.Popen]]:
    """Start the server, yield its port and its process, and end it."""
    command = [sys.executable, "-m", "app", "--port", "0", "--model", str(model)]
    with psutil.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if not (address := re.search(r"http://[\d.]+:(\d+)/", server.stdout.readline())):
                raise PipelineError("the server did not start")
            yield int(address[1]), server
        finally:
            server.terminate()
            server.communicate()


async def load(port: int, body: bytes, connections: int, seconds: float) -> list[float]:
    """Send requests for some seconds; return the time of each, in seconds."""
    head = "POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def ask_again() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise PipelineError(f"the server answered {head.decode()!r}")
            await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(ask_again() for _ in range(connections)))
    return times


if __name__ == "__main__":
    run_stage("server_load", main)
