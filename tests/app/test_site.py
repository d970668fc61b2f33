"""The static site: how it is built, and that it reads digits with and without a network."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app.classifier import Classifier
from app.site.build import add_service_worker, build, find_files
from digits.errors import PipelineError
from digits.io import read_json
from tests.app.serving import ROOT
from tests.app.visitor import (
    ALL_OVER,
    CHROMIUM,
    DIGITS,
    draw,
    latencies,
    needs_real,
    real,
    seen,
    settle,
    wait,
    watch,
)

OFFLINE = "Works offline, too."
FULL = "There is no digit on the paper, only ink."


@pytest.fixture(scope="module")
def site(reader: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site with a network that reads clear digits."""
    if not shutil.which("npm") and "CI" not in os.environ:
        pytest.skip("there is no npm on the PATH")
    folder = tmp_path_factory.mktemp("built") / "site"
    build(reader / "float32.tflite", folder)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosted(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder as any web server would; gives the address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with hosted(site) as address:
        yield address


def site_command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    command = [sys.executable, "-m", "app.site", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def visit(context: BrowserContext, address: str) -> Page:
    """Open the site, and wait until it is on the device."""
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    return page


def stored(page: Page) -> list[str]:
    """Return the names of the caches on the device."""
    names: list[str] = page.evaluate("caches.keys()")
    return names


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in find_files(folder)}


# ---- how it is built


def test_has_what_it_needs_and_no_more(site: Path) -> None:
    files = {path.relative_to(site).as_posix() for path in find_files(site)}
    assert {"index.html", "service-worker.js", "manifest.webmanifest", "float32.tflite"} <= files
    assert {"litert/litert-license.txt", "static/local.js", "static/drawing.js"} <= files
    assert "static/server.js" not in files
    assert [name for name in files if name.endswith(".wasm")] == [
        "litert/litert_wasm_compat_internal.wasm"
    ]
    texts = [path for path in find_files(site) if path.suffix in {".html", ".css", ".webmanifest"}]
    assert not [path for path in texts if "//" in path.read_text().replace("</", "")]


def test_the_service_worker_keeps_every_file(site: Path) -> None:
    files = {path.relative_to(site).as_posix() for path in find_files(site)}
    source = (site / "service-worker.js").read_text()
    listed = set(re.findall(r'^ +"(.+)": "sha256-', source, re.MULTILINE))
    assert listed == files - {"service-worker.js", "index.html"} | {"./"}


def test_the_icons_are_what_the_manifest_says(site: Path) -> None:
    manifest = read_json(site / "manifest.webmanifest")
    purposes = set()
    for icon in manifest["icons"]:
        with Image.open(site / icon["src"]) as image:
            size = int(icon["sizes"].split("x")[0])
            assert image.size == (size, size)
            corner, colour = image.getpixel((0, 0)), image.getpixel((size // 2, size // 8))
            assert colour == (0x3D, 0x4F, 0xD6, 255)
            assert corner == (colour if icon.get("purpose") == "maskable" else (0, 0, 0, 0))
            white = image.getpixel((size // 2, int(0.3 * size)))
            assert white == (255, 255, 255, 255)
        purposes.add((size, icon.get("purpose", "any")))
    assert purposes == {(192, "any"), (512, "any"), (512, "maskable")}


def test_says_how_large_it_is_and_how_to_serve_it(reader: Path, tmp_path: Path) -> None:
    done = site_command(tmp_path / "site", "--model", reader)
    assert done.stderr == ""
    assert re.search(r"site: \d+\.\d MB", done.stdout)
    assert f"python -m http.server --bind 127.0.0.1 --directory {tmp_path}/site" in done.stdout
    assert (tmp_path / "site/index.html").is_file()


def test_without_a_network_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = site_command(tmp_path / "site", "--model", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"site: {tmp_path}/float32.tflite is missing; `make site`")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_npm_it_says_what_to_install(reader: Path, tmp_path: Path) -> None:
    done = site_command(tmp_path / "site", "--model", reader, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == (
        "site: npm is missing, which brings LiteRT for the web; install Node.js\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_a_registry_it_says_what_npm_said(reader: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(shutil.which('npm') or '').parent}:/usr/bin:/bin",
        "npm_config_registry": "http://127.0.0.1:9/",
        "npm_config_cache": str(tmp_path / "cache"),
        "npm_config_fetch_retries": "0",
    }
    done = site_command(tmp_path / "site", "--model", reader, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("site: `npm ci` could not install LiteRT for the web: npm error")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_replaces_an_older_site_and_the_same_files_make_the_same_site(
    reader: Path, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "service-worker.js").write_text("// an older one's")
    (tmp_path / "static/left-over.txt").touch()
    build(reader / "float32.tflite", tmp_path)
    assert contents(tmp_path) == contents(site)


def test_replaces_nothing_but_a_site(reader: Path, tmp_path: Path) -> None:
    novel = tmp_path / "documents/novel.txt"
    novel.parent.mkdir()
    novel.write_text("Once upon a time")
    with pytest.raises(PipelineError, match="documents is there and is no site"):
        build(reader / "float32.tflite", novel.parent)
    assert novel.read_text() == "Once upon a time"
    assert contents(tmp_path) == {"documents/novel.txt": novel.read_bytes()}


# ---- what it does


@pytest.mark.browser
def test_reads_every_digit(page: Page, address: str) -> None:
    page.goto(address)
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        expect(page.locator("#digit")).to_have_text(str(digit))
        page.get_by_role("button", name="Clear").click()


@pytest.mark.browser
@needs_real
def test_reads_as_the_network_does_elsewhere(page: Page, address: str, reader: Path) -> None:
    page.goto(address)
    classifier = Classifier(reader, "float32")
    right = 0
    for label, strokes in real(6):
        draw(page, strokes)
        digit = settle(page)
        expected = classifier.probabilities(seen(page))
        assert digit == expected.argmax()
        shares = page.get_by_role("listitem").evaluate_all(
            "(bars) => bars.map((bar) => Number(bar.style.getPropertyValue('--share')))"
        )
        assert shares == pytest.approx(expected.tolist(), abs=1e-4)
        right += digit == label
        page.keyboard.press("Escape")
    assert right >= 4  # of 6; all the network knows are scikit-learn's digits


@pytest.mark.browser
def test_what_is_drawn_stays_on_the_device(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, DIGITS[5])
    assert settle(page) == 5
    assert asked == []


@pytest.mark.browser
def test_the_paper_stays_in_place_while_the_network_is_loaded(page: Page, address: str) -> None:
    held: list[Route] = []
    page.route("**/float32.tflite", lambda route: held.append(route))
    with page.expect_request("**/float32.tflite"):
        page.goto(address, wait_until="commit")
    expect(page.get_by_text("Loading the network …")).to_be_visible()
    before = page.locator("#pad").bounding_box()
    held.pop().continue_()
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    assert page.locator("#pad").bounding_box() == before


@pytest.mark.browser
def test_says_so_when_the_paper_is_full_of_ink(page: Page, address: str) -> None:
    page.goto(address)
    draw(page, ALL_OVER)
    expect(page.get_by_role("alert")).to_have_text(FULL)
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_have_text("")


@pytest.mark.browser
def test_reads_within_50_milliseconds(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    times = latencies(page, DIGITS[3][0])
    print(f"median {median(times):.1f} ms, worst {max(times):.1f} ms")
    assert median(times) < 50


@pytest.mark.browser
def test_works_with_the_server_gone(browser: Browser, site: Path) -> None:
    context = browser.new_context()
    with hosted(site) as address:
        visit(context, address).close()
    with pytest.raises(URLError):
        urlopen(address)
    for path in ("", "index.html", "?from=home-screen"):
        page = context.new_page()
        complaints = watch(page)
        page.goto(address + path)
        for digit in (0, 7):
            draw(page, DIGITS[digit])
            assert settle(page) == digit
            page.keyboard.press("Escape")
        page.close()
        assert complaints == []
    context.close()


@pytest.mark.browser
def test_can_be_installed(browser: Browser, address: str, tmp_path: Path) -> None:
    # Nothing can be installed in the other tests' contexts, which are like private windows.
    context = browser.browser_type.launch_persistent_context(tmp_path, **CHROMIUM)
    page = visit(context, address)
    session = context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    installability = session.send("Page.getInstallabilityErrors")
    context.close()
    assert manifest["errors"] == []
    assert manifest["url"] == f"{address}manifest.webmanifest"
    assert installability["installabilityErrors"] == []


@pytest.mark.browser
def test_a_new_version_replaces_the_old(browser: Browser, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    context = browser.new_context()
    with hosted(folder) as address:
        page = visit(context, address)
        (old,) = stored(page)
        page.evaluate("caches.open('of another site on this host')")
        (folder / "service-worker.js").unlink()
        text = (folder / "index.html").read_text()
        (folder / "index.html").write_text(text.replace("<h1>Draw a digit", "<h1>The new one"))
        add_service_worker(folder)
        page.evaluate("async () => { (await navigator.serviceWorker.ready).update(); }")
        wait(page, f"!(await caches.has('{old}'))")
        expect(page.get_by_role("heading")).to_have_text("Draw a digit")  # not while one draws
        names = stored(page)
        page.reload()
        expect(page.get_by_role("heading")).to_have_text("The new one")
    draw(page, DIGITS[7])  # with the server gone
    assert settle(page) == 7
    context.close()
    assert len(names) == 2
    assert old not in names
    assert "of another site on this host" in names


@pytest.mark.browser
def test_a_mixture_of_two_versions_is_not_kept(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    (folder / "static/style.css").write_text("body { color: red }")
    context = browser.new_context()
    with hosted(folder) as address:
        page = context.new_page()
        page.goto(address)
        draw(page, DIGITS[7])
        assert settle(page) == 7
        wait(page, "!(await navigator.serviceWorker.getRegistration())")
        kept = page.evaluate(
            """async () => Promise.all((await caches.keys()).map(
                async (name) => (await (await caches.open(name)).keys()).length))"""
        )
    context.close()
    assert sum(kept) == 0


@pytest.mark.browser
def test_goes_on_by_itself_after_a_failed_download(browser: Browser, address: str) -> None:
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm", lambda route: route.abort())
    page.goto(address)
    draw(page, DIGITS[7])
    sentence = "The network could not be loaded. Trying again …"
    expect(page.get_by_role("alert")).to_have_text(sentence)
    page.unroute("**/*.wasm")
    expect(page.locator("#digit")).to_have_text("7", timeout=15_000)
    expect(page.get_by_role("alert")).to_have_text("")
    context.close()
