"""The page of the server, in a real browser."""

import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, Response, ViewportSize, expect

from app import drawing
from app.classifier import Classifier
from tests.app.serving import Server
from tests.app.visitor import (
    DIGITS,
    draw,
    latencies,
    line,
    needs_real,
    on_screen,
    press,
    real,
    seen,
    settle,
    wait,
    watch,
)

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=360, height=740)


@pytest.fixture(scope="module")
def address(reader: Path) -> Iterator[str]:
    """Return the address of a server whose network reads clear digits."""
    with Server(reader) as server:
        yield server.url
    assert "Traceback" not in server.complaints


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    """Return the page on a phone."""
    page = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=3)
    complaints = watch(page)
    page.goto(address)
    yield page
    page.context.close()
    assert complaints == []


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """Have one finger for each point do something: touchStart, touchMove or touchEnd."""
    fingers = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def swipe(session: CDPSession, path: list[tuple[float, float]]) -> None:
    """Move a finger along a path."""
    touch(session, "touchStart", path[0])
    for point in path[1:]:
        touch(session, "touchMove", point)
    touch(session, "touchEnd")


def ink(page: Page) -> float:
    """Return how much of the paper is covered, in percent."""
    covered: float = page.evaluate(
        """() => {
            const pad = document.getElementById("pad");
            const { data } = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height);
            return data.filter((value, at) => at % 4 === 3 && value > 127).length / data.length;
        }"""
    )
    return 400 * covered


def test_reads_every_digit(page: Page, address: str) -> None:
    page.goto(address)
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        expect(page.locator("#digit")).to_have_text(str(digit))
        page.get_by_role("button", name="Clear").click()


@needs_real
def test_reads_real_pens(page: Page, address: str, reader: Path) -> None:
    page.goto(address)
    classifier = Classifier(reader)
    right = 0
    for label, strokes in real(10):
        draw(page, strokes)
        digit = settle(page)
        assert digit == classifier.probabilities(seen(page)).argmax()
        right += digit == label
        page.keyboard.press("Escape")
    assert right >= 6  # of 10; all the network knows are scikit-learn's digits


def test_reads_while_the_pen_is_down(page: Page, address: str) -> None:
    page.goto(address)
    (stroke,) = DIGITS[7]
    press(page, stroke[:3])  # the bar on top
    expect(page.locator("#digit")).to_have_text(re.compile(r"\d"))
    bar = seen(page)
    page.mouse.up()
    press(page, stroke[2:])
    expect(page.locator("#digit")).to_have_text("7")
    assert (seen(page) != bar).any()
    page.mouse.up()


def test_a_screen_reader_hears_only_finished_strokes(page: Page, address: str) -> None:
    page.goto(address)
    press(page, DIGITS[7][0])
    expect(page.locator("#digit")).to_have_text("7")
    expect(page.get_by_role("status")).to_have_text("")
    page.mouse.up()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^7, >?\d+\s% sure$"))


def test_reads_within_50_milliseconds(page: Page, address: str) -> None:
    page.goto(address)
    times = latencies(page, DIGITS[3][0])
    print(f"median {median(times):.1f} ms, worst {max(times):.1f} ms")
    assert median(times) < 50


def test_shows_what_the_server_answers(page: Page, address: str) -> None:
    answers: list[Response] = []
    page.goto(address)
    page.on("response", lambda response: answers.append(response))
    draw(page, DIGITS[2])
    settle(page)
    answer = answers[-1].json()
    assert answers[-1].request.headers["content-type"] == "image/png"
    assert seen(page).ravel().tolist() == answer["pixels"]
    bars = [bar.split() for bar in page.get_by_role("listitem").all_inner_texts()]
    assert [bar[0] for bar in bars] == list("0123456789")
    for bar, probability in zip(bars, answer["probabilities"], strict=True):
        percent = round(100 * probability)
        shown = {0: [], 100: [">99", "%"]}.get(percent, [str(percent), "%"])
        assert bar[1:] == shown
    lengths = page.locator(".track").evaluate_all(
        """(tracks) => tracks.map((track) =>
            new DOMMatrix(getComputedStyle(track, "::before").transform).a)"""
    )
    assert lengths == pytest.approx(answer["probabilities"], abs=0.01)


def test_asks_for_nothing_while_the_paper_is_blank(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, wait_until="networkidle")
    expect(page.get_by_text("Draw a digit here")).to_be_visible()
    expect(page.locator("#digit")).to_have_text("?")
    assert all(url.startswith(address) for url in asked)
    assert not any(url.endswith("/classify") for url in asked)
    page.keyboard.press("Backspace")
    page.get_by_role("button", name="Clear").press("Enter")
    page.wait_for_timeout(100)
    assert not any(url.endswith("/classify") for url in asked)
    draw(page, DIGITS[1])
    expect(page.get_by_text("Draw a digit here")).to_be_hidden()
    settle(page)
    assert any(url.endswith("/classify") for url in asked)


def test_asks_one_question_at_a_time_and_ends_with_the_newest(page: Page, address: str) -> None:
    page.add_init_script(SLOW_FETCH)
    page.goto(address)
    draw(page, DIGITS[4])
    page.wait_for_timeout(1000)
    assert page.evaluate("[most, asking]") == [1, 0]
    pictures = page.evaluate("sent.map((png) => [...png])")
    assert 2 <= len(pictures) < 20
    newest = Image.open(BytesIO(bytes(pictures[-1])))
    assert (newest.size, newest.mode) == ((100, 100), "L")
    np.testing.assert_array_equal(seen(page), drawing.normalise(newest))
    assert settle(page) == 4


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (100, 100), (3, 400)])
def test_a_png_holds_the_grey_levels_of_its_canvas(
    page: Page, address: str, width: int, height: int
) -> None:
    page.goto(address)
    levels = np.random.default_rng(width).integers(0, 256, (height, width), dtype=np.uint8)
    png = page.evaluate(
        """async ([width, height, levels]) => {
            const { greyPng } = await import("/static/png.js");
            const canvas = Object.assign(document.createElement("canvas"), { width, height });
            const rgba = levels.flatMap((level) => [level, level, level, 255]);
            const image = new ImageData(Uint8ClampedArray.from(rgba), width, height);
            canvas.getContext("2d").putImageData(image, 0, 0);
            return [...await greyPng(canvas)];
        }""",
        [width, height, levels.ravel().tolist()],
    )
    picture = Image.open(BytesIO(bytes(png)))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), levels)


def test_an_answer_that_comes_after_the_paper_was_cleared_is_not_shown(
    page: Page, address: str
) -> None:
    page.add_init_script(SLOW_FETCH)
    page.goto(address)
    press(page, DIGITS[4][0][:2])
    page.keyboard.press("Escape")
    page.mouse.up()
    press(page, DIGITS[7][0])
    wait(page, "sent.length === 2")  # the first answer has been read
    expect(page.locator("#digit")).to_have_text("?")
    page.mouse.up()
    assert settle(page) == 7
    draw(page, DIGITS[1])
    page.keyboard.press("Escape")
    wait(page, "asking === 0")
    expect(page.locator("#digit")).to_have_text("?")


SLOW_FETCH = """
    window.asking = window.most = 0;
    window.sent = [];
    const send = window.fetch;
    window.fetch = async (address, request) => {
        most = Math.max(most, ++asking);
        sent.push(request.body);
        await new Promise((resume) => setTimeout(resume, 300));
        try { return await send(address, request); } finally { asking--; }
    };
"""


def test_undo_takes_back_stroke_by_stroke(page: Page, address: str) -> None:
    page.goto(address)
    first, second = DIGITS[4]
    draw(page, [first])
    settle(page)
    one = seen(page)
    ways: list[Callable[[], None]] = [
        page.get_by_role("button", name="Undo").click,
        lambda: page.keyboard.press("Control+z"),
        lambda: page.keyboard.press("Backspace"),
    ]
    for undo in ways:
        draw(page, [second])
        assert settle(page) == 4
        assert (seen(page) != one).any()
        undo()
        settle(page)
        np.testing.assert_array_equal(seen(page), one)
    page.keyboard.press("Control+z")
    expect(page.locator("#digit")).to_have_text("?")
    assert ink(page) == 0


def test_undo_in_the_middle_of_a_stroke_ends_it(page: Page, address: str) -> None:
    page.goto(address)
    press(page, DIGITS[7][0])
    page.keyboard.press("Control+z")
    page.mouse.move(*on_screen(page, [(0.1, 0.9)])[0])
    page.mouse.up()
    assert ink(page) == 0
    expect(page.get_by_text("Draw a digit here")).to_be_visible()


def test_a_stroke_goes_on_and_ends_outside_the_paper(page: Page, address: str) -> None:
    page.goto(address)
    press(page, line((0.5, 0.5), (-0.2, 0.5), (-0.2, 0.3), (0.5, 0.3)))
    back = ink(page)
    press(page, line((0.5, 0.3), (0.5, -0.2)))
    page.mouse.up()
    drawn = ink(page)
    assert 0 < back < drawn
    page.mouse.move(*on_screen(page, [(0.8, 0.8)])[0])
    assert ink(page) == drawn


def test_clear_leaves_nothing(page: Page, address: str) -> None:
    page.goto(address)
    ways: list[Callable[[], None]] = [
        page.get_by_role("button", name="Clear").click,
        lambda: page.keyboard.press("Escape"),
        lambda: page.keyboard.press("Delete"),
    ]
    for clear in ways:
        draw(page, DIGITS[4])
        settle(page)
        assert ink(page) > 2
        clear()
        assert ink(page) == 0
        expect(page.locator("#digit")).to_have_text("?")
        expect(page.get_by_role("status")).to_have_text("")
        assert not seen(page).any()


def test_the_buttons_work_from_the_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    draw(page, DIGITS[4])
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Clear")).to_be_focused()
    assert ink(page) > 2
    page.keyboard.press("Space")
    assert ink(page) == 0


def test_a_dot_is_a_drawing(page: Page, address: str) -> None:
    page.goto(address)
    page.mouse.click(*on_screen(page, [(0.5, 0.5)])[0])
    settle(page)
    assert 0.25 < ink(page) < 0.4  # a circle 18/280 across has 0.32 %


def test_a_finger_draws_and_the_page_stays(phone: Page) -> None:
    phone.set_viewport_size({"width": 360, "height": 560})
    session = phone.context.new_cdp_session(phone)
    swipe(session, on_screen(phone, DIGITS[1][0][::-1]))  # upwards, as if to scroll
    assert settle(phone) == 1
    assert phone.evaluate("scrollY") == 0
    bars = phone.locator("#bars").bounding_box()
    assert bars
    swipe(session, [(180, bars["y"] + 30 - 20 * step) for step in range(10)])
    phone.wait_for_timeout(300)
    assert phone.evaluate("scrollY") > 0  # elsewhere it does scroll


def test_a_second_finger_does_not_disturb(phone: Page) -> None:
    session = phone.context.new_cdp_session(phone)
    path = on_screen(phone, DIGITS[7][0])
    (palm,) = on_screen(phone, [(0.9, 0.95)])
    touch(session, "touchStart", path[0])
    touch(session, "touchStart", path[0], palm)
    for x, y in path[1:]:
        touch(session, "touchMove", (x, y), (palm[0] - 3, palm[1]))
    touch(session, "touchEnd")
    assert settle(phone) == 7
    page_without_palm = seen(phone)
    phone.get_by_role("button", name="Clear").tap()
    swipe(session, path)
    assert settle(phone) == 7
    np.testing.assert_array_equal(seen(phone), page_without_palm)


def test_a_palm_that_the_system_recognises_leaves_nothing(phone: Page) -> None:
    session = phone.context.new_cdp_session(phone)
    swipe(session, on_screen(phone, DIGITS[1][0]))
    assert settle(phone) == 1
    before = ink(phone)
    palm = on_screen(phone, line((0.7, 0.9), (0.9, 0.9)))
    touch(session, "touchStart", palm[0])
    touch(session, "touchMove", palm[-1])
    assert ink(phone) > before
    touch(session, "touchCancel")
    assert ink(phone) == before
    swipe(session, palm)  # and the next stroke is drawn
    assert ink(phone) > before


def test_a_pen_draws(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate(
        """() => {
            const note = (event) => { window.kind = event.pointerType; };
            document.getElementById("pad").addEventListener("pointermove", note);
        }"""
    )
    session = page.context.new_cdp_session(page)
    path = on_screen(page, DIGITS[0][0])
    kinds = ["mousePressed", *["mouseMoved"] * (len(path) - 2), "mouseReleased"]
    for kind, (x, y) in zip(kinds, path, strict=True):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1}
        session.send("Input.dispatchMouseEvent", {**event, "clickCount": 1, "pointerType": "pen"})
    assert settle(page) == 0
    assert page.evaluate("kind") == "pen"


def test_every_screen_shows_all_of_it_without_scrolling(phone: Page) -> None:
    draw(phone, DIGITS[3])
    assert settle(phone) == 3
    for width, height in (
        (320, 568), (360, 740), (740, 360), (640, 600), (768, 1024), (1280, 800), (1920, 1080),
    ):  # fmt: skip
        phone.set_viewport_size({"width": width, "height": height})
        assert phone.evaluate("document.documentElement.scrollWidth") == width
        boxes = phone.locator("#digit, #certainty, figure, #pad, button, #bars").evaluate_all(
            "(parts) => parts.map((part) => part.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == 7
        for box in boxes:
            assert 0 <= box["left"] <= box["right"] <= width, (width, box)
            assert 0 <= box["top"] <= box["bottom"] <= height, (width, box)
        *_, figure, paper, undo, clear, bars = boxes
        assert figure["right"] <= max(paper["right"], bars["right"]) + 1, (width, figure)
        assert min(undo["width"], undo["height"], clear["width"], clear["height"]) >= 44
        sizes = phone.locator("main *").evaluate_all(
            "(parts) => parts.map((part) => parseFloat(getComputedStyle(part).fontSize))"
        )
        assert min(sizes) >= 11


def test_the_drawing_is_as_sharp_as_the_screen(phone: Page) -> None:
    draw(phone, DIGITS[8])
    box = phone.locator("#pad").bounding_box()
    assert box
    assert phone.evaluate("document.getElementById('pad').width") == round(3 * box["width"])
    before = ink(phone)
    phone.set_viewport_size({"width": 740, "height": 360})
    expect(phone.locator("#pad")).not_to_have_attribute("width", str(round(3 * box["width"])))
    assert ink(phone) == pytest.approx(before, rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_legible_in_light_and_dark(page: Page, address: str, scheme: Any) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    page.goto(address)
    draw(page, DIGITS[0])
    page.emulate_media(color_scheme=scheme)  # the ink on the paper follows
    page.wait_for_timeout(200)
    colours = page.evaluate(COLOURS)
    assert (luminance(colours["paper"]) > 0.5) == (scheme == "light")
    assert contrast(colours["ink"], colours["paper"]) > 7
    for name in ("text", "muted", "answer"):
        assert contrast(colours[name], colours["page"]) >= 4.5, name


COLOURS = """() => {
    const style = (selector) => getComputedStyle(document.querySelector(selector));
    const pad = document.getElementById("pad");
    const { data } = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height);
    const inked = data.findIndex((value, at) => at % 4 === 3 && value === 255) - 3;
    const rgb = (colour) => colour.match(/\\d+/g).slice(0, 3).map(Number);
    return {
        ink: [...data.slice(inked, inked + 3)],
        paper: rgb(style(".paper").backgroundColor),
        page: rgb(style("body").backgroundColor),
        text: rgb(style("h1").color),
        muted: rgb(style("#certainty").color),
        answer: rgb(style("#digit").color),
    };
}"""


def luminance(colour: list[int]) -> float:
    """Return the relative luminance of a colour, 0 to 1, as the WCAG defines it."""
    levels = np.array(colour) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast of two colours, 1 to 21, as the WCAG defines it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_no_script_or_style_of_others_can_run(browser: Browser, address: str) -> None:
    page = browser.new_page()
    complaints = watch(page)
    page.goto(address)
    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true;";
            const style = document.createElement("style");
            style.textContent = "body { display: none; }";
            document.head.append(script, style);
            return [window.ran === true, getComputedStyle(document.body).display];
        }"""
    )
    page.context.close()
    assert ran == [False, "grid"]
    assert len(complaints) == 2


def test_says_so_when_the_server_is_gone_and_goes_on_when_it_is_back(
    browser: Browser, reader: Path
) -> None:
    with Server(reader) as server:
        page = browser.new_page()
        page.goto(server.url)
        draw(page, DIGITS[7])
        assert settle(page) == 7
        page.keyboard.press("Escape")
    draw(page, DIGITS[0])
    problem = page.get_by_role("alert")
    expect(problem).to_have_text("The server does not answer. Trying again …")
    with Server(reader, "--port", str(server.port)):
        expect(page.locator("#digit")).to_have_text("0")
        expect(problem).to_have_text("")
    page.context.close()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"detail": "Come back tomorrow."}, "Come back tomorrow."),
        ({"oops": 1}, "The drawing could not be classified. Trying again …"),
    ],
)
def test_says_so_when_the_server_refuses(
    browser: Browser, address: str, body: Any, sentence: str
) -> None:
    page = browser.new_page()
    page.goto(address)
    draw(page, DIGITS[1])
    assert settle(page) == 1
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route("**/classify", lambda route: route.fulfill(status=503, body=json.dumps(body)))
    draw(page, DIGITS[0])
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.locator("#digit")).to_have_text("?")  # no longer 1, which was another drawing
    page.wait_for_timeout(500)
    assert len(asked) < 4  # it waits between its tries
    page.keyboard.press("Escape")
    page.unroute("**/classify")
    draw(page, DIGITS[7])
    expect(page.locator("#digit")).to_have_text("7")
    expect(page.get_by_role("alert")).to_have_text("")
    page.context.close()
