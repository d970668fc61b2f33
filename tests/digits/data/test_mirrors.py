import gzip
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler as Request
from pathlib import Path

import pytest

from digits.config import Download, SourceFile
from digits.data import mirrors
from digits.errors import PipelineError
from tests.conftest import Answer, Serve, in_turn, send

UNPACKED = bytes(range(256)) * 400
CONTENT = gzip.compress(UNPACKED, mtime=0)
SOURCE = SourceFile(name="digits.gz", bytes=len(CONTENT), sha256=sha256(CONTENT).hexdigest())
ONCE, PATIENT = Download(attempts=1, timeout=1), Download(attempts=3, timeout=0.3)
HALF = len(CONTENT) // 2
LENGTH = {"Content-Length": len(CONTENT)}

good = partial(send, body=CONTENT, headers=LENGTH)
cut_off = partial(send, body=CONTENT[:HALF], headers=LENGTH)
sign_in = partial(send, body=b"<html>Sign in</html>", headers={})
wrong = partial(send, body=CONTENT[::-1], headers=LENGTH)
moved = partial(send, body=b"", headers={"Location": "file:///etc/hostname"}, status=301)
not_found = partial(Request.send_error, code=404)
unavailable = partial(Request.send_error, code=503)


def stalling(request: Request) -> None:
    cut_off(request)
    request.connection.recv(1)  # ends when the client hangs up


def endless(request: Request) -> None:
    send(request, b"", {})
    while True:
        request.wfile.write(CONTENT)


def dripping(request: Request) -> None:
    send(request, b"", LENGTH)
    for _ in range(60):  # 3 s: longer than any client here waits
        request.wfile.write(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (not_found, "answered 404 Not Found"),
        (unavailable, "answered 503 Service Unavailable"),
        (lambda request: request.connection.recv(1), "timed out"),  # silent
        (stalling, "timed out"),
        (cut_off, f"IncompleteRead({HALF} bytes read, {len(CONTENT) - HALF} more expected)"),
        (sign_in, f"size: expected {len(CONTENT)} bytes, found 20"),
        (wrong, "SHA256 hash of downloaded file (file.gz) does not match"),
        (endless, f"size: expected {len(CONTENT)} bytes, found more"),
        (dripping, "slower than 10,000 bytes/s"),
        (
            lambda request: request.connection.shutdown(socket.SHUT_RDWR),
            "Remote end closed connection without response",
        ),
        (moved, "No connection adapters were found for 'file:///etc/hostname'"),
    ],
)
def test_a_failing_mirror_is_named_with_its_reason_and_the_next_one_asked(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str], answer: Answer, reason: str
) -> None:
    bad, fine = serve(answer), serve(good)
    assert mirrors.fetch(SOURCE, [bad, fine], tmp_path / "raw" / "file.gz", ONCE) == fine
    told = capsys.readouterr().err
    assert told.startswith(f"{bad}/digits.gz: {reason}")
    assert told.count("\n") == 1
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["file.gz"]
    assert (tmp_path / "raw" / "file.gz").read_bytes() == CONTENT


def test_when_none_works_each_is_listed_and_nothing_is_left(tmp_path: Path, serve: Serve) -> None:
    refusing, missing = "http://127.0.0.1:1", serve(not_found)
    with pytest.raises(PipelineError) as caught:
        mirrors.fetch(SOURCE, [refusing, missing], tmp_path / "file.gz", ONCE)
    first, second, advice = str(caught.value).split("; ")
    assert first.startswith(f"no mirror gives file.gz: {refusing}/digits.gz: ")
    assert first.endswith("Connection refused (attempts: 1)")
    assert second == f"{missing}/digits.gz: answered 404 Not Found"
    assert advice == (
        "set MNIST_MIRROR to the URL or folder of one that does, or try `make quickstart`, "
        "which needs no network"
    )
    assert not list(tmp_path.iterdir())
    with pytest.raises(PipelineError, match=r"no mirror gives file\.gz: none is listed; set"):
        mirrors.fetch(SOURCE, [], tmp_path / "file.gz", ONCE)


@pytest.mark.parametrize("answer", [not_found, wrong])
def test_a_lasting_failure_is_not_tried_again(tmp_path: Path, serve: Serve, answer: Answer) -> None:
    with pytest.raises(PipelineError):
        mirrors.fetch(SOURCE, [serve(in_turn(answer, good))], tmp_path / "file.gz", PATIENT)


def test_a_mirror_that_recovers_is_used(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = serve(in_turn(unavailable, cut_off, good))
    mirrors.fetch(SOURCE, [mirror], tmp_path / "file.gz", PATIENT)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert capsys.readouterr().err == ""


def test_bytes_are_taken_as_stored_in_any_declared_encoding(tmp_path: Path, serve: Serve) -> None:
    encoded = serve(partial(send, body=CONTENT, headers={"Content-Encoding": "gzip"}))
    mirrors.fetch(SOURCE, [f"{encoded}/"], tmp_path / "file.gz", ONCE)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.exists, "No such file or directory"),
        (Path.mkdir, "no regular file"),
        (os.mkfifo, "no regular file"),  # a pipe without end
    ],
)
def test_a_local_folder_without_the_file_is_named(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "digits.gz")
    with pytest.raises(PipelineError, match=rf": {tmp_path}/digits\.gz: {reason}; set"):
        mirrors.fetch(SOURCE, [str(tmp_path)], tmp_path / "raw" / "file.gz", ONCE)
    assert not list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize("content", [CONTENT, UNPACKED])
def test_a_local_file_is_known_by_its_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a-ubyte").write_bytes(UNPACKED[:-1])
    (tmp_path / "b.idx3-ubyte").write_bytes(content)
    source = SOURCE.model_copy(update={"plain": sha256(UNPACKED).hexdigest()})
    mirrors.fetch(source, [str(tmp_path)], tmp_path / "file.gz", ONCE)
    assert gzip.decompress((tmp_path / "file.gz").read_bytes()) == UNPACKED


def test_a_folder_that_cannot_be_written_is_no_mirrors_fault(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "raw").write_text("in the way")
    with pytest.raises(NotADirectoryError):
        mirrors.fetch(SOURCE, [serve(good)], tmp_path / "raw" / "file.gz", ONCE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ("https://127.0.0.1/mnist/", ["https://127.0.0.1/mnist/"]),
        ("../mnist", [f"{Path.cwd()}/../mnist"]),
        *((form.format("/my digits"), ["/my digits"]) for form in ("{}", "{}/", "file://{}/")),
    ],
)
def test_ones_mirror_is_an_address_a_folder_or_none(value: str | None, expected: list[str]) -> None:
    assert mirrors.own(value) == expected


def test_a_mirror_that_is_no_address_is_refused() -> None:
    with pytest.raises(PipelineError, match="MNIST_MIRROR is neither URL nor folder"):
        mirrors.own("http://[abc")
