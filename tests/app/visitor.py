"""What a person has and does: a browser, a handwriting, a mouse, and eyes for what goes wrong."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import cos, pi, sin
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect

expect.set_options(timeout=30_000)  # a network is loaded beside other work

Point = tuple[float, float]  # from the left and from above, in shares of the paper's side
Strokes = Sequence[Sequence[Point]]

CHROMIUM: Any = {  # what Playwright is to start
    "executable_path": shutil.which("chromium") or shutil.which("google-chrome"),
    "args": ["--disable-gpu"],
}


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Page]:
    """Give a page; it must have no errors, broken rules of the CSP among them."""
    complaints: list[str] = []
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.on("console", lambda line: complaints.extend([line.text] * (line.type == "error")))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


def arc(x: float, y: float, across: float, down: float, start: float, end: float) -> list[Point]:
    """Return part of an ellipse; angles in half turns, from the right, first downwards."""
    angles = [pi * (start + (end - start) * step / 8) for step in range(9)]
    return [(x + across * cos(angle), y + down * sin(angle)) for angle in angles]


def line(*corners: Point) -> list[Point]:
    """Return the corners and middles of straight lines."""
    points = [corners[0]]
    for (x, y), (end_x, end_y) in pairwise(corners):
        points += [((x + end_x) / 2, (y + end_y) / 2), (end_x, end_y)]
    return points


DIGITS: dict[int, Strokes] = {
    0: [arc(0.5, 0.5, 0.19, 0.29, -0.5, 1.5)],
    1: [line((0.52, 0.2), (0.48, 0.8))],
    2: [arc(0.48, 0.36, 0.17, 0.15, -1, 0.15) + line((0.62, 0.45), (0.32, 0.77), (0.7, 0.77))],
    3: [arc(0.48, 0.34, 0.16, 0.14, -0.85, 0.5) + arc(0.48, 0.64, 0.19, 0.16, -0.5, 0.85)],
    4: [line((0.42, 0.2), (0.3, 0.55), (0.68, 0.55)), line((0.62, 0.25), (0.56, 0.82))],
    5: [line((0.66, 0.2), (0.4, 0.2), (0.37, 0.45)) + arc(0.47, 0.6, 0.18, 0.18, -0.55, 0.8)],
    6: [line((0.58, 0.18), (0.4, 0.45)) + arc(0.5, 0.64, 0.15, 0.16, 1.15, -0.85)],
    7: [line((0.3, 0.22), (0.69, 0.22), (0.46, 0.8))],
    8: [arc(0.5, 0.35, 0.14, 0.15, 0.5, 2.5) + arc(0.5, 0.66, 0.17, 0.16, -0.5, 1.5)],
    9: [arc(0.5, 0.37, 0.16, 0.16, 0, -2) + line((0.66, 0.37), (0.58, 0.82))],
}
ALL_OVER: Strokes = [[(0.01, 0.02 + 0.06 * row), (1.1, 0.02 + 0.06 * row)] for row in range(17)]


def on_screen(page: Page, points: Sequence[Point]) -> list[Point]:
    """Return where points of the paper are on the page, in CSS pixels."""
    box = page.locator("#pad").bounding_box()
    assert box
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page: Page, strokes: Strokes) -> None:
    for stroke in strokes:
        press(page, stroke)
        page.mouse.up()


def press(page: Page, stroke: Sequence[Point]) -> None:
    """Draw a stroke with the mouse, and keep the button down."""
    path = on_screen(page, stroke)
    page.mouse.move(*path[0])
    page.mouse.down()
    for point in path[1:]:
        page.mouse.move(*point)


def settle(page: Page) -> int:
    """Wait for the answer to what has been drawn to the end, and return the digit."""
    expect(page.get_by_role("region", name="Answer")).to_have_attribute("aria-busy", "false")
    return int(page.get_by_role("status").inner_text()[0])


def wait(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own way is against the pages' CSP."""
    for _ in range(500):
        if page.evaluate(f"async () => {condition}"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


def seen(page: Page) -> np.ndarray:
    """Return the picture that the page shows as the network's, (28, 28)."""
    levels = "(seen) => [...seen.getContext('2d').getImageData(0, 0, 28, 28).data]"
    return np.array(page.locator("#seen").evaluate(levels)[::4], np.uint8).reshape(28, 28)
