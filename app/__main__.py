"""Start the server: ``python -m app``."""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.classifier import MODEL, Classifier
from app.server import create
from digits.errors import PipelineError

GRACE_SECONDS = 10  # for the requests under way when the server is told to end
START_SECONDS = 60  # for a worker to load all it needs; one that takes longer is started anew
IDLE_SECONDS = 5  # until a connection without a request is closed
MOST_HEAD_BYTES = 2**14  # of a request, that is, all but its body
MOST_CONNECTIONS = 100  # of a worker; the next are answered with 503
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the draw-a-digit page at /, and POST /classify for programs "
        "(described at /docs; also /healthz, and /metrics for Prometheus).",
        epilog="Ctrl-C or SIGTERM ends it, once the requests under way are answered.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for every network"
    )
    parser.add_argument(
        "--port", type=number(0, 2**16 - 1), default=8000, help="port to listen on; 0: a free one"
    )
    parser.add_argument(
        "--workers", type=number(1, 64), default=1, help="processes that share the requests"
    )
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="folder that the export stage wrote"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way
    try:
        Classifier(arguments.model)  # a worker could only die of it, and be started again
        with listen(arguments.host, arguments.port) as listener:
            serve(listener, arguments.host, arguments.model, arguments.workers)
    except PipelineError as error:
        sys.exit(f"app: {error}")
    except KeyboardInterrupt:
        pass
    print("The server has ended.")


def number(least: int, most: int) -> Callable[[str], int]:
    """Return the parser of a number on the command line, from ``least`` to ``most``."""

    def parse(text: str) -> int:
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"expected {least} to {most}, given {text}")

    return parse


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        PipelineError: the address is taken, forbidden, or none.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise PipelineError(
            f"cannot listen on {host}, port {port}: {error.strerror}; "
            "--host and --port name another address"
        ) from None


def serve(listener: socket.socket, host: str, model: Path, workers: int) -> None:
    """Answer requests until the process is told to end."""
    address, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    # A page elsewhere on the web must not reach this machine's server by giving it a name of its
    # own (DNS rebinding).
    hosts = frozenset(LOOPBACK | {name.lower()}) if ip_address(address).is_loopback else None
    config = uvicorn.Config(
        partial(create, model, hosts),
        factory=True,
        http="h11",  # httptools, which is faster, takes heads of any size
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        ws="none",
        workers=workers,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=START_SECONDS,
    )
    with TemporaryDirectory() as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where workers share their counts
        print(f"Draw a digit at http://{name}:{port}/ (Ctrl-C ends the server)", flush=True)
        if workers > 1:
            Multiprocess(config, [listener]).run()
        else:
            uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
