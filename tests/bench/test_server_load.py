import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Request

from bench import measuring, server_load
from tests.app.serving import Server
from tests.app.visitor import DIGITS, draw, settle


def test_the_load_is_measured(model: Path) -> None:
    options = ["--connections", "1", "3", "--seconds", "1"]
    output = measuring.run("bench.server_load", "--model", str(model), *options).output
    size = server_load.DRAWING.stat().st_size
    assert re.match(rf"{size:,} bytes a drawing; memory \d+\.\d MB\n", output)
    lines = re.findall(
        r"^connections: (\d); requests/s: ([\d,]+); ms: p50 ([\d.]+), p99 ([\d.]+), "
        r"slowest ([\d.]+); CPU us a request: (\d+); memory [\d.]+ MB$",
        output,
        re.M,
    )
    assert [line[0] for line in lines] == ["1", "3"]
    for line in lines:
        rate, p50, p99, slowest, cpu = (float(part.replace(",", "")) for part in line[1:])
        assert rate > 10
        assert 0 < p50 <= p99 <= slowest + 0.05  # rounded
        assert 100 < cpu < 100_000


@pytest.mark.browser
def test_the_drawing_is_like_those_of_the_page(server: Server, page: Page) -> None:
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.goto(server.url)
    draw(page, DIGITS[2])
    settle(page)
    body = next(request.post_data_buffer for request in reversed(sent) if request.method == "POST")
    assert body
    drawing = server_load.DRAWING.read_bytes()
    found, expected = Image.open(BytesIO(body)), Image.open(BytesIO(drawing))
    assert (found.size, found.mode) == (expected.size, expected.mode)
    assert len(body) == pytest.approx(len(drawing), rel=0.2)
