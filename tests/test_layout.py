"""What the folders, dvc.yaml, the locks and the README say about one another."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from studies import table

ROOT = Path(__file__).parents[1]
# From the highest to the lowest: a module imports from its own line and from those below it.
FLOORS = [
    ["bench", "stages", "digits.quickstart", "digits.repro"],
    ["app", "studies"],
    ["digits.export"],
    ["digits.evaluation"],
    ["digits.training"],
    ["digits.transfer"],
    ["digits.networks"],
    ["digits.data"],
    ["digits.config", "digits.git", "digits.io"],
    ["digits.errors"],
]


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


PARAMS = read_yaml("params.yaml")
KEYS = set(pd.json_normalize(PARAMS))
STAGES = read_yaml("dvc.yaml")["stages"]
LOCKS = {folder: read_yaml(f"{folder}dvc.lock")["stages"] for folder in ("", "studies/")}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of every module."""
    for folder in ("app", "bench", "digits", "stages", "studies", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def imported(path: Path) -> set[str]:
    """Return the names that a file imports, of modules and of what is in them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(name: str) -> int | None:
    """Return the floor a name belongs to, the highest being 0; None for what is not ours."""
    for number, floor in enumerate(FLOORS):
        if any(f"{name}.".startswith(f"{one}.") for one in floor):
            return number
    return None


@pytest.mark.parametrize(("name", "path"), [pytest.param(*one, id=one[0]) for one in modules()])
def test_imports_run_downwards_and_nobody_imports_a_stage(name: str, path: Path) -> None:
    own = floor(name)
    wrong = {
        one
        for one in imported(path)
        if (other := floor(one)) is not None and own is not None and other < own
    }
    assert not wrong
    assert not {one for one in imported(path) if f"{one}.".startswith("stages.")}


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_a_stage_is_thin(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 100


def expanded() -> Iterator[tuple[str, Any]]:
    """Yield every stage of both dvc.yaml: its address, its entry and its part of the lock."""
    lists = {
        "${architectures}": PARAMS["architectures"],
        "${export.architectures}": PARAMS["export"]["architectures"],
    }
    for folder in LOCKS:
        for name, stage in read_yaml(f"{folder}dvc.yaml")["stages"].items():
            keys = stage.get("foreach", [""])
            for key in lists[keys] if isinstance(keys, str) else keys:
                own = {"key": key, "item": key}
                if key in PARAMS["architectures"]:
                    own["item.network"] = PARAMS["architectures"][key]["network"]
                text = yaml.safe_dump(stage.get("do", stage))
                for variable, value in own.items():
                    text = text.replace("${" + variable + "}", str(value))
                yield f"{folder}{name}{'@' if key else ''}{key}", yaml.safe_load(text)


each_stage = pytest.mark.parametrize(
    ("name", "stage"), [pytest.param(*one, id=one[0]) for one in expanded()]
)


def locked(name: str) -> Any:
    folder = "studies/" if name.startswith("studies/") else ""
    return LOCKS[folder].get(name.removeprefix(folder))


@each_stage
def test_the_lock_is_of_a_run_of_what_git_holds(name: str, stage: Any) -> None:
    entry = locked(name)
    if not entry and name.startswith("studies/"):  # a study that nobody has run yet
        assert not (ROOT / f"studies/{name.partition('@')[2]}/runs").exists()
        return
    assert entry, "`dvc repro` runs it and writes it into dvc.lock"
    assert {dep["path"] for dep in entry["deps"]} == set(stage["deps"])
    changed = [
        one["path"]
        for one in entry["deps"] + entry["outs"]
        if (ROOT / one["path"]).is_file()
        and in_git(one["path"])
        and hashlib.md5((ROOT / one["path"]).read_bytes()).hexdigest() != one["md5"]
    ]
    assert changed == []


def in_git(path: str) -> bool:
    """Return whether git holds this file; what DVC caches it does not."""
    return path.endswith(".py") or path.startswith(
        ("metrics/", "models/litert/", "plots/", "studies/")
    )


@each_stage
def test_a_stage_depends_on_what_is_there_and_on_whole_outputs(name: str, stage: Any) -> None:
    """DVC fails in a clone without data on a part of one: it looks for the committed rest of it."""
    outputs = {
        out["path"] for lock in LOCKS.values() for one in lock.values() for out in one["outs"]
    }
    assert not [dep for dep in stage["deps"] if any(dep.startswith(f"{out}/") for out in outputs)]
    ours = ("digits", "stages", "studies")
    code = [dep for dep in stage["deps"] if dep.startswith(ours) and not dep.endswith("/runs")]
    assert not [dep for dep in code if not (ROOT / dep).exists()]


def test_a_training_depends_on_all_that_computes() -> None:
    deps = set(STAGES["train"]["do"]["deps"])
    assert {
        "digits/__init__.py",
        "digits/config.py",  # the defaults of what an entry leaves out
        "digits/training",
        "digits/transfer",
        "digits/networks/__init__.py",
        "digits/networks/${item.network}.py",
        "digits/data/dataset.py",
        "digits/evaluation/predict.py",
    } <= deps
    assert {"seed", "threads", "versions"} <= set(STAGES["train"]["do"]["params"])


def test_the_rows_of_studies_and_their_locks_are_of_the_same_images() -> None:
    """`dvc exp save` beside another data set would put that one's hash into the lock."""
    (images,) = (out["md5"] for out in LOCKS[""]["convert"]["outs"])
    found = set()
    for path in ROOT.glob("studies/*/runs/runs.csv"):
        entry = LOCKS["studies/"][f"run@{path.parts[-3]}"]
        deps = {dep["path"]: dep.get("md5") for dep in entry["deps"]}
        assert deps["data/png"] == images, path
        found |= set(table.read(path)["data"].dropna())
    assert len(found) <= 1


def test_no_metric_is_named_error() -> None:
    # DVC takes a key of that name, anywhere in a metric, for its own failure to read the file.
    for path in ROOT.glob("metrics/*.json"):
        assert '"error":' not in path.read_text(encoding="utf-8"), path


def test_every_stage_module_is_a_stage() -> None:
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"} == set(STAGES)


def test_every_network_module_belongs_to_an_architecture_or_a_study() -> None:
    found = {path.stem for path in (ROOT / "digits/networks").glob("*.py")} - {"__init__"}
    text = (ROOT / "studies/accuracy/study.yaml").read_text(encoding="utf-8")
    tried = set(re.findall(r"\.network: (\w+)", text))
    assert found == {one["network"] for one in PARAMS["architectures"].values()} | tried


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "bench/tried.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_module_and_parameter_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert not [link for link in links if not (page.parent / link).exists()]
    names = re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", text)
    ours = [name.replace(".", "/") for name in names if name not in ("pytest", "zipfile")]
    assert not [one for one in ours if not list(ROOT.glob(f"{one}.py")) + list(ROOT.glob(one))]
    # DVC wants a + before a key that params.yaml leaves out, and none before others.
    for plus, key in re.findall(r"(?:-S|--set-param) '?(\+?)([a-z_.0-9]+)=", text):
        assert (key in KEYS) != bool(plus), key


def test_every_make_target_in_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(
        r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert {"quickstart", "app"} <= set(named) <= set(targets)
