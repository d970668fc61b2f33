import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app import drawing
from app.__main__ import listen
from app.classifier import Classifier
from app.server import create
from bench.server_hostile import BOMBS, SIGNATURE, encoded, picture
from digits.errors import PipelineError
from tests.app.serving import (
    CHUNKED,
    HEAD,
    ROOT,
    TYPE,
    Server,
    check_refusal,
    form,
    receive,
    sized,
)

SEVEN = encoded(picture())
LARGE = bytes(2**20 + 1)
PAGES = ["/", "/docs", "/openapi.json", "/static/docs.js", "/healthz", "/metrics", "/nothing"]
NO_PICTURE = "This is no PNG, JPEG or WebP picture."
DAMAGED = "The picture is damaged and cannot be decoded."
NO_TYPE = "Send a PNG, JPEG or WebP picture, or a multipart/form-data form with one."
NO_FORM = "Expected a form of one file and nothing else."
TOO_LARGE = "The body is too large; the limit is 1,048,576 bytes."


def test_the_answer_has_the_digit_its_probabilities_and_the_picture_seen(
    server: Server, model: Path
) -> None:
    answer = server.ask("/classify", SEVEN)
    assert answer.headers["content-type"] == "application/json"
    pixels = drawing.normalise(picture())
    probabilities = Classifier(model).probabilities(pixels)
    assert answer.json() == {
        "digit": probabilities.argmax(),
        "probabilities": pytest.approx(probabilities.tolist(), abs=1e-6),
        "pixels": pixels.ravel().tolist(),
    }


def test_a_comparison_has_every_network_the_one_in_use_first(server: Server) -> None:
    alone = server.ask("/classify", SEVEN).json()
    assert server.ask("/compare", SEVEN).json() == {
        "networks": [
            {
                "name": "network",
                "accuracy": 0.9,
                "regularization": ["L2", "dropout"],
                "digit": alone["digit"],
                "probability": pytest.approx(max(alone["probabilities"]), abs=1e-6),
            },
            {
                "name": "sevens",
                "accuracy": 0.95,
                "regularization": [],
                "digit": 7,
                "probability": pytest.approx(1, abs=0.05),
            },
        ]
    }
    assert server.ask("/compare", b"x").status == 422


def test_everybody_gets_their_own_answer(server: Server) -> None:
    pictures = [encoded(picture(size)) for size in range(40, 72)]
    expected = [server.ask("/classify", one).body for one in pictures]
    assert len(set(expected)) > 20
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda one: server.ask("/classify", one).body, pictures * 4))
    assert found == expected * 4


TURNED = picture().transpose(Image.Transpose.ROTATE_90)
EXIF = Image.Exif()
EXIF[0x112] = 6  # to be turned to the right
DEEP = Image.fromarray(np.asarray(picture()).astype(np.uint16) * 257)
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [TURNED]}
PICTURES = {
    "palette": encoded(picture(mode="P")),
    "16 bits": encoded(DEEP),
    "WebP": encoded(picture(mode="RGBA"), "WEBP", lossless=True),
    "JPEG": encoded(picture(), "JPEG", progressive=True, quality=95),
    "CMYK JPEG": encoded(picture(mode="CMYK"), "JPEG", quality=95),
    "turned PNG": encoded(TURNED, exif=EXIF),
    "turned JPEG": encoded(TURNED, "JPEG", exif=EXIF, quality=95),
    "turned WebP": encoded(TURNED, "WEBP", exif=EXIF, lossless=True),
    "animated PNG": encoded(picture(), **FRAMES),
    "animated WebP": encoded(picture(), "WEBP", lossless=True, **FRAMES),
    "large": encoded(picture().resize((1960, 1960), Image.Resampling.NEAREST)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_any_picture_is_classified(server: Server, name: str) -> None:
    pixels = server.ask("/classify", PICTURES[name]).json()["pixels"]
    differences = np.abs(np.array(pixels) - drawing.normalise(picture()).ravel())
    assert differences.mean() <= (1 if "JPEG" in name else 0)


def test_a_form_and_a_body_in_chunks_are_read(server: Server) -> None:
    expected = server.ask("/classify", SEVEN).body
    assert server.ask("/classify", *form(SEVEN)).body == expected
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, SEVEN[at : at + 1]) for at in range(len(SEVEN)))
    with server.connect(CHUNKED + chunks + b"0\r\n\r\n") as connection:
        assert receive(connection).body == expected


def test_a_connection_serves_many_requests_even_after_a_refusal(server: Server) -> None:
    upgrade = sized(len(SEVEN)).replace(
        b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )
    with server.connect() as connection:
        for head, body, status in (
            (sized(len(SEVEN)), SEVEN, 200),
            (sized(1), b"x", 422),
            (sized(2**25), bytes(2**25), 413),
            (upgrade, SEVEN, 200),
        ):
            connection.sendall(head + body)
            assert receive(connection).status == status


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (SEVEN, {}, 415, NO_TYPE),
        (SEVEN, {"Content-Type": "image/gif"}, 415, NO_TYPE),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, NO_TYPE),
        (*form(SEVEN, kind="a/b"), 415, "The Content-Type of the form's file is no picture's."),
        (*form(SEVEN, SEVEN), 422, NO_FORM),
        (*form(SEVEN, fields=1), 422, NO_FORM),
        (*form(), 422, NO_FORM),
        (b"no form", {"Content-Type": "multipart/form-data"}, 422, NO_FORM),
        (*form(b"no picture"), 422, NO_PICTURE),
        (b"", TYPE, 422, NO_PICTURE),
        (encoded(picture(mode="P"), "GIF"), TYPE, 422, NO_PICTURE),
        (SEVEN[:-40], TYPE, 422, DAMAGED),
        (encoded(picture(mode="RGB"), "WEBP")[:-40], TYPE, 422, DAMAGED),
        (encoded(picture(), "JPEG")[:-40], TYPE, 422, DAMAGED),
        (
            encoded(Image.new("L", (9, 9))),
            TYPE,
            422,
            "The picture is blank: expected a digit that differs from the picture's border by at "
            "least 32 of 255 grey levels.",
        ),
        (
            encoded(Image.new("L", (2001, 1))),
            TYPE,
            413,
            "The picture is too large; the limit is 2,000 x 2,000 pixels.",
        ),
        (
            SIGNATURE + b"".join(BOMBS[0]),
            TYPE,
            413,
            "The picture is too large; the limit is 2,000 x 2,000 pixels.",
        ),
        (LARGE, TYPE, 413, TOO_LARGE),
        (*form(LARGE), 413, TOO_LARGE),
    ],
)
def test_what_cannot_be_classified_is_refused_in_a_sentence(
    server: Server, body: bytes, headers: dict[str, str], status: int, sentence: str
) -> None:
    check_refusal(server.ask("/classify", body, headers), status, sentence)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "GET", 404),
        ("/classify/", "POST", 404),
        ("/static/nothing", "GET", 404),
        ("/static/%2e%2e/classifier.py", "GET", 404),
        ("/classify", "GET", 405),
        ("/", "POST", 405),
    ],
)
def test_other_addresses_and_methods_are_refused(
    server: Server, path: str, method: str, status: int
) -> None:
    sentences = {
        404: "There is nothing at this address.",
        405: "This address does not accept that method.",
    }
    check_refusal(server.ask(path, method=method), status, sentences[status])


def test_too_large_a_body_is_refused_before_its_end(server: Server) -> None:
    with server.connect(sized(2**20 + 1)) as connection:
        check_refusal(receive(connection), 413, TOO_LARGE)
    with server.connect(CHUNKED + 17 * (b"10000\r\n" + bytes(2**16) + b"\r\n")) as connection:
        check_refusal(receive(connection), 413, TOO_LARGE)


def test_the_slow_are_refused_and_hold_nobody_up(server: Server) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        sent = (HEAD, b"", sized(1) + b"x", CHUNKED, sized(len(SEVEN)) + SEVEN[:-1])
        _, _, idle, chunks, body = (stack.enter_context(server.connect(start)) for start in sent)
        assert receive(idle).status == 422
        while time.monotonic() < began + 4:
            chunks.sendall(b"1\r\nx\r\n")
            asked = time.monotonic()
            assert server.ask("/classify", SEVEN).status == 200
            assert time.monotonic() < asked + 1
            time.sleep(0.2)
        for connection in (body, chunks):
            answer = receive(connection)
            check_refusal(answer, 408, "The body did not arrive within 5 seconds.")
            assert connection.recv(1) == b""  # closed
        assert idle.recv(1) == b""
    assert 4.5 < time.monotonic() - began < 9


@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 15_000])
def test_what_is_no_http_or_has_too_large_a_head_is_refused(server: Server, sent: bytes) -> None:
    with server.connect(sent) as connection:
        assert receive(connection).status == 400


def test_too_many_connections_are_refused(server: Server) -> None:
    idle = [server.connect() for _ in range(100)]
    assert server.ask("/healthz").status == 503
    for connection in idle:
        connection.close()
    time.sleep(0.3)
    assert server.ask("/healthz").status == 200


def test_hanging_up_leaves_no_complaint(server: Server) -> None:
    server.connect(sized(len(SEVEN)) + SEVEN[:100]).close()
    server.connect(sized(len(SEVEN)) + SEVEN).close()
    assert server.ask("/healthz").status == 200  # the fixture looks at the complaints


def test_every_answer_has_the_security_headers(server: Server) -> None:
    answers = [server.ask(path) for path in PAGES]
    answers += [server.ask("/classify", body) for body in (SEVEN, b"no picture")]
    answers.append(server.ask("/", headers={"Host": "evil.example"}))
    for answer in answers:
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"} < set(policy)
        assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "data:" in rule]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_another_name_for_this_machine_is_refused(server: Server) -> None:
    for name in ("evil.example:8000", "localhost.evil.example", "127.0.0.1:80:80", ""):
        answer = server.ask("/", headers={"Host": name})
        check_refusal(answer, 400, "This server answers only as 127.0.0.1, [::1], localhost.")
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"):
        assert server.ask("/healthz", headers={"Host": name}).status == 200


def test_the_page_and_its_files_are_served(server: Server) -> None:
    for path, media_type in (
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/static/docs.js", "text/javascript; charset=utf-8"),
    ):
        answer = server.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert server.ask("/healthz").json() == {"status": "ok"}
    etag = server.ask("/static/docs.js").headers["etag"]
    assert server.ask("/static/docs.js", headers={"If-None-Match": etag}).status == 304
    for file in (ROOT / "app/static").iterdir():  # need nothing from elsewhere
        text = file.read_text()
        assert not re.findall(r"""(?:src|href|url|import|from)\W{1,3}(?:https?:)?//""", text)


def test_the_description_names_what_classify_takes_and_answers(server: Server) -> None:
    content = server.ask("/openapi.json").json()
    classify = content["paths"]["/classify"]["post"]
    kinds = {"image/png", "image/jpeg", "image/webp", "multipart/form-data"}
    assert set(classify["requestBody"]["content"]) == kinds
    assert {"200", "408", "413", "415", "422"} <= set(classify["responses"])
    answer = content["components"]["schemas"]["Answer"]
    assert set(answer["properties"]) == set(server.ask("/classify", SEVEN).json())


def counts(server: Server) -> dict[str, float]:
    """Return what the server counts for Prometheus."""
    lines = server.ask("/metrics").body.decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


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
    assert 0 < grown['http_request_seconds_sum{route="/classify"}'] < 1


def test_workers_count_together(model: Path) -> None:
    with Server(model, "--workers", "2") as server:
        with ThreadPoolExecutor(4) as pool:
            statuses = pool.map(lambda _: server.ask("/classify", SEVEN).status, range(60))
        assert set(statuses) == {200}
        for _ in range(6):
            assert counts(server)['http_requests_total{route="/classify",status="200"}'] == 60


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2")])
def test_at_the_end_requests_under_way_are_answered(
    model: Path, how: signal.Signals, workers: str
) -> None:
    with Server(model, "--workers", workers) as server:
        idle = server.connect(sized(len(SEVEN)) + SEVEN)
        assert receive(idle).status == 200
        with server.connect(sized(len(SEVEN)) + SEVEN[:100]) as connection:
            time.sleep(0.3)
            server.process.send_signal(how)
            time.sleep(1.5)  # workers are told within 0.5 s
            connection.sendall(SEVEN[100:])
            assert receive(connection).status == 200
            assert connection.recv(1) == b""  # closed
        assert server.process.wait(10) == 0
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
    assert re.match(r"Draw a digit at http://127\.0\.0\.1:\d+/ ", server.printed)


@pytest.mark.parametrize(
    ("option", "expected"), [("--port", "0 to 65535"), ("--workers", "1 to 64")]
)
def test_a_number_out_of_range_is_refused(option: str, expected: str) -> None:
    command = [sys.executable, "-m", "app", option, "65536"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: {option}: expected {expected}, given 65536\n")


def test_without_a_network_it_says_which_command_makes_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "--port", "0", "--model", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    (complaint,) = done.stderr.splitlines()
    assert re.match(r"app: .* is missing; `git checkout .*` brings it back, `dvc repro ", complaint)


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
        with pytest.raises(
            PipelineError, match=f"cannot listen on {host}, port {port}: .*{reason}"
        ):
            listen(host, port)


def test_a_defect_is_answered_in_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create(model), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/classify", content=SEVEN, headers=TYPE)

    monkeypatch.setattr(drawing, "normalise", lambda picture: 1 / 0)
    response = asyncio.run(ask())
    assert response.status_code == 500
    assert response.json() == {"detail": "The server has a defect; its log says where."}
    assert response.headers["x-content-type-options"] == "nosniff"
