"""What dvc.yaml, the folders and the README say about one another."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from digits.evaluation import report
from digits.io import read_json
from studies.sources import files_of

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
LOCKED = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
ARCHITECTURES = PARAMS["architectures"]

# The schema can only refuse: what a stage does follows from the values, which are its params.
IMPORTED_BUT_NO_DEP = {"digits/config.py"}
# They made the metrics that compare reads.
NOT_IMPORTED = {"compare": {"digits/evaluation/metrics.py", "stages/evaluate.py"}}


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


def imported(modules: Iterable[str], networks: Iterable[str]) -> set[str]:
    """Return the project's files that ``modules`` import, digits.networks being told which."""
    found = files_of(modules)
    if ROOT / "digits/networks/__init__.py" in found:
        found |= files_of(f"digits.networks.{network}" for network in networks)
    return {path.relative_to(ROOT).as_posix() for path in found}


def declared(stage: Any) -> set[str]:
    """Return the modules among a stage's deps."""
    return {dep for dep in stage["deps"] if dep.endswith(".py")}


each_stage = pytest.mark.parametrize(
    ("name", "key", "stage"),
    [pytest.param(*stage, id="@".join(filter(None, stage[:2]))) for stage in expanded()],
)


@each_stage
def test_a_stage_depends_on_the_modules_it_imports(name: str, key: str, stage: Any) -> None:
    networks = [ARCHITECTURES[key]["network"]] if key else []
    expected = imported([f"stages.{name}"], networks)
    assert declared(stage) == expected - IMPORTED_BUT_NO_DEP | NOT_IMPORTED.get(name, set())


@each_stage
def test_the_lock_is_of_a_run_of_what_git_holds(name: str, key: str, stage: Any) -> None:
    locked = LOCKED.get(f"{name}@{key}" if key else name)
    assert locked, "`dvc repro` runs it and writes it into dvc.lock"
    assert {dep["path"] for dep in locked["deps"]} == set(stage["deps"])
    assert changed_since(locked) == []


def changed_since(locked: Any) -> list[str]:
    """Return the files in git that are not as the lock says."""
    return [
        entry["path"]
        for entry in locked["deps"] + locked["outs"]
        if in_git(entry["path"])
        and hashlib.md5((ROOT / entry["path"]).read_bytes()).hexdigest() != entry["md5"]
    ]


def in_git(path: str) -> bool:
    """Return whether git holds this file; what DVC caches, and folders, it does not."""
    return path.endswith(".py") or (
        path.startswith(("metrics/", "plots/", "studies/")) and "." in path
    )


@each_stage
def test_a_stage_depends_on_whole_outputs(name: str, key: str, stage: Any) -> None:
    """DVC fails in a clone without data on a part of one: it looks for the committed rest of it."""
    outputs = {out["path"] for locked in LOCKED.values() for out in locked["outs"]}
    parts = [dep for dep in stage["deps"] if any(dep.startswith(f"{out}/") for out in outputs)]
    assert parts == []


STUDIES = [
    ("transfer", "run", ["stages.pretrain", "stages.lr_find", "stages.train"], ["resnet34"]),
    ("transfer", "summary", [], []),
    ("regularization", "run", [], ["lenet5_v2"]),
    ("ladder", "run", [], ["lenet5", "lenet5_v1", "lenet5_v2"]),
    (
        "claims",
        "run",
        [],
        ["convnet", "convnet_dropout", "dense", "lenet5", "lenet5_v1", "lenet5_v2"],
    ),
    ("claims", "audit", [], []),
    ("labels", "run", [], ["lenet5_v2"]),
    ("accuracy", "try", [], ["swift"]),
    ("accuracy", "try", [], ["champion"]),
    ("accuracy", "try", [], ["champion_wide"]),
    ("accuracy", "try", [], ["champion_soft", "champion"]),
    ("accuracy", "run", [], ["swift"]),
    ("accuracy", "run", [], ["champion_wide"]),
    ("accuracy", "summary", [], []),
]


@pytest.mark.parametrize(("study", "name", "started", "networks"), STUDIES)
def test_a_study_depends_on_the_modules_it_imports_and_starts(
    study: str, name: str, started: list[str], networks: list[str]
) -> None:
    stages = yaml.safe_load((ROOT / f"studies/{study}/dvc.yaml").read_text(encoding="utf-8"))
    stage = stages["stages"][name]
    if "foreach" in stage:
        text = yaml.safe_dump(stage["do"]).replace("${item.network}", networks[0])
        stage = yaml.safe_load(text.replace("${item.body}", networks[-1]))
    assert stage["wdir"] == "../.."
    module = stage["cmd"].split()[2]
    assert declared(stage) == imported([module, *started], networks) - IMPORTED_BUT_NO_DEP


@pytest.mark.parametrize("study", sorted({study for study, *_ in STUDIES}))
def test_the_lock_of_a_study_is_of_a_run_of_what_git_holds(study: str) -> None:
    file = f"studies/{study}/dvc.yaml"
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    text = (ROOT / file).with_suffix(".lock").read_text(encoding="utf-8")
    locks = yaml.safe_load(text)["stages"]
    assert {f"{file}:{name}" for name in locks} == set(listed)
    changed = {name: changed_since(locked) for name, locked in locks.items()}
    assert changed == {name: [] for name in locks}


def test_recipes_are_tried_and_those_chosen_are_run() -> None:
    stages = yaml.safe_load((ROOT / "studies/accuracy/dvc.yaml").read_text(encoding="utf-8"))[
        "stages"
    ]
    content = yaml.safe_load((ROOT / "studies/accuracy/params.yaml").read_text(encoding="utf-8"))
    pairs = {
        name: [(item["recipe"], item["seed"]) for item in stages[name]["foreach"].values()]
        for name in ("try", "run")
    }
    assert pairs["try"] == [(recipe, 1) for recipe in content["recipes"]]
    assert {recipe for recipe, _ in pairs["run"]} == set(content["chosen"].values())
    for recipe in content["chosen"].values():  # the first seeds, three at least
        seeds = [seed for one, seed in pairs["run"] if one == recipe]
        assert seeds == content["seeds"][: max(3, len(seeds))]
    for name in pairs:
        items = stages[name]["foreach"]
        for key, item in items.items():
            assert key == f"{item['recipe']}-{item['seed']}"
            changes = {**content["base"], **content["recipes"][item["recipe"]]}
            assert item["network"] == changes["network"]
            network = files_of([f"digits.networks.{item['network']}"])
            names = {path.stem for path in network if path.parent.name == "networks"}
            assert names - {"__init__"} == {item["network"], item["body"]}


def test_every_stage_of_a_study_is_looked_at() -> None:
    found = {
        (path.parent.name, name)
        for path in (ROOT / "studies").glob("*/dvc.yaml")
        for name in yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    }
    assert found == {study[:2] for study in STUDIES}


@pytest.mark.parametrize("study", ["regularization", "ladder", "claims"])
def test_the_networks_of_a_study_are_among_its_params(study: str) -> None:
    stages = yaml.safe_load((ROOT / f"studies/{study}/dvc.yaml").read_text(encoding="utf-8"))
    content = yaml.safe_load((ROOT / f"studies/{study}/study.yaml").read_text(encoding="utf-8"))
    used = {
        setting.get("architecture") or content["architecture"]
        for setting in content["settings"].values()
    }
    listed = {one for one in stages["stages"]["run"]["params"] if "architectures" in one}
    assert listed == {f"architectures.{architecture}" for architecture in used}


@pytest.mark.parametrize("study", sorted({study for study, *_ in STUDIES} - {"transfer"}))
def test_the_page_of_a_study_has_a_place_for_its_tables(study: str) -> None:
    text = (ROOT / f"docs/{study}.md").read_text(encoding="utf-8")
    assert report.replace_table(text, "", f"dvc repro studies/{study}/dvc.yaml")


def test_no_metric_is_named_error() -> None:
    # DVC takes a key of that name, anywhere in a metric, for its own failure to read the file.
    for path in [*ROOT.glob("metrics/*.json"), *ROOT.glob("studies/**/*.json")]:
        assert '"error":' not in path.read_text(encoding="utf-8"), path


def test_every_stage_module_is_a_stage() -> None:
    modules = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)


def test_every_network_module_belongs_to_an_architecture_or_a_recipe() -> None:
    modules = {path.stem for path in (ROOT / "digits/networks").glob("*.py")} - {"__init__"}
    text = (ROOT / "studies/accuracy/params.yaml").read_text(encoding="utf-8")
    recipes = yaml.safe_load(text)["recipes"].values()
    assert modules == {one["network"] for one in [*ARCHITECTURES.values(), *recipes]}


def test_the_readme_has_the_accuracies_of_the_study() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    found = read_json(ROOT / "studies/accuracy/summary.json")["chosen"]
    content = yaml.safe_load((ROOT / "studies/accuracy/params.yaml").read_text(encoding="utf-8"))
    assert {purpose: one["recipe"] for purpose, one in found.items()} == content["chosen"]
    swift, champion = found["swift"], found["champion"]
    count = {3: "three", 4: "four", 5: "five"}
    told = (
        f"`swift` reads {100 * swift['single']['mean']:.2f} % of the test images after 4 epochs",
        f"`champion` {100 * champion['single']['mean']:.2f} %, "
        f"and {count[champion['ensemble']['networks']]} of it together "
        f"{100 * champion['ensemble']['accuracy']:.2f} %",
    )
    assert [one for one in told if one not in text] == []


def test_every_make_target_in_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(
        r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert {"quickstart", "test"} <= set(named) <= set(targets)
