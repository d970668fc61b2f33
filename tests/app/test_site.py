"""The static site: how it is built, and that it works with and without a network."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app.site.__main__ import add_service_worker, build, find_files
from digits.errors import PipelineError
from tests.app.serving import hosted
from tests.app.visitor import ALL_OVER, CHROMIUM, DIGITS, draw, settle, visit, wait
from tests.workspace import ROOT, run

OFFLINE = "Works offline, too."
FAILED = "The network could not be loaded. Trying again …"


@pytest.fixture
def copy(site: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "site"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in find_files(folder)}


def test_has_what_it_needs_and_no_more(site: Path) -> None:
    files = contents(site)
    assert {name for name in files if re.search(r"server|docs|license|\.wasm|\.tflite", name)} == {
        "litert/litert-license.txt",
        "litert/litert_wasm_compat_internal.wasm",
        "networks/network.tflite",
        "networks/sevens.tflite",
    }
    worker = re.split("^const ", files["service-worker.js"].decode(), flags=re.M)
    kept, later = (set(re.findall(r'^ +"(.+)": "sha256-', part, re.M)) for part in worker[2:4])
    assert later == {"networks/sevens.tflite"}  # kept when it is first asked for
    assert kept == set(files) - {"service-worker.js", "index.html"} - later | {"./"}


def test_says_how_large_it_is_and_how_to_serve_it(model: Path, site: Path, copy: Path) -> None:
    (copy / "static/left-over.txt").touch()
    output, errors = run(ROOT, "app.site", copy, "--model", model)
    assert errors == ""
    assert re.search(r": \d+\.\d MB", output)
    assert f"python -m http.server --bind 127.0.0.1 --directory {copy}" in output
    assert contents(copy) == contents(site)  # the same files make the same site


def test_says_what_is_missing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match=r"nowhere is missing; `git checkout nowhere` brings"):
        build(Path("nowhere"), tmp_path / "site")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(PipelineError, match=r"`npm ci` could not install LiteRT for .*: npm error"):
        build(model, tmp_path / "site")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PipelineError, match=r"npm is missing, which brings LiteRT .*; install "):
        build(model, tmp_path / "site")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
    (tmp_path / "service-worker.js").touch()
    with pytest.raises(PipelineError, match="is there and is no site"):
        build(model, tmp_path)


@pytest.mark.browser
def test_what_is_drawn_stays_on_the_device(page: Page, address: str) -> None:
    held: list[Route] = []
    page.route("**/network.tflite", lambda route: held.append(route))
    with page.expect_request("**/network.tflite"):
        page.goto(address, wait_until="commit")
    expect(page.get_by_text("Loading the network …")).to_be_visible()
    before = page.locator("#pad").bounding_box()
    held.pop().continue_()
    expect(page.get_by_text(OFFLINE)).to_be_visible()
    assert page.locator("#pad").bounding_box() == before  # it has stayed in place
    asked: list[object] = []
    page.on("request", lambda request: asked.append(request))
    draw(page, DIGITS[5])
    assert settle(page) == 5
    assert asked == []
    draw(page, ALL_OVER)
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("No digit stands out from the paper.")
    page.keyboard.press("Escape")
    expect(alert).to_have_text("")
    for offset in (0, 0.5):
        draw(page, [[(x / 2 + offset, y) for x, y in line] for line in DIGITS[3]])
    expect(alert).to_have_text("There is more than one digit; show one at a time.")


@pytest.mark.browser
def test_works_with_the_server_gone(browser: Browser, site: Path) -> None:
    with visit(browser) as page:
        with hosted(site) as address:
            page.goto(address)
            expect(page.get_by_text(OFFLINE)).to_be_visible()
            draw(page, DIGITS[7])
            page.get_by_text("What do other networks predict?").click()
            expect(page.locator("#networks tr")).to_have_count(2)
        for path in ("", "index.html", "?from=home-screen"):
            page.goto(address + path)
            draw(page, DIGITS[7])
            assert settle(page) == 7
        page.get_by_text("What do other networks predict?").click()
        expect(page.locator("#agreement")).to_have_text("2 of 2 networks predict 7.")


@pytest.mark.browser
def test_can_be_installed(browser: Browser, address: str, tmp_path: Path) -> None:
    # Nothing can be installed in the other tests' contexts, which are like private windows.
    with browser.browser_type.launch_persistent_context(tmp_path, **CHROMIUM) as context:
        (page,) = context.pages
        page.goto(address)
        expect(page.get_by_text(OFFLINE)).to_be_visible()
        session = context.new_cdp_session(page)
        manifest = session.send("Page.getAppManifest")
        assert (manifest["errors"], manifest["url"]) == ([], f"{address}manifest.webmanifest")
        assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == []


@pytest.mark.browser
def test_a_new_version_replaces_the_old(page: Page, copy: Path) -> None:
    with hosted(copy) as address:
        page.goto(address)
        expect(page.get_by_text(OFFLINE)).to_be_visible()
        (old,) = page.evaluate("caches.keys()")
        page.evaluate("caches.open('of another site on this host')")
        (copy / "service-worker.js").unlink()
        text = (copy / "index.html").read_text()
        (copy / "index.html").write_text(text.replace("<h1>Draw a digit", "<h1>The new one"))
        add_service_worker(copy, "network.tflite")
        page.evaluate("async () => { (await navigator.serviceWorker.ready).update(); }")
        wait(page, f"!(await caches.has('{old}'))")
        expect(page.get_by_role("heading")).to_have_text("Draw a digit")  # not while one draws
        _, other = sorted(page.evaluate("caches.keys()"))
        assert other == "of another site on this host"
        page.reload()
        expect(page.get_by_role("heading")).to_have_text("The new one")


@pytest.mark.browser
def test_a_mixture_of_two_versions_is_not_kept(browser: Browser, copy: Path) -> None:
    with (copy / "static/style.css").open("a") as file:
        file.write("/* of another version */")
    with browser.new_context() as context, hosted(copy) as address:
        page = context.new_page()
        page.goto(address)
        draw(page, DIGITS[7])
        assert settle(page) == 7
        wait(page, "!(await navigator.serviceWorker.getRegistration())")
        assert not page.evaluate("async () => await caches.match('static/app.js')")


@pytest.mark.browser
def test_a_network_of_another_version_is_not_used(browser: Browser, copy: Path) -> None:
    shutil.copy(copy / "networks/network.tflite", copy / "networks/sevens.tflite")
    with browser.new_context() as context, hosted(copy) as address:
        page = context.new_page()
        page.goto(address)
        expect(page.get_by_text(OFFLINE)).to_be_visible()
        draw(page, DIGITS[3])
        page.get_by_text("What do other networks predict?").click()
        expect(page.locator("#networks tr")).to_have_count(1)
        expect(page.locator("#agreement")).to_have_text(FAILED)
        expect(page.locator("#digit")).to_have_text("3")


@pytest.mark.browser
def test_goes_on_by_itself_after_a_failed_download(browser: Browser, address: str) -> None:
    with browser.new_context(service_workers="block") as context:
        page = context.new_page()
        page.route("**/*.wasm", lambda route: route.abort())
        page.goto(address)
        draw(page, DIGITS[7])
        alert = page.get_by_role("alert")
        expect(alert).to_have_text(FAILED)
        page.unroute("**/*.wasm")
        expect(page.locator("#digit")).to_have_text("7", timeout=15_000)
        expect(alert).to_have_text("")
