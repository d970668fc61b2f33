"""What clients may do with a connection, and what ends it."""

import itertools
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from tests.app.serving import (
    CHUNKED,
    HEAD,
    Server,
    check_refusal,
    counts,
    picture,
    png,
    receive,
    sized,
)

SEVEN = png(picture())
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def counted(server: Server, status: int) -> Iterator[None]:
    """Check that one request more is counted as refused with ``status``."""
    name = f'http_requests_total{{route="none",status="{status}"}}'
    before = counts(server).get(name, 0)
    yield
    assert counts(server)[name] == before + 1


def wait_for_end(connection: socket.socket, patience: float) -> bytes:
    """Return all that comes until the server ends the connection; it must."""
    connection.settimeout(patience)
    received = b""
    try:
        while part := connection.recv(2**16):
            received += part
    except ConnectionResetError:
        pass
    return received


def test_the_slow_are_refused_and_hold_nobody_up(server: Server) -> None:
    began = time.monotonic()
    slow = {
        "body": server.connect(sized(len(SEVEN)) + SEVEN[:-1]),
        "chunks": server.connect(CHUNKED + b"1\r\nx\r\n"),
        "head": server.connect(HEAD),
        "silent": server.connect(),
    }
    while time.monotonic() < began + 4:
        asked = time.monotonic()
        assert server.ask("/classify", SEVEN).status == 200
        assert time.monotonic() < asked + 1
        slow["chunks"].sendall(b"1\r\nx\r\n")
        time.sleep(0.2)
    for name in ("body", "chunks"):
        check_refusal(receive(slow[name], 4), 408, "did not arrive within 5 seconds")
    for name in ("head", "silent"):
        slow[name].settimeout(4)
        assert slow[name].recv(1) == b""  # closed
    assert 4.5 < time.monotonic() - began < 9
    for connection in slow.values():
        connection.close()


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        (b"hello\r\n\r\n", 400, "not a valid HTTP request"),
        (HEAD + b"Content-Length: x\r\n\r\n", 400, "not a valid HTTP request"),
        (CHUNKED + b"no number\r\n", 400, "not a valid HTTP request"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 15_000, 431, "too large, even without"),
    ],
)
def test_what_is_no_http_is_refused_in_a_sentence(
    server: Server, sent: bytes, status: int, sentence: str
) -> None:
    with counted(server, status), server.connect(sent) as connection:
        check_refusal(receive(connection), status, sentence)


def send_until_cut_off(connection: socket.socket, parts: Iterable[bytes], pause: float = 0) -> bool:
    """Send parts; return whether the server ended the connection before the last."""
    try:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


@pytest.mark.parametrize("pause", [0, 0.2])
def test_an_offer_to_upgrade_is_refused_and_its_body_is_no_request(
    server: Server, pause: float
) -> None:
    head = HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(GET)
    with counted(server, 400), server.connect(head) as connection:
        time.sleep(pause)
        connection.sendall(GET)
        check_refusal(receive(connection), 400, "HTTP/1.1 only")
        assert wait_for_end(connection, 2) == b""


@pytest.mark.parametrize("piece", [b"X: " + 1000 * b"y" + b"\r\n", 1000 * b"y"])
def test_endless_trailers_end_the_connection(server: Server, piece: bytes) -> None:
    with server.connect(CHUNKED + b"1\r\nx\r\n0\r\nX: ") as connection:
        assert send_until_cut_off(connection, itertools.repeat(piece, 20_000))  # 20 MB


def test_a_body_in_many_chunks_is_read(server: Server) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, SEVEN[at : at + 1]) for at in range(len(SEVEN)))
    with server.connect(CHUNKED + chunks + b"0\r\nX: y\r\n\r\n") as connection:
        assert receive(connection).status == 200


def test_requests_that_follow_each_other_are_answered_in_order(server: Server) -> None:
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with server.connect(GET + sized(len(SEVEN)) + SEVEN + last) as connection:
        received = wait_for_end(connection, 5)
    assert re.findall(rb'{"(\w+)":', received) == [b"status", b"digit", b"status"]


def test_a_long_queue_of_requests_ends_the_connection(server: Server) -> None:
    with server.connect(1000 * GET) as connection:
        assert wait_for_end(connection, 2).count(b"HTTP/1.1 200") <= 10


def test_hanging_up_on_waiting_requests_leaves_no_complaint(server: Server) -> None:
    large = png(Image.effect_noise((1000, 1000), 80))
    connection = server.connect(sized(len(large)) + large + GET)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()  # by a reset
    time.sleep(0.5)  # the fixture looks at what the server complains about
    assert server.ask("/healthz").status == 200


def test_silent_connections_are_ended(server: Server) -> None:
    for connection in [server.connect(sent) for sent in (GET + b"\r\n", b"\r\n", GET)]:
        with connection:
            wait_for_end(connection, 8)


def test_a_client_that_takes_no_answer_is_cut_off(server: Server) -> None:
    ask = b"GET /static/style.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as connection:
        assert send_until_cut_off(connection, itertools.repeat(ask, 3000), 0.003)
    assert server.ask("/healthz").status == 200
