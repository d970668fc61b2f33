"""Take the README's picture of the page in use: python -m tests.app.picture."""

from playwright.sync_api import expect, sync_playwright

from app.classifier import MODEL
from tests.app.serving import Server
from tests.app.visitor import CHROMIUM, draw, line, visit
from tests.workspace import ROOT

if __name__ == "__main__":
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(**CHROMIUM) as browser,
        Server(ROOT / MODEL) as server,
        visit(browser, viewport={"width": 820, "height": 560}, color_scheme="light") as page,
    ):
        page.goto(server.url)
        page.get_by_text("What do other networks predict?").click()
        draw(page, [line((0.36, 0.4), (0.55, 0.2), (0.55, 0.8))])  # networks disagree on it
        expect(page.locator("#agreement")).to_contain_text("predict 1")
        page.screenshot(path=ROOT / "docs/app.png", full_page=True)
