"""The page in a real browser: that of the server, and where it says ``either`` the site's, too."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, CDPSession, FilePayload, Page, Route, expect

from app import drawing
from app.classifier import Classifier
from bench import photos, strokes
from bench.server_hostile import encoded
from tests.app.serving import Server
from tests.app.visitor import DIGITS, draw, line, on_screen, press, seen, settle, visit, wait

pytestmark = pytest.mark.browser

PLACE = strokes.PLACEMENTS["medium, centred"]
OTHERS = "What do other networks predict?"
SLOW = Path(__file__).with_name("slow.js")
GIVE = SLOW.with_name("give.js").read_text()


@pytest.fixture
def home(page: Page, server: Server) -> Page:
    page.goto(server.url)
    return page


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    phone = {"is_mobile": True, "has_touch": True, "device_scale_factor": 3}
    with visit(browser, viewport={"width": 360, "height": 560}, **phone) as page:
        page.goto(server.url)
        yield page


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """Have one finger for each point do something: touchStart, touchMove or touchEnd."""
    fingers = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def swipe(session: CDPSession, path: list[tuple[float, float]]) -> None:
    touch(session, "touchStart", path[0])
    for point in path[1:]:
        touch(session, "touchMove", point)
    touch(session, "touchEnd")


def ink(page: Page) -> float:
    """Return how much of the paper is covered, in percent."""
    share = """(pad) => pad.getContext("2d").getImageData(0, 0, pad.width, pad.height).data
        .filter((value, at) => at % 4 === 3 && value > 127).length / pad.width / pad.height"""
    return 100 * float(page.locator("#pad").evaluate(share))


def test_shows_what_the_networks_predict(page: Page, either: str, model: Path) -> None:
    page.goto(either)
    classifier = Classifier(model)
    for number, lines in enumerate((*DIGITS.values(), DIGITS[4][:1])):  # half a 4 is anything
        draw(page, lines)
        digit = settle(page)
        assert digit == number or number == 10
        expected = classifier.probabilities(seen(page)).tolist()
        assert expected[digit] == max(expected)
        lengths = page.locator(".track").evaluate_all(
            """(tracks) => tracks.map((track) =>
                new DOMMatrix(getComputedStyle(track, "::before").transform).a)"""
        )
        assert lengths == pytest.approx(expected, abs=0.01)
        bars = [bar.split() for bar in page.get_by_role("listitem").all_inner_texts()]
        for at, (length, bar) in enumerate(zip(lengths, bars, strict=True)):
            percent = int(100 * length + 0.5)
            shown = {0: [], 100: [">99", "%"]}.get(percent, [str(percent), "%"])
            assert bar == [str(at), *shown]
        page.keyboard.press("Escape")
    page.get_by_text(OTHERS).click()
    agreement, rows = page.locator("#agreement"), page.locator("#networks tr")
    draw(page, DIGITS[3])
    expect(agreement).to_have_text("1 of 2 networks predict 3.")
    expect(rows).to_contain_text(["networkL2, dropout", re.compile("sevensnone of these.*7")])
    expect(page.locator("#networks .differs")).to_contain_text("≠\u202f7")
    page.keyboard.press("Escape")
    expect(rows).to_have_count(0)
    draw(page, DIGITS[7])
    expect(agreement).to_have_text("2 of 2 networks predict 7.")


def test_predicts_while_the_pen_is_down_and_says_so_at_the_end(home: Page) -> None:
    (stroke,) = DIGITS[7]
    home.get_by_text(OTHERS).click()
    press(home, stroke[:3])  # the bar on top
    expect(home.locator("#digit")).to_have_text(re.compile(r"\d"))
    bar = seen(home)
    home.mouse.move(*on_screen(home, stroke[3:4])[0])
    home.mouse.move(*on_screen(home, stroke[4:])[0])
    expect(home.locator("#digit")).to_have_text("7")
    assert (seen(home) != bar).any()
    expect(home.locator("tr")).to_have_count(3)
    expect(home.locator("[role=status]")).to_have_text(["", ""])  # of a screen reader
    home.mouse.up()
    expect(home.locator("#status")).to_have_text(re.compile(r"^7, >?\d+\s% sure$"))
    expect(home.locator("#agreement")).to_have_text("2 of 2 networks predict 7.")


def test_asks_one_thing_at_a_time_and_shows_the_newest_answer(page: Page, server: Server) -> None:
    page.add_init_script(path=SLOW)
    page.goto(server.url)
    expect(page.get_by_text("Draw a digit here")).to_be_visible()
    page.keyboard.press("Backspace")
    page.get_by_role("button", name="Clear").press("Enter")
    page.wait_for_timeout(100)
    assert page.evaluate("sent") == []  # while the paper is blank
    draw(page, DIGITS[4])
    assert settle(page) == 4
    expect(page.get_by_text("Draw a digit here")).to_be_hidden()
    assert page.evaluate("[most, asking]") == [1, 0]
    pictures = page.evaluate("sent.splice(0).map((png) => [...new Uint8Array(png)])")
    assert 2 <= len(pictures) < 20
    newest = Image.open(BytesIO(bytes(pictures[-1])))
    assert newest.size == (100, 100)
    np.testing.assert_array_equal(seen(page), drawing.normalize(newest))
    page.keyboard.press("Escape")
    press(page, DIGITS[4][0][:2])
    page.keyboard.press("Escape")  # before the answer comes
    page.mouse.up()
    press(page, DIGITS[7][0])
    wait(page, "sent.length === 2")  # the first answer has been received
    expect(page.locator("#digit")).to_have_text("?")
    page.mouse.up()
    assert settle(page) == 7


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_photo_is_classified_until_something_is_drawn(page: Page, either: str, way: str) -> None:
    digit = drawing.normalize(strokes.draw(DIGITS[3], PLACE))
    photo = photos.photograph(digit[None], "turned", np.random.default_rng(0))
    page.goto(either)
    draw(page, DIGITS[1])
    if way == "choose":
        picker = page.locator("#photo")
        picker.set_input_files([FilePayload(name="a", mimeType="image/jpeg", buffer=b"three")])
        sentence = "This file is no picture that the browser can show."
        expect(page.get_by_role("alert")).to_have_text(sentence)
        picker.set_input_files([FilePayload(name="a", mimeType="image/jpeg", buffer=photo)])
    else:
        page.evaluate(GIVE, [way, list(photo)])
    expect(page.locator("#digit")).to_have_text("3")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#digit")).to_have_text("?")
    draw(page, DIGITS[7])
    assert settle(page) == 7


def test_the_photo_that_is_given_last_is_shown_on_white(page: Page, server: Server) -> None:
    page.add_init_script(path=SLOW)
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    for digit in (3, 7):
        photo = Image.new("LA", (100, 100))  # black ink on nothing
        photo.putalpha(ImageOps.invert(strokes.draw(DIGITS[digit], PLACE)))
        page.evaluate(GIVE, ["drop", list(encoded(photo))])
    page.wait_for_timeout(1500)
    assert settle(page) == 7
    corner = "(pad) => [...pad.getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert page.locator("#pad").evaluate(corner) == [255, 255, 255, 255]


@pytest.mark.parametrize("ways", ["Control+z, Escape", "Backspace, Delete", "Tab Enter, Tab Enter"])
def test_strokes_are_taken_back_one_by_one_or_all(home: Page, ways: str) -> None:
    def use(keys: str) -> None:
        for key in keys.split():
            home.keyboard.press(key)

    undo, clear = ways.split(",")
    first, second = DIGITS[4]
    draw(home, [first])
    settle(home)
    one = seen(home)
    draw(home, [second])
    assert settle(home) == 4
    assert (seen(home) != one).any()
    use(undo)
    settle(home)
    np.testing.assert_array_equal(seen(home), one)
    assert ink(home) > 1
    use(clear)
    assert ink(home) == 0
    expect(home.locator("#digit")).to_have_text("?")
    expect(home.get_by_role("status")).to_have_text("")
    assert not seen(home).any()


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
    session = phone.context.new_cdp_session(phone)
    swipe(session, on_screen(phone, DIGITS[1][0][::-1]))  # upwards, as if to scroll
    assert settle(phone) == 1
    assert phone.evaluate("scrollY") == 0
    bars = phone.locator("#bars").bounding_box()
    assert bars
    swipe(session, [(180, bars["y"] + 30 - 20 * step) for step in range(10)])
    phone.wait_for_timeout(300)
    assert phone.evaluate("scrollY") > 0  # elsewhere it does scroll


def test_a_palm_leaves_nothing(phone: Page) -> None:
    session = phone.context.new_cdp_session(phone)
    path = on_screen(phone, DIGITS[7][0])
    palm, end = on_screen(phone, [(0.9, 0.95), (0.7, 0.9)])
    touch(session, "touchStart", path[0])
    touch(session, "touchStart", path[0], palm)  # a second finger
    for x, y in path[1:]:
        touch(session, "touchMove", (x, y), (palm[0] - 3, palm[1]))
    touch(session, "touchEnd")
    assert settle(phone) == 7
    with_palm = seen(phone)
    phone.get_by_role("button", name="Clear").tap()
    touch(session, "touchStart", palm)
    touch(session, "touchMove", end)
    assert ink(phone) > 0
    touch(session, "touchCancel")  # the system has recognized it
    assert ink(phone) == 0
    swipe(session, path)
    assert settle(phone) == 7
    np.testing.assert_array_equal(seen(phone), with_palm)


def test_every_screen_shows_all_of_it_sharply_without_scrolling(phone: Page) -> None:
    draw(phone, DIGITS[3])
    assert settle(phone) == 3
    covered = ink(phone)
    for width, height in (
        (320, 568), (360, 740), (740, 360), (640, 600), (768, 1024), (1280, 800), (1920, 1080),
    ):  # fmt: skip
        phone.set_viewport_size({"width": width, "height": height})
        assert phone.evaluate("document.documentElement.scrollWidth") == width
        parts = phone.locator("#digit, #certainty, figure, #pad, button, #bars")
        boxes = parts.evaluate_all("(all) => all.map((a) => a.getBoundingClientRect().toJSON())")
        for box in boxes:
            assert 0 <= box["left"] <= box["right"] <= width, (width, box)
            assert 0 <= box["top"] <= box["bottom"] <= height, (width, box)
        *_, figure, paper, undo, clear, choose, bars = boxes
        assert figure["right"] <= max(paper["right"], bars["right"]) + 1, (width, figure)
        assert min(box[size] for box in (undo, clear, choose) for size in ("width", "height")) >= 44
        sizes = "(all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize))"
        assert min(phone.locator("main *").evaluate_all(sizes)) >= 11
        if width == 360:  # a pixel of the drawing is one of the screen
            pixels = str(round(3 * paper["width"]))
            expect(phone.locator("#pad")).to_have_attribute("width", pixels)
        assert ink(phone) == pytest.approx(covered, rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_legible_in_light_and_dark(home: Page, scheme: Any) -> None:
    home.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    draw(home, DIGITS[0])
    home.emulate_media(color_scheme=scheme)  # the ink on the paper follows
    home.wait_for_timeout(200)
    for selector, least in (("#pad", 7), ("h1", 4.5), ("#certainty", 4.5), ("#digit", 4.5)):
        shot = Image.open(BytesIO(home.locator(selector).screenshot()))
        levels = np.asarray(shot.convert("RGB")) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]  # WCAG's relative luminance
        assert (np.median(luminance) > 0.5) == (scheme == "light")
        assert (luminance.max() + 0.05) / (luminance.min() + 0.05) >= least


def test_the_docs_describe_the_routes(page: Page, server: Server) -> None:
    page.goto(f"{server.url}docs")
    for route in ("POST /classify", "POST /compare", "GET /healthz", "GET /metrics"):
        expect(page.get_by_role("heading", name=route)).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("undefined")


def test_says_so_when_the_browser_is_too_old(page: Page, either: str) -> None:
    page.add_init_script("delete AbortSignal.timeout; WebAssembly.validate = () => false;")
    page.goto(either)
    expect(page.get_by_role("alert")).to_contain_text("This browser cannot run the page.")
    draw(page, DIGITS[1])
    expect(page.locator("#digit")).to_have_text("?")


def test_says_so_when_the_server_refuses_and_goes_on_later(browser: Browser, model: Path) -> None:
    page = browser.new_page()
    digit, problem = page.locator("#digit"), page.get_by_role("alert")
    with Server(model) as server:
        page.goto(server.url)
    draw(page, DIGITS[0])
    expect(problem).to_have_text("The server does not answer. Trying again …")
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=503, json={"detail": "Come back tomorrow."})

    with Server(model, "--port", server.port):
        expect(digit).to_have_text("0")
        expect(problem).to_have_text("")
        page.route("**/classify", refuse)
        draw(page, DIGITS[0])
        expect(problem).to_have_text("Come back tomorrow.")
        expect(digit).to_have_text("?")  # no longer that of another drawing
        page.wait_for_timeout(500)
        assert len(asked) < 4  # it waits between its tries
        page.unroute("**/classify")
        expect(digit).to_have_text("0")
        expect(problem).to_have_text("")
        page.route("**/compare", refuse)
        page.get_by_text(OTHERS).click()
        expect(page.locator("#agreement")).to_have_text("Come back tomorrow.")
        expect(digit).to_have_text("0")
        expect(problem).to_have_text("")
        page.unroute("**/compare")
        expect(page.locator("#agreement")).to_have_text("1 of 2 networks predict 0.")
        page.close()
