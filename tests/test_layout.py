"""What the folders, dvc.yaml, the locks and the README say about one another."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

from digits import config
from digits.commands import git
from studies import table
from tests.workspace import ROOT

# From the highest to the lowest: a module imports from its own line and from those below it.
FLOORS = [
    ["tests", "bench", "stages", "digits.quickstart", "digits.repro"],
    ["app", "studies"],
    ["digits.export"],
    ["digits.evaluation"],
    ["digits.training"],
    ["digits.transfer"],
    ["digits.networks"],
    ["digits.data"],
    ["digits.commands", "digits.config", "digits.io"],
    ["digits.errors"],
]
PARAMS = config.read_yaml(ROOT / "params.yaml")
KEYS = set(pd.json_normalize(PARAMS))

Stages = Mapping[str, PipelineStage]


@pytest.fixture(scope="module")
def stages() -> Stages:
    """Return every stage of both dvc.yaml by its address, with what the locks say of it."""
    with Repo(ROOT) as repo:
        return {stage.addressing: stage for stage in repo.index.stages}


def imported(path: Path) -> set[str]:
    """Return the names that a file imports, of modules and of what is in them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(name: str) -> int:
    """Return the floor a name belongs to, the highest being 0; the lowest for what is not ours."""
    for number, floor in enumerate(FLOORS):
        if any(f"{name}.".startswith(f"{one}.") for one in floor):
            return number
    return len(FLOORS)


def test_imports_run_downwards_and_nobody_imports_a_stage() -> None:
    for folder in ("app", "bench", "digits", "stages", "studies", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            names, own = imported(path), ".".join(path.relative_to(ROOT).with_suffix("").parts)
            assert not [one for one in names if f"{one}.".startswith("stages.")], path
            assert not [one for one in names if floor(one) < floor(own)], path


def test_what_imports_tensorflow_imports_digits_before() -> None:
    for package in ("bench", "stages", "studies"):
        names = imported(ROOT / package / "__init__.py")
        assert names & {"digits", "keras", "tensorflow"} == {"digits"}, package


def test_the_lock_is_of_a_run_of_what_git_holds(stages: Stages) -> None:
    in_git = git("ls-files", cwd=ROOT).splitlines()
    for name, stage in stages.items():
        if name.startswith("studies/") and not stage.outs[0].hash_info:  # nobody has run it yet
            assert not (ROOT / f"studies/{name.partition('@')[2]}/runs").exists()
            continue
        for one in stage.deps + stage.outs:
            assert one.hash_info, f"{name}: `dvc repro` writes {one} into dvc.lock"
            if one.def_path in in_git:
                assert not one.workspace_status(), name


def test_a_stage_depends_on_what_is_there_and_on_whole_outputs(stages: Stages) -> None:
    """DVC fails in a clone without data on a part of one: it looks for the committed rest of it."""
    parts = tuple(f"{out.def_path}/" for stage in stages.values() for out in stage.outs)
    for dep in {dep.def_path for stage in stages.values() for dep in stage.deps}:
        assert not dep.startswith(parts)
        code = dep.startswith(("digits", "stages", "studies")) and not dep.endswith("/runs")
        assert not code or (ROOT / dep).exists(), dep


def test_a_training_depends_on_all_that_computes(stages: Stages) -> None:
    deps = {dep.def_path: dep for dep in stages["train@lenet5_pen"].deps}
    code = {"__init__.py", "training", "transfer", "networks/__init__.py", "networks/lenet5_v2.py"}
    code |= {"data/dataset.py", "evaluation/predict.py", "config.py"}  # which has the defaults
    assert {f"digits/{name}" for name in code} <= deps.keys()
    recipe = "architectures.lenet5_pen"
    assert {"seed", "threads", "versions", recipe} <= set(deps["params.yaml"].params)


def test_the_rows_of_studies_and_their_locks_are_of_the_same_images(stages: Stages) -> None:
    """`dvc exp save` beside another data set would put that one's hash into the lock."""
    (images,) = stages["convert"].outs
    found = set()
    for path in ROOT.glob("studies/*/runs/runs.csv"):
        deps = stages[f"studies/dvc.yaml:run@{path.parts[-3]}"].deps
        assert images.hash_info in [dep.hash_info for dep in deps if dep.def_path == "data/png"]
        found |= set(table.read(path)["data"].dropna())
    assert len(found) <= 1


def test_no_metric_is_named_error() -> None:
    # DVC takes a key of that name, anywhere in a metric, for its own failure to read the file.
    assert not [one for one in ROOT.glob("metrics/*.json") if '"error":' in one.read_text("utf-8")]


def test_every_stage_module_is_a_stage_and_thin(stages: Stages) -> None:
    named = {name.partition("@")[0] for name in stages if not name.startswith("studies/")}
    lines = {path.stem: path.read_text().count("\n") for path in (ROOT / "stages").glob("*.py")}
    assert lines.keys() - {"__init__"} == named
    assert max(lines.values()) <= 100, lines


def test_every_network_module_belongs_to_an_architecture_or_a_study() -> None:
    found = {path.stem for path in (ROOT / "digits/networks").glob("*.py")} - {"__init__"}
    text = (ROOT / "studies/accuracy/study.yaml").read_text(encoding="utf-8")
    tried = set(re.findall(r"\.network: (\w+)", text))
    assert found == {one["network"] for one in PARAMS["architectures"].values()} | tried


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "bench/tried.md"]
TARGETS = set(re.findall("^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_target_module_and_parameter_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall("(?:^|`)make ([a-z]+)", text, re.M))
    assert named <= TARGETS
    assert page != ROOT / "README.md" or {"quickstart", "app"} <= named
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert not [link for link in links if not (page.parent / link).exists()]
    names = re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", text)
    ours = [name.replace(".", "/") for name in names if name not in ("pytest", "zipfile")]
    assert not [one for one in ours if not list(ROOT.glob(f"{one}.py")) + list(ROOT.glob(one))]
    # DVC wants a + before a key that params.yaml leaves out, and none before others.
    for plus, key in re.findall(r"(?:-S|--set-param) '?(\+?)([a-z_.0-9]+)=", text):
        assert (key in KEYS) != bool(plus), key


def test_the_numbers_of_the_readmes_findings_are_in_what_the_studies_wrote() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    findings = re.findall(r"\((docs/\w+\.md)\) \| (.+) \|$", readme, re.M)
    assert len(findings) == 6
    for page, finding in findings:
        text = (ROOT / page).read_text("utf-8")
        made = "".join(re.findall("<!-- made by.*?<!-- end -->", text, re.S))
        for number in re.findall(r"\d+(?:[.,]\d+)*", finding):
            more_digits = r"\d*" if "." in number else r"(?!\d|[.,]\d)"
            assert re.search(rf"(?<![\d.,]){re.escape(number)}{more_digits}", made), (page, number)
