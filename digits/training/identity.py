"""What determines a training, in one hash: for checkpoints and for the rows of studies."""

import ast
import hashlib
import json
import os
import platform as system
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits.config import Architecture, Versions
from digits.errors import PipelineError

DIGITS = Path(__file__).parents[1]
SWITCHES = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")  # they choose the kernels of oneDNN


def identify(recipe: Architecture, data: str, seed: int, threads: int, *more: object) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of all that determines a training.

    That is the arguments, the code that computes and what it runs on (`code`, `platform`). ``data``
    is a digest of the images, labels and sets, as `Dataset.digest`; ``more`` is what else there is,
    with a telling ``repr``.
    """
    parts = recipe.model_dump_json(), data, seed, threads, more, code(recipe), platform()
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def platform() -> dict[str, str]:
    """Return the versions and switches that change roundings."""
    switches = {name: os.environ.get(name, "") for name in SWITCHES}
    return {package: version(package) for package in Versions.model_fields} | switches


def check_versions(expected: Versions) -> None:
    """Make sure that what computes is what params.yaml has, on which DVC's results depend.

    Raises PipelineError if another version is installed, or other kernels are asked for.
    """
    if [os.environ.get(name, "") for name in SWITCHES] != ["1", ""]:
        raise PipelineError(
            f"{' or '.join(SWITCHES)} is set outside: other kernels round differently; unset it"
        )
    for package, wanted in expected:
        if (installed := version(package)) != wanted:
            raise PipelineError(
                f"{package} {installed} is installed, versions.{package} in params.yaml is "
                f"{wanted}: other versions round differently; install requirements.lock or set "
                f"versions.{package}"
            )


def code(recipe: Architecture) -> str:
    """Return a digest of the code that trains by a recipe; prose and layout do not count."""
    files = [DIGITS / "networks/__init__.py", DIGITS / f"networks/{recipe.network}.py"]
    files += sorted((DIGITS / "training").glob("*.py"))
    if recipe.pretrained != "none":
        files += sorted((DIGITS / "transfer").glob("*.py"))
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()


def digest(path: Path) -> str:
    """Return a digest of a module's syntax tree without docstrings, comments and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(_plain(tree)).encode()).hexdigest()


def _plain(node: Any) -> Any:
    """Return a tree as lists; ``ast.dump`` differs between the versions of Python."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    return [type(node).__name__, *([name, _plain(value)] for name, value in _fields(node))]


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the fields that hold something, a body without its docstring."""
    for name, value in ast.iter_fields(node):
        match name, value:
            case "body", [ast.Expr(ast.Constant(str())), *rest]:
                value = rest
        if value not in (None, []):
            yield name, value


def processor() -> str:
    """Return which kind of processor this is: others round differently."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return system.processor() or system.machine()
    fields = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, re.MULTILINE))
    flags = set(fields.get("flags", "").split())
    widest = next((name for name in ("avx512f", "avx2") if name in flags), system.machine())
    return f"{fields.get('model name', system.machine())} ({widest})"
