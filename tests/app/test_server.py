import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.types import Receive, Scope, Send

from app import drawing
from app.__main__ import listen
from app.classifier import Classifier
from app.guard import Guard
from app.metrics import Metrics
from digits.errors import PipelineError
from tests.app.serving import (
    CHUNKED,
    HEAD,
    ROOT,
    TYPE,
    Answer,
    Server,
    check_refusal,
    counts,
    form,
    picture,
    png,
    receive,
    sized,
)

SEVEN = png(picture())
NOISE = np.random.default_rng(3).integers(0, 256, (1200, 1200), dtype=np.uint8)
LARGE = png(Image.fromarray(NOISE))  # 1.4 MB
PAGES = ["/", "/docs", "/openapi.json", "/static/docs.js", "/healthz", "/metrics", "/nothing"]


def test_the_answer_has_the_digit_its_probabilities_and_the_picture_seen(
    server: Server, model: Path
) -> None:
    answer = server.ask("/classify", SEVEN)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    pixels = drawing.normalise(picture())
    probabilities = Classifier(model).probabilities(pixels)
    assert content == {
        "digit": probabilities.argmax(),
        "probabilities": pytest.approx(probabilities.tolist(), abs=1e-6),
        "pixels": pixels.ravel().tolist(),
    }


def test_everybody_gets_their_own_answer(server: Server) -> None:
    pictures = [png(picture(size)) for size in range(40, 72)]
    expected = [server.ask("/classify", one).body for one in pictures]
    assert len(set(expected)) > 20
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda one: server.ask("/classify", one).body, pictures * 8))
    assert found == expected * 8


@pytest.mark.parametrize("size", [28, 700, 2000])
def test_small_and_large_pictures_are_classified(server: Server, size: int) -> None:
    content = server.ask("/classify", png(picture(size))).json()
    assert content["pixels"] == drawing.normalise(picture(size)).ravel().tolist()


def test_a_form_of_one_file_is_classified(server: Server) -> None:
    assert server.ask("/classify", *form(SEVEN)).body == server.ask("/classify", SEVEN).body


def test_a_body_in_chunks_is_read(server: Server) -> None:
    with server.connect(CHUNKED) as connection:
        for part in (SEVEN[:100], SEVEN[100:]):
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")
        assert receive(connection).body == server.ask("/classify", SEVEN).body


def test_of_an_animation_the_first_frame_is_classified(server: Server) -> None:
    later = [Image.new("L", (280, 280), 255), picture().rotate(90)]
    animation = png(picture(), save_all=True, append_images=later)
    assert b"fdAT" in animation
    assert server.ask("/classify", animation).body == server.ask("/classify", SEVEN).body


def test_a_connection_serves_many_requests(server: Server) -> None:
    with server.connect() as connection:
        answers = []
        for _ in range(3):
            connection.sendall(sized(len(SEVEN)) + SEVEN)
            answers.append(receive(connection).body)
            connection.sendall(sized(1) + b"x")
            assert receive(connection).status == 422
    assert answers == [server.ask("/classify", SEVEN).body] * 3


def test_the_next_request_may_come_in_the_same_bytes_as_a_large_body(server: Server) -> None:
    with server.connect(sized(200_000) + bytes(200_000) + HEAD) as connection:
        assert receive(connection).status == 422
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(SEVEN) + SEVEN)
        assert receive(connection).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (SEVEN, {}, 415, "Send a PNG picture"),
        (SEVEN, {"Content-Type": "image/jpeg"}, 415, "Send a PNG picture"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "Send a PNG picture"),
        (*form(SEVEN, kind="image/jpeg"), 415, "not image/png"),
        (*form(SEVEN, SEVEN), 422, "one file and nothing else"),
        (*form(SEVEN, fields=1), 422, "one file and nothing else"),
        (*form(), 422, "one file and nothing else"),
        (SEVEN, {"Content-Type": "multipart/form-data; boundary=y"}, 422, "one file and"),
        (SEVEN, {"Content-Type": "multipart/form-data"}, 422, "one file and"),
        (b"", TYPE, 422, "empty"),
        (SEVEN[:100] + b"\xff" + SEVEN[101:], TYPE, 422, "damaged"),
        (png(Image.new("L", (280, 280), 200)), TYPE, 422, "The picture is blank"),
        (png(Image.new("L", (2001, 1))), TYPE, 413, "2001 x 1 pixels"),
        (LARGE, TYPE, 413, "the limit is 1,048,576 bytes"),
        (*form(LARGE), 413, "the limit is 1,048,576 bytes"),
    ],
)
def test_what_cannot_be_classified_is_refused_in_a_sentence(
    server: Server, body: bytes, headers: dict[str, str], status: int, sentence: str
) -> None:
    check_refusal(server.ask("/classify", body, headers), status, sentence)


@pytest.mark.parametrize(
    ("path", "method", "status", "sentence"),
    [
        ("/nothing", "GET", 404, "nothing at this address"),
        ("/classify/", "POST", 404, "nothing at this address"),
        ("/static/nothing", "GET", 404, "nothing at this address"),
        ("/static/../classifier.py", "GET", 404, "nothing at this address"),
        ("/static/%2e%2e/classifier.py", "GET", 404, "nothing at this address"),
        ("/classify", "GET", 405, "does not accept that method"),
        ("/healthz", "DELETE", 405, "does not accept that method"),
        ("/", "POST", 405, "does not accept that method"),
    ],
)
def test_other_addresses_and_methods_are_refused_in_a_sentence(
    server: Server, path: str, method: str, status: int, sentence: str
) -> None:
    check_refusal(server.ask(path, method=method), status, sentence)


def test_too_large_a_body_is_refused_before_it_is_sent(server: Server) -> None:
    with server.connect(sized(2**20 + 1)) as connection:
        check_refusal(receive(connection, 2), 413, "too large")


def test_too_large_a_body_in_chunks_is_refused_while_it_is_sent(server: Server) -> None:
    with server.connect(CHUNKED) as connection:
        for _ in range(17):
            connection.sendall(b"10000\r\n" + bytes(2**16) + b"\r\n")
        check_refusal(receive(connection, 2), 413, "too large")


def test_a_client_that_sends_on_regardless_still_gets_the_refusal(server: Server) -> None:
    with server.connect(sized(2**25)) as connection:
        connection.sendall(bytes(2**25))
        check_refusal(receive(connection), 413, "too large")


def test_every_answer_has_the_security_headers(server: Server) -> None:
    answers = [server.ask(path) for path in PAGES]
    answers += [server.ask("/classify", body) for body in (SEVEN, b"no PNG")]
    with server.connect(b"hello\r\n\r\n") as connection:
        answers.append(receive(connection))
    for answer in answers:
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"} < set(policy)
        assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "data:" in rule]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_another_name_for_this_machine_is_refused(server: Server) -> None:
    answer = server.ask("/", headers={"Host": "evil.example:8000"})
    check_refusal(answer, 400, "answers only as")
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"):
        assert server.ask("/healthz", headers={"Host": name}).status == 200


def test_the_page_and_its_files_are_served(server: Server) -> None:
    for path, media_type in (
        ("/", "text/html; charset=utf-8"),
        ("/static/docs.css", "text/css; charset=utf-8"),
        ("/static/docs.js", "text/javascript; charset=utf-8"),
    ):
        answer = server.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert server.ask("/healthz").json() == {"status": "ok"}
    etag = server.ask("/static/docs.js").headers["etag"]
    assert server.ask("/static/docs.js", headers={"If-None-Match": etag}).status == 304


def test_the_description_names_what_classify_takes_and_answers(server: Server) -> None:
    content = server.ask("/openapi.json").json()
    classify = content["paths"]["/classify"]["post"]
    assert set(classify["requestBody"]["content"]) == {"image/png", "multipart/form-data"}
    assert {"200", "408", "413", "415", "422"} <= set(classify["responses"])
    answer = content["components"]["schemas"]["Answer"]
    assert set(answer["properties"]) == set(server.ask("/classify", SEVEN).json())


def test_the_pages_need_nothing_from_elsewhere() -> None:
    for path in (ROOT / "app/static").iterdir():
        if path.suffix in {".html", ".js", ".css"}:
            assert not re.findall(
                r"""(?:src|href|url|import|from)\W{1,3}(?:https?:)?//""", path.read_text()
            )


def test_requests_are_counted_by_route_and_status(server: Server) -> None:
    before = counts(server)
    for path, body in (("/classify", SEVEN), ("/classify", b"x"), ("/a", None), ("/b", None)):
        server.ask(path, body)
    after = counts(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['http_requests_total{route="/classify",status="200"}'] == 1
    assert grown['http_requests_total{route="/classify",status="422"}'] == 1
    assert grown['http_requests_total{route="other",status="404"}'] == 2
    assert grown['http_request_seconds_count{route="/classify"}'] == 2
    assert grown['http_request_seconds_bucket{le="+Inf",route="/classify"}'] == 2
    assert 0 < grown['http_request_seconds_sum{route="/classify"}'] < 1


def test_workers_count_together_and_end_together(model: Path) -> None:
    with Server(model, "--workers", "2") as server:
        with ThreadPoolExecutor(4) as pool:
            statuses = pool.map(lambda _: server.ask("/classify", SEVEN).status, range(60))
        assert set(statuses) == {200}
        for _ in range(6):
            assert counts(server)['http_requests_total{route="/classify",status="200"}'] == 60
        with server.connect(sized(len(SEVEN)) + SEVEN[:100]) as under_way:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1.5)  # the workers are told within 0.5 s
            under_way.sendall(SEVEN[100:])
            answer = receive(under_way)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.end() == 0
    assert server.printed.splitlines()[-1] == "The server has ended."
    assert "Traceback" not in server.complaints


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_at_the_end_requests_under_way_are_answered(model: Path, how: signal.Signals) -> None:
    with Server(model) as server:
        idle = server.connect(sized(len(SEVEN)) + SEVEN)
        assert receive(idle).status == 200
        with server.connect(sized(len(SEVEN)) + SEVEN[:100]) as connection:
            time.sleep(0.3)
            server.process.send_signal(how)
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError):
                server.connect()
            connection.sendall(SEVEN[100:])
            answer = receive(connection)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert server.process.wait(10) == 0
        idle.close()
        server.end()
    greeting, farewell = server.printed.splitlines()
    assert re.fullmatch(r"Draw a digit at http://127\.0\.0\.1:\d+/ .*", greeting)
    assert farewell == "The server has ended."
    assert "Traceback" not in server.complaints


def test_without_a_network_it_says_which_command_makes_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "--port", "0", "--model", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    (complaint,) = done.stderr.splitlines()
    assert re.match(r"app: .*int8\.tflite is missing; `make app` trains a network in ", complaint)


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", None, "Address already in use"),
        ("192.0.2.1", 0, "Cannot assign requested address"),
        ("nowhere.invalid", 0, "Name or service not known"),
    ],
)
def test_an_address_it_cannot_have_is_named(host: str, port: int | None, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if port is None else port
        with pytest.raises(PipelineError) as caught:
            listen(host, port)
    assert str(caught.value).startswith(f"cannot listen on {host}, port {port}: {reason}")


def test_a_defect_is_answered_in_a_sentence_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(fail, Metrics(), None))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/defect")

    response = asyncio.run(ask())
    headers, body = dict(response.headers), response.content
    check_refusal(Answer(response.status_code, headers, body), 500, "has a defect")
    assert "ZeroDivisionError" in caplog.text
