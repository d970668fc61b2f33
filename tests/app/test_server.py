import asyncio
import re
import signal
import socket
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
from bench.server_hostile import BOMBS, SIGNATURE, encoded, picture
from digits.errors import PipelineError
from tests.app.serving import CHUNKED, HEAD, TYPE, Server, check_refusal, receive, sized
from tests.workspace import ROOT, run

SEVEN = encoded(picture())
LARGE = bytes(2**20 + 1)
TYPE_OF_FORM = "multipart/form-data; boundary=x"
PAGES = ["/", "/docs", "/openapi.json", "/static/docs.js", "/healthz", "/metrics", "/nothing"]
NO_PICTURE = (422, "This is no PNG, JPEG or WebP picture.")
DAMAGED = (422, "The picture is damaged and cannot be decoded.")
BLANK = (
    422,
    "The picture is blank: expected a digit that differs from the picture's border by at least 32 "
    "of 255 grey levels.",
)
NO_TYPE = (415, "Send a PNG, JPEG or WebP picture, or a multipart/form-data form with one.")
NO_KIND = (415, "The Content-Type of the form's file is no picture's.")
NO_FORM = (422, "Expected a form of one file and nothing else.")
TOO_LARGE = (413, "The body is too large; the limit is 1,048,576 bytes.")
TOO_WIDE = (413, "The picture is too large; the limit is 2,000 x 2,000 pixels.")


def form(*files: bytes, kind: str = "image/png", **fields: str) -> dict[str, Any]:
    """Return what makes httpx send a form."""
    parts = [("file", ("a.png", file, kind)) for file in files]
    return {"files": [*parts, *((name, (None, value)) for name, value in fields.items())]}


def test_the_answers_have_digits_probabilities_and_the_picture_seen(
    server: Server, model: Path
) -> None:
    pixels = drawing.normalise(picture())
    probabilities = Classifier(model).probabilities(pixels).tolist()
    answer = server.classify(SEVEN)
    assert answer.headers["content-type"] == "application/json"
    digit = answer.json()["digit"]
    assert answer.json() == {
        "digit": probabilities.index(max(probabilities)),
        "probabilities": pytest.approx(probabilities, abs=1e-6),
        "pixels": pixels.ravel().tolist(),
    }
    sure, sevens = pytest.approx(max(probabilities), abs=1e-6), pytest.approx(1, abs=0.05)
    assert server.post("/compare", content=SEVEN, headers=TYPE).json() == {
        "networks": [
            {"name": "network", "accuracy": 0.9, "regularization": ["L2", "dropout"]}
            | {"digit": digit, "probability": sure},
            {"name": "sevens", "accuracy": 0.95, "regularization": []}
            | {"digit": 7, "probability": sevens},
        ]
    }
    assert server.post("/compare", content=b"x", headers=TYPE).status_code == 422
    description = server.get("/openapi.json").json()
    classify = description["paths"]["/classify"]["post"]
    kinds = {"image/png", "image/jpeg", "image/webp", "multipart/form-data"}
    assert set(classify["requestBody"]["content"]) == kinds
    assert {"200", "408", "413", "415", "422"} <= set(classify["responses"])
    described = description["components"]["schemas"]["Answer"]["properties"]
    assert set(described) == set(answer.json())


TURNED = picture().transpose(Image.Transpose.ROTATE_90)
EXIF = Image.Exif()
EXIF[0x112] = 6  # to be turned to the right
DEEP = Image.fromarray(np.asarray(picture()).astype(np.uint16) * 257)
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [TURNED]}


@pytest.mark.parametrize(
    ("file", "most"),
    [
        pytest.param(encoded(picture(mode="P")), 0, id="palette"),
        pytest.param(encoded(DEEP), 0, id="16 bits"),
        pytest.param(encoded(picture(mode="RGBA"), "WEBP", lossless=True), 0, id="WebP"),
        pytest.param(encoded(picture(), "JPEG", progressive=True, quality=95), 1, id="JPEG"),
        pytest.param(encoded(picture(mode="CMYK"), "JPEG", quality=95), 1, id="CMYK JPEG"),
        pytest.param(encoded(TURNED, exif=EXIF), 0, id="turned PNG"),
        pytest.param(encoded(TURNED, "JPEG", exif=EXIF, quality=95), 1, id="turned JPEG"),
        pytest.param(encoded(TURNED, "WEBP", exif=EXIF, lossless=True), 0, id="turned WebP"),
        pytest.param(encoded(picture(), **FRAMES), 0, id="animated PNG"),
        pytest.param(encoded(picture(), "WEBP", lossless=True, **FRAMES), 0, id="animated WebP"),
        pytest.param(encoded(picture().resize((1960, 1960), 0)), 0, id="large"),
    ],
)
def test_any_picture_is_classified(server: Server, file: bytes, most: float) -> None:
    pixels = np.array(server.classify(file).json()["pixels"])
    assert np.abs(pixels - drawing.normalise(picture()).ravel()).mean() <= most


def test_forms_chunks_and_many_requests_on_a_connection_are_read(server: Server) -> None:
    expected = server.classify(SEVEN).content
    assert server.post("/classify", **form(SEVEN)).content == expected
    chunks = (SEVEN[at : at + 1] for at in range(len(SEVEN)))
    assert server.classify(chunks).content == expected
    upgrade = sized(len(SEVEN))[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with server.connect() as connection:
        for head, body, status in (
            (sized(len(SEVEN)), SEVEN, 200),
            (sized(1), b"x", 422),
            (sized(2**25), bytes(2**25), 413),
            (upgrade, SEVEN, 200),
        ):
            connection.sendall(head + body)
            assert receive(connection).status_code == status


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"content": SEVEN}, NO_TYPE),
        ({"content": SEVEN, "headers": {"Content-Type": "image/gif"}}, NO_TYPE),
        ({"data": {"a": "1"}}, NO_TYPE),
        (form(SEVEN, kind="a/b"), NO_KIND),
        (form(SEVEN, SEVEN), NO_FORM),
        (form(SEVEN, field="value"), NO_FORM),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, NO_FORM),
        ({"content": b"--x--", "headers": {"Content-Type": TYPE_OF_FORM}}, NO_FORM),
        (form(b"no picture"), NO_PICTURE),
        (b"", NO_PICTURE),
        (encoded(picture(mode="P"), "GIF"), NO_PICTURE),
        (SEVEN[:-40], DAMAGED),
        (encoded(picture(mode="RGB"), "WEBP")[:-40], DAMAGED),
        (encoded(picture(), "JPEG")[:-40], DAMAGED),
        (encoded(Image.new("L", (9, 9))), BLANK),
        (encoded(Image.new("L", (2001, 1))), TOO_WIDE),
        (SIGNATURE + b"".join(BOMBS[0]), TOO_WIDE),
        (LARGE, TOO_LARGE),
        (form(LARGE), TOO_LARGE),
    ],
)
def test_what_cannot_be_classified_is_refused_in_a_sentence(
    server: Server, sent: Any, expected: tuple[int, str]
) -> None:
    options = {"content": sent, "headers": TYPE} if isinstance(sent, bytes) else sent
    check_refusal(server.post("/classify", **options), *expected)


def test_other_addresses_methods_and_names_are_refused(server: Server) -> None:
    sentence = "There is nothing at this address."
    for path in ("/nothing", "/static/nothing", "/static/%2e%2e/classifier.py", "/static/docs"):
        check_refusal(server.get(path), 404, sentence)
    check_refusal(server.post("/classify/"), 404, sentence)
    sentence = "This address does not accept that method."
    check_refusal(server.get("/classify"), 405, sentence)
    check_refusal(server.post("/"), 405, sentence)
    sentence = "This server answers only as 127.0.0.1, [::1], localhost."
    for name in ("evil.example:8000", "localhost.evil.example", "127.0.0.1:80:80", ""):
        check_refusal(server.get("/", headers={"Host": name}), 400, sentence)
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"):
        assert server.get("/healthz", headers={"Host": name}).json() == {"status": "ok"}


def test_too_large_a_body_is_refused_before_its_end(server: Server) -> None:
    for sent in (sized(2**20 + 1), CHUNKED + 17 * (b"10000\r\n" + bytes(2**16) + b"\r\n")):
        with server.connect(sent) as connection:
            check_refusal(receive(connection), *TOO_LARGE)


def test_the_slow_are_refused_and_hold_nobody_up(server: Server) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        sent = (HEAD, b"", sized(1) + b"x", CHUNKED, sized(len(SEVEN)) + SEVEN[:-1])
        _, _, idle, chunks, body = (stack.enter_context(server.connect(start)) for start in sent)
        assert receive(idle).status_code == 422
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
    assert 4.5 < time.monotonic() - began < 9


@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 15_000])
def test_what_is_no_http_or_has_too_large_a_head_is_refused(server: Server, sent: bytes) -> None:
    with server.connect(sent) as connection:
        assert receive(connection).status_code == 400


def test_too_many_connections_are_refused_and_hanging_up_is_no_complaint(server: Server) -> None:
    for sent in (sized(len(SEVEN)) + SEVEN[:100], sized(len(SEVEN)) + SEVEN):
        server.connect(sent).close()  # the fixture looks at the complaints
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(server.connect())
        assert server.get("/healthz").status_code == 503
    time.sleep(0.3)
    assert server.get("/healthz").status_code == 200


def test_the_page_and_its_files_are_served_with_security_headers(server: Server) -> None:
    answers = {path: server.get(path) for path in PAGES}
    kinds = [answers[path].headers["content-type"] for path in ("/", "/docs", "/static/docs.js")]
    assert kinds == [f"text/{kind}; charset=utf-8" for kind in ("html", "html", "javascript")]
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
    for file in (ROOT / "app/static").iterdir():  # need nothing from elsewhere
        assert not re.findall(
            r"""(?:src|href|url|import|from)\W{1,3}(?:https?:)?//""", file.read_text()
        )


def counts(server: Server) -> dict[str, float]:
    """Return what the server counts for Prometheus."""
    lines = server.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_requests_are_counted_by_route_and_status(server: Server) -> None:
    before = counts(server)
    server.classify(SEVEN)
    server.classify(b"x")
    for path in ("/a", "/static/docs.js", "/static/nothing", "/"):
        server.get(path)
    after = counts(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    requests = {name: grown[name] for name in grown if "requests_total{" in name and grown[name]}
    assert requests == {
        'http_requests_total{route="/classify",status="200"}': 1,
        'http_requests_total{route="/classify",status="422"}': 1,
        'http_requests_total{route="/static",status="200"}': 1,
        'http_requests_total{route="/static",status="404"}': 1,
        'http_requests_total{route="/",status="200"}': 1,
        'http_requests_total{route="/metrics",status="200"}': 1,
        'http_requests_total{route="other",status="404"}': 1,
    }
    assert grown['http_request_seconds_count{route="/classify"}'] == 2
    assert 0 < grown['http_request_seconds_sum{route="/classify"}'] < 1


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_workers_count_together_and_requests_under_way_are_answered_at_the_end(
    model: Path, how: signal.Signals, workers: int
) -> None:
    with Server(model, "--workers", workers) as server:
        pictures = [encoded(picture(size)) for size in range(40, 70)]
        expected = [server.classify(one).content for one in pictures]
        with ThreadPoolExecutor(16) as pool:  # everybody gets their own answer
            found = list(pool.map(lambda one: server.classify(one).content, pictures * 3))
        assert found == expected * 3
        assert len(set(expected)) > 20
        for _ in range(6):
            assert counts(server)['http_requests_total{route="/classify",status="200"}'] == 120
        idle = server.connect(sized(len(SEVEN)) + SEVEN)
        assert receive(idle).status_code == 200
        with server.connect(sized(len(SEVEN)) + SEVEN[:100]) as connection:
            time.sleep(0.3)
            server.process.send_signal(how)
            time.sleep(1.5)  # workers are told within 0.5 s
            connection.sendall(SEVEN[100:])
            assert receive(connection).status_code == 200
            assert connection.recv(1) == b""  # closed
        assert server.process.wait(10) == 0
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
    assert re.match(r"Draw a digit at http://127\.0\.0\.1:\d+/ ", server.greeting)


def test_the_command_refuses_in_a_line(tmp_path: Path) -> None:
    for option, expected in (("--port", "0 to 65535"), ("--workers", "1 to 64")):
        errors = run(ROOT, "app", option, 65536, status=2)[1]
        assert errors.endswith(f"error: {option}: expected {expected}, given 65536\n")
    output, errors = run(ROOT, "app", "--port", 0, "--model", tmp_path, status=1)
    assert output == ""
    assert re.fullmatch(r"app: .* is missing; `git checkout .* brings it back, `dvc .*\n", errors)


def test_an_address_it_cannot_have_is_named(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        for host, port, reason in (
            ("127.0.0.1", other.getsockname()[1], "Address already in use"),
            ("192.0.2.1", 0, "Cannot assign requested address"),
            ("nowhere.invalid", 0, "Name or service not known"),
        ):
            complaint = f"cannot listen on {host}, port {port}: .*{reason}"
            with pytest.raises(PipelineError, match=complaint):
                serve(host, port, model, 1)


def test_a_defect_is_answered_in_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create(model), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/classify", content=SEVEN, headers=TYPE)

    monkeypatch.setattr(drawing, "normalise", lambda picture: 1 / 0)
    check_refusal(asyncio.run(ask()), 500, "The server has a defect; its log says where.")
