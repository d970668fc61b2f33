"""The pipeline as a whole, through DVC and git, in a clone of this tree."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from digits import config
from digits.io import read_json
from tests.stages.test_convert import assert_lossless
from tests.workspace import ROOT, environment, start, wait_for, write_params

EPOCHS = {"lenet5_v2": 5, "lenet5_pen": 1}
NAMES = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
PEOPLE = {f"GIT_{name}": "test@localhost" for name in NAMES}
ENVIRONMENT = environment(**PEOPLE, GIT_CONFIG_GLOBAL=os.devnull, PYTHONPATH="")


def run(folder: Path, *command: str, status: int = 0) -> str:
    """Run a command in ``folder``, check its exit status, and return all it printed."""
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=False, **pipes)
    assert done.returncode == status, done.stdout
    return str(done.stdout)


def copy_tree(folder: Path) -> None:
    """Make ``folder`` a repository whose only commit is this tree as it is now."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet")
    commit(folder)


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "State")


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '(.+?)'", output))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository where two networks ran on optdigits, were committed and pushed."""
    folder = tmp_path_factory.mktemp("finished")
    copy_tree(folder)
    changes = {
        key: value
        for key, value in config.read_yaml(ROOT / "quickstart.yaml").items()
        if not key.startswith("architectures.") or key.split(".")[1] in EPOCHS
    }
    (folder / "quickstart.yaml").write_text(yaml.safe_dump(changes))
    known = config.read_yaml(folder / "params.yaml")["architectures"]
    shorter = {name: known[name] | {"epochs": epochs} for name, epochs in EPOCHS.items()}
    write_params(folder, {"architectures": shorter, **changes, "threads": 1})
    run(folder, sys.executable, "-m", "digits.repro", "--jobs", "2")  # as `dvc repro`, sooner
    storage = tmp_path_factory.mktemp("storage")
    run(folder, "dvc", "remote", "add", "--default", "storage", str(storage))
    commit(folder)
    run(folder, "dvc", "push")
    return folder


@pytest.fixture(scope="module")
def clone(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone with data and models pulled, that each test but the last leaves as it was."""
    folder = tmp_path_factory.mktemp("clone")
    run(folder, "git", "clone", "--quiet", str(finished), ".")
    run(folder, "dvc", "pull")
    return folder


@pytest.mark.slow
def test_the_pipeline_splits_trains_measures_and_compares(finished: Path) -> None:
    images = read_json(finished / "metrics/resplit.json")["images"]
    sets = {"train": 1024, "dev": 54, "test": 719, "test_as_published": 719}
    assert images == sets | {"all": 1797, "train_and_test": 0}
    names = list(config.read_yaml(finished / "params.yaml")["architectures"])
    compared = pd.read_csv(finished / "metrics/compare/architectures.csv")
    assert compared["architecture"].tolist() == names
    metrics = {name: read_json(finished / f"metrics/{name}.json") for name in names}
    for name in names:
        assert {"train", "dev", "test", "test_as_published"} < set(metrics[name])
        assert (finished / f"models/{name}/model.keras").stat().st_size > 0
    assert metrics["lenet5_v2"]["test"] > 0.5  # chance gives 0.1


@pytest.mark.slow
def test_a_fresh_clone_is_up_to_date_after_a_pull(clone: Path) -> None:
    assert "up to date" in run(clone, "dvc", "status", "dvc.yaml")
    assert stages_run(run(clone, "dvc", "repro")) == set()
    assert run(clone, "git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_killed_stage_ends_as_if_undisturbed(clone: Path) -> None:
    command = "dvc", "repro", "--single-item", "--force", "train@lenet5_v2"
    state = clone / "checkpoints/lenet5_v2/state.npz"
    process = start(
        clone, *command, env=ENVIRONMENT, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("> python"))  # the old output is away
    wait_for(state.exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL

    assert "resuming after epoch" in run(clone, *command)
    assert run(clone, "git", "status", "--porcelain") == ""  # dvc.lock holds the output's hash


@pytest.mark.slow
def test_quickstart_shows_the_comparison_and_leaves_the_workspace_alone(clone: Path) -> None:
    (clone / ".venv").symlink_to(sys.prefix)
    output = run(clone, "make", "--old-file", ".venv/installed", "quickstart")
    assert "| architecture" in output
    assert "| lenet5_pen" in output
    table = pd.read_csv(clone / "quickstart/metrics/compare/architectures.csv")
    test = dict(zip(table["architecture"], table["test"], strict=True))
    assert set(test) == set(config.read_yaml(clone / "params.yaml")["architectures"])
    assert test["lenet5_pen"] > 0.5  # after an epoch, which the clone has
    assert (clone / "quickstart/plots/compare/accuracy.png").is_file()
    assert "quickstart" in run(clone, "dvc", "exp", "list")
    assert run(clone, "git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_an_experiment_reruns_only_what_its_parameter_concerns(clone: Path) -> None:
    run(clone, "dvc", "exp", "save", "--force", "--name", "before")
    output = run(clone, "dvc", "exp", "run", "--set-param", "architectures.lenet5_v2.l2=0")
    assert stages_run(output) == {"train@lenet5_v2", "evaluate@lenet5_v2", "compare"}
    params = json.loads(run(clone, "dvc", "params", "diff", "--json"))
    change = {"old": 0.0005, "new": 0, "diff": -0.0005}
    assert params == {"params.yaml": {"architectures.lenet5_v2.l2": change}}
    assert run(clone, "git", "diff", "--numstat", "params.yaml").split()[:2] == ["1", "1"]
    metrics = json.loads(run(clone, "dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {"metrics/lenet5_v2.json"}
    table = run(clone, sys.executable, "-m", "studies.experiments")
    assert re.search(r"^\| l2=0.0005 +\| l2=0 +\| +1,024 \|", table, re.M), table
    assert "warning: l2=0 has one seed" in table


@pytest.mark.slow
def test_a_wrong_parameter_ends_in_one_clear_line(clone: Path) -> None:
    wrong = {"lenet5_pen.epoch": 1, "lenet5_v2.schedule.factor": 2}
    write_params(clone, {f"architectures.{key}": value for key, value in wrong.items()}, clone)
    output = run(clone, "dvc", "repro", status=255)
    assert len(re.findall("^train: ", output, re.M)) == 1
    for complaint in ("lenet5_pen.epoch is not a known", "lenet5_v2.schedule.factor: Input"):
        assert f"params.yaml: architectures.{complaint}" in output
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.mnist
def test_mnist_gives_the_committed_data_and_a_good_first_epoch(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    committed = config.read_yaml(tmp_path / "dvc.lock")["stages"]
    write_params(tmp_path, {"architectures.dense.epochs": 1})
    run(tmp_path, "dvc", "repro", "evaluate@dense")
    made = config.read_yaml(tmp_path / "dvc.lock")["stages"]
    for stage in ("download", "convert", "resplit", "standardize"):
        assert made[stage]["outs"] == committed[stage]["outs"]
    assert_lossless(tmp_path)
    assert read_json(tmp_path / "metrics/dense.json")["test"] > 0.94
