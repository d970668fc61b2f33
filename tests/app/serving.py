"""Servers as processes, and what to send them."""

import http.client
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from tests.workspace import ROOT, start

TYPE = {"Content-Type": "image/png"}
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Server(httpx.Client):
    """``python -m app`` as a process, up until the block ends; a client of it meanwhile."""

    def __init__(self, model: Path, *options: object):
        options = ("--port", 0, "--model", model, *options)
        self.process = start(ROOT, "app", *options, stderr=subprocess.STDOUT)
        assert self.process.stdout
        self.printed = self.process.stdout
        greeting = next(line for line in self.printed if line.startswith("Draw a digit at "))
        self.url = re.findall(r"http://\S+/", greeting)[0]
        self.port = int(re.findall(r":(\d+)/", greeting)[0])
        alone = httpx.Limits(max_keepalive_connections=0)  # each request on a connection of its own
        super().__init__(base_url=self.url, timeout=30, limits=alone, trust_env=False)

    def __exit__(self, *_: object) -> None:
        """End the server, which must have had nothing to complain about."""
        self.close()
        self.process.terminate()
        with self.process:
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
            lines = self.printed.read().splitlines()
        assert self.process.returncode == 0, lines
        lines = [line for line in lines if "XNNPACK" not in line]  # LiteRT has been loaded
        assert lines == ["The server has ended."]

    def classify(self, body: Any, path: str = "/classify") -> httpx.Response:
        return self.post(path, content=body, headers=TYPE)

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(sent)
        return connection


def receive(connection: socket.socket) -> httpx.Response:
    """Return the answer that comes on a connection; its body must be as long as it says."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def sized(length: int) -> bytes:
    """Return the head of a request with a body of so many bytes."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


def check_refusal(answer: httpx.Response, status: int, sentence: str) -> None:
    """Check that an answer is a refusal as all are, and says why."""
    assert (answer.status_code, answer.json()) == (status, {"detail": sentence})
    assert answer.headers["x-content-type-options"] == "nosniff"


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server would; gives the address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
