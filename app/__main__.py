"""Start the server: ``python -m app``."""

import argparse
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.classifier import HELP, MODEL
from app.server import create
from digits.errors import PipelineError, run_stage


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the draw-a-digit page at /, and POST /classify for programs "
        "(described at /docs; also /healthz, and /metrics for Prometheus).",
        epilog="Ctrl-C or SIGTERM ends it, once the requests under way are answered.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address; 0.0.0.0 for every network")
    parser.add_argument("--port", type=int, default=8000, help="0: a free one")
    parser.add_argument("--workers", type=int, default=1, help="processes, 1 to 64")
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    arguments = parser.parse_args()
    for name, least, most in (("port", 0, 65535), ("workers", 1, 64)):
        if not least <= (given := getattr(arguments, name)) <= most:
            parser.error(f"--{name}: expected {least} to {most}, given {given}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way
    with suppress(KeyboardInterrupt):
        serve(arguments.host, arguments.port, arguments.model, arguments.workers)
    print("The server has ended.")


def serve(host: str, port: int, model: Path, workers: int) -> None:
    """Answer requests until the process is told to end."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise PipelineError(f"cannot listen on {host}, port {port}: {error}") from None
    address, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    # No page elsewhere on the web may give this machine a name of its own (DNS rebinding).
    local = frozenset({"localhost", "127.0.0.1", "[::1]", name.lower()})
    hosts = local if ip_address(address).is_loopback else None
    app = create(model, hosts)  # a worker could only die of its errors, and be started again
    config = uvicorn.Config(
        app if workers == 1 else partial(create, model, hosts),
        factory=workers > 1,
        http="h11",  # httptools, which is faster, takes heads of any size
        ws="none",
        lifespan="off",
        workers=workers,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=100,  # with so many connections open, requests get 503
        timeout_keep_alive=5,  # seconds from an answer to the next request
        timeout_graceful_shutdown=10,  # seconds for the requests under way at the end
        timeout_worker_healthcheck=60,  # seconds for a worker to load all it needs
    )
    with listener, TemporaryDirectory() as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where workers share their counts
        print(f"Draw a digit at http://{name}:{port}/ (Ctrl-C ends the server)", flush=True)
        if workers > 1:
            Multiprocess(config, [listener]).run()
        else:
            uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    run_stage("app", main)
