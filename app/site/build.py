"""Put the site together: the page, the exported network, and LiteRT for the web from npm."""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.classifier import cards
from digits.errors import PipelineError
from digits.io import write_json

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
PAGE_FILES = ["app.js", "drawing.js", "icon.svg", "pad.js", "style.css"]
SERVER_SCRIPT = '  <script type="module" src="static/server.js"></script>\n'
LITERT_FILES = [
    "core/dist/index.js",
    "core/wasm/litert_wasm_compat_internal.js",
    "core/wasm/litert_wasm_compat_internal.wasm",
]
SERVICE_WORKER = "service-worker.js"


def build(model: Path, out: Path) -> None:
    """Build the site.

    Args:
        model: an exported network, .tflite.
        out: the site's folder, written whole or not at all; an older site there is replaced.

    Raises:
        PipelineError: the network or npm is missing, npm failed, or ``out`` is something else.
    """
    if not model.is_file():
        raise PipelineError(f"{model} is missing; `git checkout {model}` brings it back")
    if out.exists() and not (out / SERVICE_WORKER).is_file():
        raise PipelineError(f"{out} is there and is no site; name another folder, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site.part.") as temporary:
        site = Path(temporary) / "site"
        add_page(site)
        add_litert(site / "litert", Path(temporary) / "npm")
        add_networks(model, site / "networks")
        shutil.copytree(HERE / "icons", site / "icons")
        add_service_worker(site, model.name)
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)


def add_page(site: Path) -> None:
    """Add the server's page, with the network in the browser in place of the server."""
    (site / "static").mkdir(parents=True)
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    head = (HERE / "head.html").read_text(encoding="utf-8")
    (site / "index.html").write_text(page.replace(SERVER_SCRIPT, head), encoding="utf-8")
    for name in PAGE_FILES:
        shutil.copy(STATIC / name, site / "static")
    shutil.copy(HERE / "local.js", site / "static")
    shutil.copy(HERE / "manifest.webmanifest", site)


def add_networks(model: Path, folder: Path) -> None:
    """Add the network and the others exported beside it, with a list that begins with it."""
    folder.mkdir()
    listed = cards(model)
    for one in listed:
        shutil.copy(model.with_name(one["file"]), folder)
    write_json(folder / "networks.json", listed)


def add_litert(folder: Path, work: Path) -> None:
    """Add LiteRT for the web, in the version of package-lock.json.

    Args:
        folder: where it goes.
        work: a new folder to install npm's packages in.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PipelineError("npm is missing, which brings LiteRT for the web; install Node.js")
    folder.mkdir()
    work.mkdir()
    for name in (".npmrc", "package.json", "package-lock.json"):
        shutil.copy(HERE / name, work)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run = subprocess.run(command, cwd=work, capture_output=True, text=True)  # noqa: S603
    if run.returncode:
        reason = " ".join(run.stderr.split())[:200]
        raise PipelineError(f"`npm ci` could not install LiteRT for the web: {reason}")
    packages = work / "node_modules/@litertjs"
    for name in LITERT_FILES:
        shutil.copy(packages / name, folder)
    shutil.copy(packages / "wasm-utils/dist/index.js", folder / "wasm-utils.js")
    shutil.copy(HERE / "litert-license.txt", folder)
    # A browser knows no package names, and an import map would have to be inline.
    core = (folder / "index.js").read_text(encoding="utf-8")
    core = core.replace('"@litertjs/wasm-utils"', '"./wasm-utils.js"')
    (folder / "index.js").write_text(core, encoding="utf-8")


def add_service_worker(site: Path, first: str) -> None:
    """Add the service worker, which keeps all files that are there now, of the networks the first.

    The others are kept once they are asked for.
    """
    files = {}
    for path in find_files(site):
        digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        files[path.relative_to(site).as_posix()] = f"sha256-{digest}"  # as browsers check it
    version = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
    later = [name for name in files if name.endswith(".tflite") and Path(name).name != first]
    at_once = {name: digest for name, digest in files.items() if name not in later}
    listed = json.dumps({"./": at_once.pop("index.html"), **at_once}, indent=2)
    source = (HERE / SERVICE_WORKER).read_text(encoding="utf-8")
    head = f'const VERSION = "{version}";\nconst FILES = {listed};\n\n'
    (site / SERVICE_WORKER).write_text(head + source, encoding="utf-8")


def find_files(folder: Path) -> list[Path]:
    """Return all files in a folder and its folders, in the same order everywhere."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
