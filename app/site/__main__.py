"""Build the static site: ``python -m app.site [FOLDER]``."""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.classifier import HELP, MODEL, cards
from digits.errors import PipelineError, run_stage
from digits.io import write_json

HERE = Path(__file__).parent
STATIC = HERE.parent / "static"
SERVER_ONLY = shutil.ignore_patterns("docs.*", "index.html", "server.js")
SERVER_SCRIPT = '  <script type="module" src="static/server.js"></script>\n'
LITERT = "core/wasm/litert_wasm_compat_internal.*"  # for every browser, see local.js
SERVICE_WORKER = "service-worker.js"
OURS = SERVICE_WORKER, "manifest.webmanifest", "litert"  # in every site


def main() -> None:
    """Build the site and say how to look at it."""
    parser = argparse.ArgumentParser(
        prog="python -m app.site",
        description="Build the draw-a-digit page as a static site that needs no server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("site"), help="to build")
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    arguments = parser.parse_args()
    build(arguments.model, arguments.folder)
    megabytes = sum(path.stat().st_size for path in find_files(arguments.folder)) / 1e6
    print(f"{arguments.folder}: {megabytes:.1f} MB, for any web server; to try it here:")
    print(f"    python -m http.server --bind 127.0.0.1 --directory {arguments.folder} 8001")


def build(model: Path, out: Path) -> None:
    """Build the site with a network and those beside it, whole or not at all, over an older one."""
    if not model.is_file():
        raise PipelineError(f"{model} is missing; `git checkout {model}` brings it back")
    if out.exists() and not all((out / name).exists() for name in OURS):
        raise PipelineError(f"{out} is there and is no site; name another folder, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site.part.") as temporary:
        site = Path(temporary) / "site"
        shutil.copytree(HERE / "files", site)
        shutil.copytree(STATIC, site / "static", ignore=SERVER_ONLY, dirs_exist_ok=True)
        page = (STATIC / "index.html").read_text(encoding="utf-8")
        head = (HERE / "head.html").read_text(encoding="utf-8")
        (site / "index.html").write_text(page.replace(SERVER_SCRIPT, head), encoding="utf-8")
        write_json(site / "networks/networks.json", networks := cards(model))  # the first is in use
        for card in networks:
            shutil.copy(model.with_name(card["file"]), site / "networks")
        add_litert(site / "litert", Path(temporary) / "npm")
        add_service_worker(site, model.name)
        shutil.rmtree(out, ignore_errors=True)
        site.rename(out)


def add_litert(folder: Path, work: Path) -> None:
    """Add LiteRT for the web, as package-lock.json has it; npm puts its packages into ``work``."""
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
    """Add the service worker, which keeps other networks than ``first`` once they are asked for."""
    files = {}
    for path in find_files(site):
        digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        files[path.relative_to(site).as_posix()] = f"sha256-{digest}"  # as browsers check it
    version = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
    names = {name for name in files if name.endswith(".tflite")} - {f"networks/{first}"}
    later = {name: files.pop(name) for name in sorted(names)}
    files["./"] = files.pop("index.html")
    source = (HERE / SERVICE_WORKER).read_text(encoding="utf-8")
    constants = {"VERSION": version, "FILES": files, "LATER": later}
    lines = [f"const {name} = {json.dumps(constants[name], indent=2)};\n" for name in constants]
    (site / SERVICE_WORKER).write_text("".join([*lines, "\n", source]), encoding="utf-8")


def find_files(folder: Path) -> list[Path]:
    """Return all files in a folder and its folders, in the same order everywhere."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    run_stage("site", main)
