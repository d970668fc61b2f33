"""The page in a real browser: that of the server, and where it says ``either`` the site's, too."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    CDPSession,
    FilePayload,
    Page,
    Response,
    ViewportSize,
    expect,
)

from app import drawing
from app.classifier import Classifier
from bench import strokes
from tests.app.serving import Server
from tests.app.visitor import (
    DIGITS,
    Strokes,
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

LEFT = Image.Transpose.ROTATE_90
# Has the page get a file in an event, as a person gives it.
GIVE = """([way, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], "photo.jpg", { type: "image/jpeg" }));
    document.dispatchEvent(way === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, cancelable: true })
        : new DragEvent("drop", { dataTransfer: data, cancelable: true }));
}"""
PHONE = ViewportSize(width=360, height=740)


@pytest.fixture
def home(page: Page, server: Server) -> Page:
    """Return the server's page on a desktop."""
    page.goto(server.url)
    return page


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    """Return the server's page on a phone."""
    page = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=3)
    complaints = watch(page)
    page.goto(server.url)
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


def check_prediction(page: Page, strokes: Strokes, model: Path) -> int:
    """Draw; check that the page shows what the network predicts for the picture on the page."""
    draw(page, strokes)
    digit = settle(page)
    expected = Classifier(model).probabilities(seen(page))
    bars = page.get_by_role("listitem").evaluate_all(
        "(bars) => bars.map((bar) => Number(bar.style.getPropertyValue('--share')))"
    )
    assert digit == expected.argmax()
    assert bars == pytest.approx(expected.tolist(), abs=1e-4)
    page.keyboard.press("Escape")
    return digit


def test_predicts_every_digit(page: Page, either: str, model: Path) -> None:
    page.goto(either)
    for digit, lines in DIGITS.items():
        assert check_prediction(page, lines, model) == digit


def test_shows_what_other_networks_predict(page: Page, either: str) -> None:
    page.goto(either)
    draw(page, DIGITS[3])
    assert settle(page) == 3
    page.get_by_text("What do other networks predict?").click()
    expect(page.locator("#agreement")).to_have_text("1 of 2 networks predict 3.")
    rows = page.locator("#networks tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("network")
    expect(rows.nth(0)).to_contain_text("L2, dropout")
    expect(rows.nth(1)).to_contain_text("no regularization")
    expect(rows.nth(1).locator("td").nth(3)).to_have_text("7")
    expect(page.locator("#networks .differs")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(rows).to_have_count(0)
    draw(page, DIGITS[7])
    expect(page.locator("#agreement")).to_have_text("2 of 2 networks predict 7.")


@needs_real
def test_shows_the_prediction_of_real_pens(page: Page, either: str, model: Path) -> None:
    page.goto(either)
    for _, lines in real(8):
        check_prediction(page, lines, model)


def test_predicts_within_50_milliseconds(page: Page, either: str) -> None:
    page.goto(either)
    draw(page, DIGITS[1])
    settle(page)
    page.keyboard.press("Escape")
    times = latencies(page, DIGITS[3][0])
    print(f"median {median(times):.1f} ms, worst {max(times):.1f} ms")
    assert median(times) < 50


def test_predicts_while_the_pen_is_down_and_says_so_at_the_end(home: Page) -> None:
    (stroke,) = DIGITS[7]
    press(home, stroke[:3])  # the bar on top
    expect(home.locator("#digit")).to_have_text(re.compile(r"\d"))
    bar = seen(home)
    home.mouse.move(*on_screen(home, stroke[3:4])[0])
    home.mouse.move(*on_screen(home, stroke[4:])[0])
    expect(home.locator("#digit")).to_have_text("7")
    assert (seen(home) != bar).any()
    expect(home.get_by_role("status")).to_have_text("")  # of a screen reader
    home.mouse.up()
    expect(home.get_by_role("status")).to_have_text(re.compile(r"^7, >?\d+\s% sure$"))


def test_shows_what_the_server_answers(home: Page) -> None:
    answers: list[Response] = []
    home.on("response", lambda response: answers.append(response))
    draw(home, DIGITS[2])
    settle(home)
    answer = answers[-1].json()
    assert answers[-1].request.headers["content-type"] == "image/png"
    assert seen(home).ravel().tolist() == answer["pixels"]
    bars = [bar.split() for bar in home.get_by_role("listitem").all_inner_texts()]
    assert [bar[0] for bar in bars] == list("0123456789")
    for bar, probability in zip(bars, answer["probabilities"], strict=True):
        percent = round(100 * probability)
        shown = {0: [], 100: [">99", "%"]}.get(percent, [str(percent), "%"])
        assert bar[1:] == shown
    lengths = home.locator(".track").evaluate_all(
        """(tracks) => tracks.map((track) =>
            new DOMMatrix(getComputedStyle(track, "::before").transform).a)"""
    )
    assert lengths == pytest.approx(answer["probabilities"], abs=0.01)


def test_asks_for_nothing_while_the_paper_is_blank(page: Page, server: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url, wait_until="networkidle")
    expect(page.get_by_text("Draw a digit here")).to_be_visible()
    page.keyboard.press("Backspace")
    page.get_by_role("button", name="Clear").press("Enter")
    page.wait_for_timeout(100)
    assert all(url.startswith(server.url) for url in asked)
    assert not any(url.endswith("/classify") for url in asked)
    draw(page, DIGITS[1])
    expect(page.get_by_text("Draw a digit here")).to_be_hidden()
    settle(page)
    assert any(url.endswith("/classify") for url in asked)


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


def test_asks_one_question_at_a_time_and_ends_with_the_newest(page: Page, server: Server) -> None:
    page.add_init_script(SLOW_FETCH)
    page.goto(server.url)
    draw(page, DIGITS[4])
    assert settle(page) == 4
    assert page.evaluate("[most, asking]") == [1, 0]
    pictures = page.evaluate("sent.map((png) => [...new Uint8Array(png)])")
    assert 2 <= len(pictures) < 20
    newest = Image.open(BytesIO(bytes(pictures[-1])))
    assert newest.size == (100, 100)
    np.testing.assert_array_equal(seen(page), drawing.normalise(newest))


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_photo_is_classified_until_something_is_drawn(page: Page, either: str, way: str) -> None:
    paper = strokes.draw(DIGITS[3], strokes.PLACEMENTS["medium, centred"]).resize((700, 500))
    shadow = np.asarray(paper) * np.linspace(1, 0.4, 700)
    turned, exif = Image.fromarray(shadow.astype(np.uint8)).transpose(LEFT), Image.Exif()
    file, exif[0x112] = BytesIO(), 6  # to be turned to the right
    turned.save(file, "JPEG", exif=exif)
    page.goto(either)
    draw(page, DIGITS[1])
    if way == "choose":
        photo = FilePayload(name="photo.jpg", mimeType="image/jpeg", buffer=file.getvalue())
        page.locator("#photo").set_input_files([photo])
    else:
        page.evaluate(GIVE, [way, list(file.getvalue())])
    expect(page.locator("#digit")).to_have_text("3")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#digit")).to_have_text("?")
    draw(page, DIGITS[7])
    assert settle(page) == 7


def test_a_file_that_is_no_picture_is_refused_in_a_sentence(home: Page) -> None:
    text = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"three")
    home.locator("#photo").set_input_files([text])
    expect(home.get_by_role("alert")).to_have_text(
        "This file is no picture that the browser can show."
    )


def test_an_answer_that_comes_after_the_paper_was_cleared_is_not_shown(
    page: Page, server: Server
) -> None:
    page.add_init_script(SLOW_FETCH)
    page.goto(server.url)
    press(page, DIGITS[4][0][:2])
    page.keyboard.press("Escape")
    page.mouse.up()
    press(page, DIGITS[7][0])
    wait(page, "sent.length === 2")  # the first answer has been read
    expect(page.locator("#digit")).to_have_text("?")
    page.mouse.up()
    assert settle(page) == 7


@pytest.mark.parametrize("way", ["Undo", "Control+z", "Backspace"])
def test_undo_takes_back_stroke_by_stroke(home: Page, way: str) -> None:
    first, second = DIGITS[4]
    draw(home, [first])
    settle(home)
    one = seen(home)
    draw(home, [second])
    assert settle(home) == 4
    assert (seen(home) != one).any()
    use(home, way)
    settle(home)
    np.testing.assert_array_equal(seen(home), one)
    use(home, way)
    expect(home.locator("#digit")).to_have_text("?")
    assert ink(home) == 0


@pytest.mark.parametrize("way", ["Clear", "Escape", "Delete"])
def test_clear_leaves_nothing(home: Page, way: str) -> None:
    draw(home, DIGITS[4])
    settle(home)
    assert ink(home) > 2
    use(home, way)
    assert ink(home) == 0
    expect(home.locator("#digit")).to_have_text("?")
    expect(home.get_by_role("status")).to_have_text("")
    assert not seen(home).any()


def use(page: Page, way: str) -> None:
    """Click a button, or press a key."""
    if way in {"Undo", "Clear"}:
        page.get_by_role("button", name=way).click()
    else:
        page.keyboard.press(way)


def test_the_buttons_work_from_the_keyboard(home: Page) -> None:
    draw(home, DIGITS[4])
    for button, left in (("Undo", True), ("Clear", False)):
        home.keyboard.press("Tab")
        expect(home.get_by_role("button", name=button)).to_be_focused()
        home.keyboard.press("Enter")
        assert (ink(home) > 0) == left


def test_strokes_end_as_they_should(home: Page) -> None:
    home.mouse.click(*on_screen(home, [(0.5, 0.5)])[0])
    settle(home)
    assert 0.25 < ink(home) < 0.4  # a dot: a circle 18/280 across has 0.32 %
    home.keyboard.press("Escape")
    press(home, DIGITS[7][0])
    home.keyboard.press("Control+z")  # in the middle of a stroke
    home.mouse.move(*on_screen(home, [(0.1, 0.9)])[0])
    home.mouse.up()
    assert ink(home) == 0
    press(home, line((0.5, 0.5), (-0.2, 0.5), (-0.2, 0.3), (0.5, 0.3)))  # outside, and back
    back = ink(home)
    press(home, line((0.5, 0.3), (0.5, -0.2)))
    home.mouse.up()
    drawn = ink(home)
    assert 0 < back < drawn
    home.mouse.move(*on_screen(home, [(0.8, 0.8)])[0])
    assert ink(home) == drawn


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
    with_palm = seen(phone)
    phone.get_by_role("button", name="Clear").tap()
    swipe(session, path)
    assert settle(phone) == 7
    np.testing.assert_array_equal(seen(phone), with_palm)


def test_a_palm_that_the_system_recognises_leaves_nothing(phone: Page) -> None:
    session = phone.context.new_cdp_session(phone)
    palm = on_screen(phone, line((0.7, 0.9), (0.9, 0.9)))
    touch(session, "touchStart", palm[0])
    touch(session, "touchMove", palm[-1])
    assert ink(phone) > 0
    touch(session, "touchCancel")
    assert ink(phone) == 0
    swipe(session, palm)  # and the next stroke is drawn
    assert ink(phone) > 0


def test_a_pen_draws(home: Page) -> None:
    session = home.context.new_cdp_session(home)
    path = on_screen(home, DIGITS[0][0])
    kinds = ["mousePressed", *["mouseMoved"] * (len(path) - 2), "mouseReleased"]
    for kind, (x, y) in zip(kinds, path, strict=True):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1}
        session.send("Input.dispatchMouseEvent", {**event, "clickCount": 1, "pointerType": "pen"})
    assert settle(home) == 0


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
        assert len(boxes) == 8
        for box in boxes:
            assert 0 <= box["left"] <= box["right"] <= width, (width, box)
            assert 0 <= box["top"] <= box["bottom"] <= height, (width, box)
        *_, figure, paper, undo, clear, choose, bars = boxes
        assert figure["right"] <= max(paper["right"], bars["right"]) + 1, (width, figure)
        assert min(box[size] for box in (undo, clear, choose) for size in ("width", "height")) >= 44
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
def test_is_legible_in_light_and_dark(home: Page, scheme: Any) -> None:
    home.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    draw(home, DIGITS[0])
    home.emulate_media(color_scheme=scheme)  # the ink on the paper follows
    home.wait_for_timeout(200)
    light = {name: luminance(colour) for name, colour in home.evaluate(COLOURS).items()}
    assert (light["paper"] > 0.5) == (scheme == "light")
    assert contrast(light["ink"], light["paper"]) > 7
    for name in ("text", "muted", "answer"):
        assert contrast(light[name], light["page"]) >= 4.5, name


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


def contrast(one: float, other: float) -> float:
    """Return the contrast of two luminances, 1 to 21, as the WCAG defines it."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_the_docs_describe_the_routes(page: Page, server: Server) -> None:
    page.goto(f"{server.url}docs")
    for route in ("POST /classify", "POST /compare", "GET /healthz", "GET /metrics"):
        expect(page.get_by_role("heading", name=route)).to_be_visible()


def test_no_script_or_style_of_others_can_run(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    complaints = watch(page)
    page.goto(server.url)
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
    browser: Browser, model: Path
) -> None:
    page = browser.new_page()
    with Server(model) as server:
        page.goto(server.url)
        draw(page, DIGITS[7])
        assert settle(page) == 7
        page.keyboard.press("Escape")
    draw(page, DIGITS[0])
    problem = page.get_by_role("alert")
    expect(problem).to_have_text("The server does not answer. Trying again …")
    with Server(model, "--port", str(server.port)):
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
    browser: Browser, server: Server, body: Any, sentence: str
) -> None:
    page = browser.new_page()
    page.goto(server.url)
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
