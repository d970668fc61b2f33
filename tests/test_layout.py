"""What dvc.yaml, the folders and the README say about one another."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
LOCKED = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
ARCHITECTURES = PARAMS["architectures"]

# The schema can only refuse: what a stage does follows from the values, which are its params.
IMPORTED_BUT_NO_DEP = {"digits/params.py"}
# They made the metrics that compare reads.
NOT_IMPORTED = {"compare": {"digits/evaluation.py", "stages/evaluate.py"}}


def expanded() -> Iterator[tuple[str, str, Any]]:
    """Yield every stage of the pipeline: its module's name, its architecture or "", its entry."""
    for name, stage in STAGES.items():
        if "foreach" not in stage:
            exported = PARAMS["export"]["architecture"]
            text = yaml.safe_dump(stage).replace("${export.architecture}", exported)
            yield name, "", yaml.safe_load(text)
            continue
        for key in ARCHITECTURES:
            text = yaml.safe_dump(stage["do"]).replace("${key}", key)
            text = text.replace("${item.network}", ARCHITECTURES[key]["network"])
            yield name, key, yaml.safe_load(text)


def imported(path: Path, key: str, found: set[Path]) -> set[Path]:
    """Return ``found`` with ``path`` and the project's modules it imports, however indirectly.

    ``digits.networks`` imports the network of the architecture ``key`` by its name.
    """
    if path in found:
        return found
    found.add(path)
    names = []
    if path == ROOT / "digits/networks/__init__.py":
        names = [f"digits.networks.{ARCHITECTURES[key]['network']}"]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if source(name) else node.module for name in inner]
    for file in filter(None, map(source, names)):
        imported(file, key, found)
    return found


def source(name: str) -> Path | None:
    """Return the file of the module or package ``name``, if it is one of the project's."""
    module = ROOT / name.replace(".", "/")
    files = (module.with_suffix(".py"), module / "__init__.py")
    return next((file for file in files if file.is_file()), None)


each_stage = pytest.mark.parametrize(
    ("name", "key", "stage"),
    [pytest.param(*stage, id="@".join(filter(None, stage[:2]))) for stage in expanded()],
)


@each_stage
def test_a_stage_depends_on_the_modules_it_imports(name: str, key: str, stage: Any) -> None:
    modules = imported(ROOT / f"stages/{name}.py", key, set())
    expected = {path.relative_to(ROOT).as_posix() for path in modules}
    declared = {dep for dep in stage["deps"] if dep.endswith(".py")}
    assert declared == expected - IMPORTED_BUT_NO_DEP | NOT_IMPORTED.get(name, set())


@each_stage
def test_the_lock_is_of_a_run_of_what_git_holds(name: str, key: str, stage: Any) -> None:
    locked = LOCKED.get(f"{name}@{key}" if key else name)
    assert locked, "`dvc repro` runs it and writes it into dvc.lock"
    assert {dep["path"] for dep in locked["deps"]} == set(stage["deps"])
    changed = [
        entry["path"]
        for entry in locked["deps"] + locked["outs"]
        if in_git(entry["path"])
        and hashlib.md5((ROOT / entry["path"]).read_bytes()).hexdigest() != entry["md5"]
    ]
    assert changed == []


def in_git(path: str) -> bool:
    """Return whether git holds this file; what DVC caches, and folders, it does not."""
    return path.endswith(".py") or (path.startswith(("metrics/", "plots/")) and "." in path)


@pytest.mark.parametrize(
    ("name", "started"),
    [("run", ("stages/pretrain.py", "stages/lr_find.py", "stages/train.py")), ("summary", ())],
)
def test_the_study_depends_on_the_modules_it_imports_and_starts(
    name: str, started: tuple[str, ...]
) -> None:
    modules: set[Path] = set()
    for path in (f"studies/transfer/{name}.py", *started):
        imported(ROOT / path, "resnet34", modules)
    stages = yaml.safe_load((ROOT / "studies/transfer/dvc.yaml").read_text(encoding="utf-8"))
    stage = stages["stages"][name]
    assert stage["wdir"] == "../.."
    expected = {path.relative_to(ROOT).as_posix() for path in modules}
    declared = {dep for dep in stage["deps"] if dep.endswith(".py")}
    assert declared == expected - IMPORTED_BUT_NO_DEP


def test_every_stage_module_is_a_stage() -> None:
    modules = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)


def test_every_network_module_belongs_to_an_architecture() -> None:
    modules = {path.stem for path in (ROOT / "digits/networks").glob("*.py")} - {"__init__"}
    assert modules == {settings["network"] for settings in ARCHITECTURES.values()}


def test_every_make_target_in_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(
        r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert {"quickstart", "test"} <= set(named) <= set(targets)
