import asyncio
import re
import signal
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
from app.__main__ import serve
from app.classifier import Classifier
from app.server import create
from bench.server_hostile import BOMBS, SIGNATURE, attack, encoded, peak_memory, picture
from digits.errors import PipelineError
from tests.app.serving import CHUNKED, TYPE, Server, check_refusal, receive, sized
from tests.workspace import ROOT, run

SEVEN = encoded(picture())
SENT = sized(len(SEVEN)) + SEVEN
LARGE = bytes(2**20 + 1)
TOO_LARGE = "The body is too large; the limit is 1,048,576 bytes."
HOSTILE = 400  # bodies; ``python -m bench.server_hostile`` sends many more


def form(*files: bytes, kind: str = "image/png") -> dict[str, Any]:
    """Return what makes httpx send a form."""
    return {"files": [("file", ("a.png", file, kind)) for file in files]}


def raw(body: bytes, kind: str = "image/png") -> dict[str, Any]:
    """Return what makes httpx send a body as it is."""
    return {"content": body, "headers": {"Content-Type": kind}}


def test_answers_have_probabilities_and_the_picture_seen(server: Server, model: Path) -> None:
    pixels = drawing.normalize(picture())
    probabilities = Classifier(model).probabilities(pixels).tolist()
    digit = probabilities.index(max(probabilities))
    assert server.classify(SEVEN).json() == {
        "digit": digit,
        "probabilities": pytest.approx(probabilities, abs=1e-6),
        "pixels": pixels.ravel().tolist(),
    }
    sure, sevens = pytest.approx(max(probabilities), abs=1e-6), pytest.approx(1, abs=0.05)
    first = {"name": "network", "accuracy": 0.9, "regularization": ["L2", "dropout"]}
    other = {"name": "sevens", "accuracy": 0.95, "regularization": []}
    assert server.classify(SEVEN, "/compare").json()["networks"] == [
        first | {"digit": digit, "probability": sure},
        other | {"digit": 7, "probability": sevens},
    ]
    assert server.classify(b"x", "/compare").status_code == 422
    described = server.get("/openapi.json").json()["paths"]["/classify"]["post"]
    kinds = {"image/png", "image/jpeg", "image/webp", "multipart/form-data"}
    assert set(described["requestBody"]["content"]) == kinds
    assert {"200", "408", "413", "415", "422"} <= set(described["responses"])


TURNED = picture().transpose(Image.Transpose.ROTATE_90)
EXIF = Image.Exif()
EXIF[0x112] = 6  # to be turned to the right
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [picture()], "exif": EXIF}
PICTURES = {
    "palette": encoded(picture(mode="P")),
    "large": encoded(picture().resize((1960, 1960), 0)),
    "turned JPEG": encoded(TURNED, "JPEG", progressive=True, exif=EXIF, quality=95),
    "turned and animated PNG": encoded(TURNED, "PNG", **FRAMES),
    "turned and animated WebP": encoded(TURNED, "WEBP", lossless=True, **FRAMES),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_any_picture_is_classified(server: Server, kind: str) -> None:
    pixels = np.array(server.classify(PICTURES[kind]).json()["pixels"])
    assert np.abs(pixels - drawing.normalize(picture()).ravel()).mean() <= 1


def test_forms_chunks_and_many_requests_on_a_connection_are_read(server: Server) -> None:
    expected = server.classify(SEVEN).content
    assert server.post("/classify", **form(SEVEN)).content == expected
    chunks = (SEVEN[at : at + 1] for at in range(len(SEVEN)))
    assert server.classify(chunks).content == expected
    upgrade = sized(len(SEVEN))[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    others = ((SENT, 200), (sized(1) + b"x", 422), (sized(2**25) + bytes(2**25), 413))
    with server.connect() as connection:
        for sent, status in (*others, (upgrade + SEVEN, 200)):
            connection.sendall(sent)
            assert receive(connection).status_code == status


REFUSED = {
    "415: Send PNG, JPEG or WebP, or multipart/form-data with one picture.":
        [{"content": SEVEN}, raw(SEVEN, "image/gif"), {"data": {"a": "1"}}],
    "415: The Content-Type of the form's file is no picture's.": [form(SEVEN, kind="a/b")],
    "422: Expected a form of one file and nothing else.":
        [form(SEVEN, SEVEN), form(SEVEN) | {"data": {"field": "value"}},
         raw(b"no form", "multipart/form-data"), raw(b"--x--", "multipart/form-data; boundary=x")],
    "422: This is no PNG, JPEG or WebP picture.":
        [form(b"no picture"), raw(b""), raw(encoded(picture(mode="P"), "GIF"))],
    "422: The picture is damaged and cannot be decoded.": [raw(SEVEN[:-40])],
    "422: The picture is blank: expected a digit that differs from the picture's border by at "
    "least 32 of 255 grey levels.": [raw(encoded(Image.new("L", (9, 9))))],
    "413: The picture is too large; the limit is 2,000 x 2,000 pixels.":
        [raw(encoded(Image.new("L", (2001, 1)))), raw(SIGNATURE + b"".join(BOMBS[0]))],
    f"413: {TOO_LARGE}": [raw(LARGE), form(LARGE)],
}  # fmt: skip


@pytest.mark.parametrize("expected", REFUSED)
def test_what_cannot_be_classified_is_refused_in_a_sentence(server: Server, expected: str) -> None:
    for sent in REFUSED[expected]:
        status, _, sentence = expected.partition(": ")
        check_refusal(server.post("/classify", **sent), int(status), sentence)


def test_other_addresses_methods_and_names_are_refused(server: Server) -> None:
    sentence = "There is nothing at this address."
    for path in ("/nothing", "/static/nothing", "/static/%2e%2e/classifier.py", "/static/docs"):
        check_refusal(server.get(path), 404, sentence)
    check_refusal(server.post("/classify/"), 404, sentence)
    for answer in (server.get("/classify"), server.post("/")):
        check_refusal(answer, 405, "This address does not accept that method.")
    sentence = "This server answers only as 127.0.0.1, [::1], localhost."
    for name in ("evil.example:8000", "localhost.evil.example", "127.0.0.1:80:80", ""):
        check_refusal(server.get("/", headers={"Host": name}), 400, sentence)
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"):
        assert server.get("/healthz", headers={"Host": name}).json() == {"status": "ok"}


def test_too_large_a_body_is_refused_before_its_end(server: Server) -> None:
    for sent in (sized(2**20 + 1), CHUNKED + 17 * (b"10000\r\n" + bytes(2**16) + b"\r\n")):
        with server.connect(sent) as connection:
            check_refusal(receive(connection), 413, TOO_LARGE)


def test_slow_bodies_are_refused_slow_heads_wait_and_nobody_is_held_up(server: Server) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        sent = (b"", SENT, SENT, CHUNKED, SENT[:-1])
        new, next_, idle, chunks, body = (stack.enter_context(server.connect(one)) for one in sent)
        assert [receive(connection).status_code for connection in (next_, idle)] == [200, 200]
        next_.sendall(SENT[:1])
        while time.monotonic() < began + 4:
            chunks.sendall(b"1\r\nx\r\n")
            asked = time.monotonic()
            assert server.classify(SEVEN).status_code == 200
            assert time.monotonic() < asked + 1
            time.sleep(0.2)
        for connection in (body, chunks):
            check_refusal(receive(connection), 408, "The body did not arrive within 5 seconds.")
            assert connection.recv(1) == b""  # closed
        assert idle.recv(1) == b""
        for connection, rest in ((new, SENT), (next_, SENT[1:])):  # uvicorn waits for any head
            connection.sendall(rest)
            assert receive(connection).status_code == 200
    assert 4.5 < time.monotonic() - began < 9


def test_what_is_no_http_or_has_too_large_a_head_is_refused(server: Server) -> None:
    long, end = b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX: ".ljust(2**14, b"y"), b"\r\n\r\n"
    for sent, rest, status in ((b"hello", end, 400), (long, b"y", 400), (long, end, 200)):
        with server.connect(sent) as connection:
            time.sleep(0.2)
            connection.sendall(rest)
            assert receive(connection).status_code == status


def test_too_many_connections_are_refused_and_hanging_up_is_no_complaint(server: Server) -> None:
    for sent in (SENT[:-100], SENT):
        server.connect(sent).close()  # the fixture looks at the complaints
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(server.connect())
        assert server.get("/healthz").status_code == 503
    time.sleep(0.3)
    assert server.get("/healthz").status_code == 200


def test_hostile_bodies_get_an_answer_and_hurt_nobody(model: Path) -> None:
    with Server(model) as server:  # which looks at the complaints
        before = peak_memory(server.process.pid)
        statuses, good, slowest = attack(server.port, HOSTILE, seed=0)
        assert peak_memory(server.process.pid) < before + 200  # megabytes
    assert (statuses.total(), statuses[408]) == (HOSTILE, HOSTILE // 100)
    assert statuses.keys() == {200, 408, 413, 415, 422}
    assert good > 50
    assert slowest < 1  # second


def test_the_page_and_its_files_are_served_with_security_headers(server: Server) -> None:
    pages = {"/": "html", "/docs": "html", "/static/docs.js": "javascript"}
    answers = {path: server.get(path) for path in (*pages, "/openapi.json", "/metrics", "/nothing")}
    for path, kind in pages.items():
        assert answers[path].headers["content-type"] == f"text/{kind}; charset=utf-8"
    etag = answers["/static/docs.js"].headers["etag"]
    cached = server.get("/static/docs.js", headers={"If-None-Match": etag})
    assert cached.status_code == 304
    evil = server.get("/", headers={"Host": "evil.example"})
    for answer in (*answers.values(), cached, evil, *map(server.classify, (SEVEN, b"x"))):
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'self'", "object-src 'none'", "frame-ancestors 'none'"} < set(policy)
        assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "data:" in rule]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def counts(server: Server) -> dict[str, float]:
    """Return what the server counts for Prometheus."""
    lines = re.findall("^([^#].*) (.*)$", server.get("/metrics").text, re.M)
    return {name: float(value) for name, value in lines}


def test_requests_are_counted_by_route_and_status(server: Server) -> None:
    before = counts(server)
    server.classify(SEVEN)
    server.classify(b"x")
    for path in ("/a", "/static/docs.js", "/static/nothing", "/", "/classify"):
        server.get(path)
    after = counts(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    requests = {name: grown[name] for name in grown if "requests_total{" in name and grown[name]}
    assert requests == {
        f'http_requests_total{{route="{route}",status="{status}"}}': 1
        for route, status in (
            ("/classify", 200), ("/classify", 405), ("/classify", 422), ("/static", 200),
            ("/static", 404), ("/", 200), ("/metrics", 200), ("other", 404),
        )
    }  # fmt: skip
    assert grown['http_request_seconds_count{route="/classify"}'] == 3
    assert 0 < grown['http_request_seconds_sum{route="/classify"}'] < 1


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_workers_share_counts_and_end_well(model: Path, how: signal.Signals, workers: int) -> None:
    with Server(model, "--workers", workers) as server:
        pictures = [encoded(picture(size)) for size in range(40, 70)]
        expected = [server.classify(one).content for one in pictures]
        with ThreadPoolExecutor(16) as pool:  # everybody gets their own answer
            found = list(pool.map(lambda one: server.classify(one).content, pictures * 3))
        assert found == expected * 3
        assert len(set(expected)) > 20
        for _ in range(6):
            assert counts(server)['http_requests_total{route="/classify",status="200"}'] == 120
        idle = server.connect(SENT)
        assert receive(idle).status_code == 200
        with server.connect(SENT[:-100]) as connection:
            time.sleep(0.3)
            server.process.send_signal(how)
            time.sleep(1.5)  # workers are told within 0.5 s
            connection.sendall(SENT[-100:])
            assert receive(connection).status_code == 200
            assert connection.recv(1) == b""  # closed
        assert server.process.wait(10) == 0
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_the_command_refuses_in_a_line(tmp_path: Path) -> None:
    for option, expected in (("--port", "0 to 65535"), ("--workers", "1 to 64")):
        errors = run(ROOT, "app", option, 65536, status=2)[1]
        assert errors.endswith(f"error: {option}: expected {expected}, given 65536\n")
    output, errors = run(ROOT, "app", "--port", 0, "--model", tmp_path, status=1)
    assert output == ""
    assert re.fullmatch(r"app: .* is missing; `git checkout .* brings it back, `dvc .*\n", errors)


def test_an_address_it_cannot_have_is_named(server: Server, model: Path) -> None:
    complaint = f"cannot listen on 127.0.0.1, port {server.port}: .*Address already in use"
    with pytest.raises(PipelineError, match=complaint):
        serve("127.0.0.1", server.port, model, 1)


def test_a_defect_is_answered_in_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create(model), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/classify", content=SEVEN, headers=TYPE)

    monkeypatch.setattr(drawing, "normalize", lambda picture: 1 / 0)
    check_refusal(asyncio.run(ask()), 500, "The server has a defect; its log says where.")
