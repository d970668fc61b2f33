"""Build the static site: ``python -m app.site [FOLDER]``."""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.classifier import MODEL, cards
from digits.errors import PipelineError, run_stage
from digits.io import write_json

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
SERVER_ONLY = ("docs.*", "index.html", "server.js")
SERVER_SCRIPT = '  <script type="module" src="static/server.js"></script>\n'
LITERT = "core/wasm/litert_wasm_compat_internal.*"  # for every browser, see local.js
SERVICE_WORKER = "service-worker.js"


def main() -> None:
    """Build the site and say how to look at it."""
    parser = argparse.ArgumentParser(
        prog="python -m app.site",
        description="Build the draw-a-digit page as a static site that needs no server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("site"), help="to build")
    parser.add_argument("--model", type=Path, default=MODEL, help="a .tflite of the export stage")
    arguments = parser.parse_args()
    build(arguments.model, arguments.folder)
    megabytes = sum(path.stat().st_size for path in find_files(arguments.folder)) / 1e6
    print(f"{arguments.folder}: {megabytes:.1f} MB, for any web server; to try it here:")
    print(f"    python -m http.server --bind 127.0.0.1 --directory {arguments.folder} 8001")


def build(model: Path, out: Path) -> None:
    """Build the site: the server's page, with the networks in the browser in place of the server.

    Args:
        model: an exported network, .tflite; the others beside it come, too.
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
        shutil.copytree(HERE / "files", site)
        ignored = shutil.ignore_patterns(*SERVER_ONLY)
        shutil.copytree(STATIC, site / "static", ignore=ignored, dirs_exist_ok=True)
        page = (STATIC / "index.html").read_text(encoding="utf-8")
        head = (HERE / "head.html").read_text(encoding="utf-8")
        (site / "index.html").write_text(page.replace(SERVER_SCRIPT, head), encoding="utf-8")
        listed = cards(model)
        write_json(site / "networks/networks.json", listed)  # begins with the one in use
        for one in listed:
            shutil.copy(model.with_name(one["file"]), site / "networks")
        add_litert(site / "litert", Path(temporary) / "npm")
        add_service_worker(site, model.name)
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)


def add_litert(folder: Path, work: Path) -> None:
    """Add LiteRT for the web, in the version of package-lock.json.

    Args:
        folder: where it goes.
        work: a new folder to install npm's packages in.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PipelineError("npm is missing, which brings LiteRT for the web; install Node.js")
    shutil.copytree(HERE / "npm", work)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run = subprocess.run(command, cwd=work, capture_output=True, text=True)  # noqa: S603
    if run.returncode:
        reason = " ".join(run.stderr.split())[:200]
        raise PipelineError(f"`npm ci` could not install LiteRT for the web: {reason}")
    packages = work / "node_modules/@litertjs"
    for path in packages.glob(LITERT):
        shutil.copy(path, folder)
    shutil.copy(packages / "wasm-utils/dist/index.js", folder / "wasm-utils.js")
    # A browser knows no package names, and an import map would have to be inline.
    core = (packages / "core/dist/index.js").read_text(encoding="utf-8")
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


if __name__ == "__main__":
    run_stage("site", main)
