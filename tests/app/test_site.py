"""The static site: how it is built, and that it works with and without a network."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app.site.build import add_service_worker, build, find_files
from digits.errors import PipelineError
from digits.io import read_json
from tests.app.serving import ROOT, hosted
from tests.app.visitor import ALL_OVER, CHROMIUM, DIGITS, draw, settle, wait, watch

OFFLINE = "Works offline, too."


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with hosted(site) as address:
        yield address


@pytest.fixture
def copy(site: Path, tmp_path: Path) -> Path:
    """Return a copy of the site, to be changed."""
    return Path(shutil.copytree(site, tmp_path / "site"))


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


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in find_files(folder)}


# ---- how it is built


def test_has_what_it_needs_and_no_more(site: Path) -> None:
    files = contents(site)
    assert {
        "index.html",
        "service-worker.js",
        "manifest.webmanifest",
        "networks/network.tflite",
    } <= set(files)
    assert {"litert/litert-license.txt", "static/local.js", "static/drawing.js"} <= set(files)
    assert "static/server.js" not in files
    wasm = [name for name in files if name.endswith(".wasm")]
    assert wasm == ["litert/litert_wasm_compat_internal.wasm"]
    for name in files:  # nothing comes from elsewhere
        if name.endswith((".html", ".css", ".webmanifest")):
            assert b"//" not in files[name].replace(b"</", b"")
    source = files["service-worker.js"].decode()
    kept = set(re.findall(r'^ +"(.+)": "sha256-', source, re.MULTILINE))
    later = {"networks/sevens.tflite"}  # kept when it is first asked for
    assert kept == set(files) - {"service-worker.js", "index.html"} - later | {"./"}
    for icon in read_json(site / "manifest.webmanifest")["icons"]:
        with Image.open(site / icon["src"]) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]


def test_says_how_large_it_is_and_how_to_serve_it(model: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "service-worker.js").write_text("// an older site's")
    (tmp_path / "static/left-over.txt").touch()
    done = site_command(tmp_path, "--model", model)
    assert done.stderr == ""
    assert re.search(r": \d+\.\d MB", done.stdout)
    assert f"python -m http.server --bind 127.0.0.1 --directory {tmp_path}" in done.stdout
    assert contents(tmp_path) == contents(site)  # the same files make the same site


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"model": "nowhere"}, r"site: nowhere is missing; `git checkout nowhere` brings it back"),
        ({"PATH": "/nowhere"}, r"site: npm is missing, which brings LiteRT for the web; install "),
        (
            {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"},
            r"site: `npm ci` could not install LiteRT for the web: npm error",
        ),
    ],
)
def test_says_what_is_missing(
    model: Path, tmp_path: Path, options: dict[str, str], complaint: str
) -> None:
    npm = Path(shutil.which("npm") or "").parent
    environment = {"PATH": f"{npm}:/usr/bin:/bin", "npm_config_cache": str(tmp_path / "cache")}
    missing_or_not = options.pop("model", model)
    done = site_command(
        tmp_path / "site", "--model", missing_or_not, env={**environment, **options}
    )
    assert done.returncode == 1
    assert re.match(complaint, done.stderr)
    assert done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_replaces_nothing_but_a_site(model: Path, tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("Once upon a time")
    with pytest.raises(PipelineError, match="is there and is no site"):
        build(model, tmp_path)
    assert contents(tmp_path) == {"novel.txt": b"Once upon a time"}


# ---- what it does


@pytest.mark.browser
def test_what_is_drawn_stays_on_the_device(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, DIGITS[5])
    assert settle(page) == 5
    assert asked == []
    draw(page, ALL_OVER)
    sentence = "There is no digit on the paper, only ink."
    expect(page.get_by_role("alert")).to_have_text(sentence)
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_have_text("")
    for offset in (0, 0.5):
        draw(page, [[(x / 2 + offset, y) for x, y in line] for line in DIGITS[3]])
    sentence = "There is more than one digit; show one at a time."
    expect(page.get_by_role("alert")).to_have_text(sentence)


@pytest.mark.browser
def test_the_paper_stays_in_place_while_the_network_is_loaded(page: Page, address: str) -> None:
    held: list[Route] = []
    page.route("**/network.tflite", lambda route: held.append(route))
    with page.expect_request("**/network.tflite"):
        page.goto(address, wait_until="commit")
    expect(page.get_by_text("Loading the network …")).to_be_visible()
    before = page.locator("#pad").bounding_box()
    held.pop().continue_()
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    assert page.locator("#pad").bounding_box() == before


@pytest.mark.browser
def test_works_with_the_server_gone(browser: Browser, site: Path) -> None:
    context = browser.new_context()
    with hosted(site) as address:
        page = visit(context, address)
        draw(page, DIGITS[7])
        page.get_by_text("What do other networks predict?").click()
        expect(page.locator("#networks tr")).to_have_count(2)
        page.close()
    for path in ("", "index.html", "?from=home-screen"):
        page = context.new_page()
        complaints = watch(page)
        page.goto(address + path)
        draw(page, DIGITS[7])
        assert settle(page) == 7
        assert complaints == []
    page.get_by_text("What do other networks predict?").click()
    expect(page.locator("#agreement")).to_have_text("2 of 2 networks predict 7.")
    context.close()


@pytest.mark.browser
def test_can_be_installed(browser: Browser, address: str, tmp_path: Path) -> None:
    # Nothing can be installed in the other tests' contexts, which are like private windows.
    context = browser.browser_type.launch_persistent_context(tmp_path, **CHROMIUM)
    session = context.new_cdp_session(visit(context, address))
    manifest = session.send("Page.getAppManifest")
    installability = session.send("Page.getInstallabilityErrors")
    context.close()
    assert manifest["errors"] == []
    assert manifest["url"] == f"{address}manifest.webmanifest"
    assert installability["installabilityErrors"] == []


@pytest.mark.browser
def test_a_new_version_replaces_the_old(browser: Browser, copy: Path) -> None:
    context = browser.new_context()
    with hosted(copy) as address:
        page = visit(context, address)
        (old,) = page.evaluate("caches.keys()")
        page.evaluate("caches.open('of another site on this host')")
        (copy / "service-worker.js").unlink()
        text = (copy / "index.html").read_text()
        (copy / "index.html").write_text(text.replace("<h1>Draw a digit", "<h1>The new one"))
        add_service_worker(copy, "network.tflite")
        page.evaluate("async () => { (await navigator.serviceWorker.ready).update(); }")
        wait(page, f"!(await caches.has('{old}'))")
        expect(page.get_by_role("heading")).to_have_text("Draw a digit")  # not while one draws
        names = page.evaluate("caches.keys()")
        page.reload()
        expect(page.get_by_role("heading")).to_have_text("The new one")
    context.close()
    assert len(names) == 2
    assert "of another site on this host" in names


@pytest.mark.browser
def test_a_mixture_of_two_versions_is_not_kept(browser: Browser, copy: Path) -> None:
    with (copy / "static/style.css").open("a") as file:
        file.write("/* of another version */")
    context = browser.new_context()
    with hosted(copy) as address:
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
