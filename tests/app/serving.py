"""Servers as processes, and what to send them."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).parents[2]
TYPE = {"Content-Type": "image/png"}
HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """``python -m app`` as a process: up when the block begins, ended after it."""

    def __init__(self, model: Path, *options: str):
        module = [sys.executable, "-m", "app"]
        self._command = [*module, "--port", "0", "--model", str(model), *options]
        self.printed = self.complaints = ""

    def __enter__(self) -> Self:
        self._errors = TemporaryFile()
        self.process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout
        self.printed = self.process.stdout.readline()
        self.url = re.findall(r"http://\S+/", self.printed)[0]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        """End the server, which must have had nothing to complain about."""
        self.process.terminate()
        try:
            self.printed += self.process.communicate(timeout=30)[0]
        finally:
            self.process.kill()
            self._errors.seek(0)
            self.complaints = self._errors.read().decode()
            self._errors.close()
        print(self.complaints)  # which pytest shows when a test fails
        assert self.process.returncode == 0
        assert self.printed.endswith("The server has ended.\n")
        assert not re.search("Traceback|Warning|ERROR", self.complaints)

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Open a connection and send something."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(sent)
        return connection

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = TYPE,
        method: str | None = None,
    ) -> Answer:
        """Send one request on a connection of its own; with a body it is a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


def receive(connection: socket.socket) -> Answer:
    """Return the answer that comes on a connection; its body must be as long as it says."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, dict(response.getheaders()), response.read())


def sized(length: int) -> bytes:
    """Return the head of a request with a body of so many bytes."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


def form(*files: bytes, kind: str = "image/png", fields: int = 0) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + file + b"\r\n"
        for file in files
    ]
    parts += [b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nvalue\r\n'] * fields
    return b"".join([*parts, b"--x--\r\n"]), {"Content-Type": "multipart/form-data; boundary=x"}


def check_refusal(answer: Answer, status: int, sentence: str) -> None:
    """Check that an answer is a refusal as all are, and says why."""
    assert (answer.status, answer.json()) == (status, {"detail": sentence})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server would; gives the address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
