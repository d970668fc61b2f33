"""Whole studies, as processes, on scikit-learn's digits."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from digits.errors import PipelineError
from studies import run as study_run
from tests.studies.conftest import ROOT, write_study

WITHOUT_RAY = "; ".join(
    (
        "import runpy, sys",
        "sys.modules['ray'] = None",
        "sys.argv[0] = 'studies.run'",
        "runpy.run_module('studies.run', run_name='__main__', alter_sys=True)",
    )
)
TWELVE: dict[str, Any] = {
    "architecture": "dense",
    "epochs": 10,
    "seeds": [1, 2, 3, 4],
    "base": "plain",
    "settings": {
        "plain": {},
        "l2": {"architectures.dense.l2": 0.01},
        "dropout": {"architectures.dense.dropout_head": 0.25},
    },
}
OUTPUTS = ("runs.csv", "summary.json", "gaps.png")


def start(project: Path, *arguments: str, ray: bool = True, **environment: str) -> Any:
    """Start a study in ``project``; without ``ray`` as if it were not installed."""
    how = ["-m", "studies.run"] if ray else ["-c", WITHOUT_RAY]
    return subprocess.Popen(
        [sys.executable, *how, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(project: Path, *arguments: str, status: int = 0, **options: Any) -> tuple[str, str]:
    """Run a study to its end, check the exit status, and return what it printed."""
    process = start(project, *arguments, **options)
    output, errors = process.communicate()
    assert process.returncode == status, errors
    return output, errors


def read(project: Path) -> list[bytes]:
    return [(project / "studies/twelve" / name).read_bytes() for name in OUTPUTS]


def wait_until(condition: Callable[[], bool], process: Any) -> None:
    """Wait until something has come about, while ``process`` is at work."""
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come about in two minutes"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(png: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where the study of twelve trainings ran in a plain loop."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(png / "params.yaml", folder)
    shutil.copytree(png / "data/png", folder / "data/png")
    write_study(folder, "twelve", **TWELVE)
    output, _ = run(folder, "twelve", ray=False)
    assert output.splitlines()[-1].startswith("studies/twelve: 12 trainings; wrote runs.csv, ")
    return folder


@pytest.fixture
def cluster() -> Iterator[subprocess.Popen[str]]:
    """Start a cluster of two machines; its process has the address as ``address``."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests/studies/cluster.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process
    _, *children = family(process)
    process.communicate()
    for child in children:
        if child.is_running():
            child.kill()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return a process and those that it started."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers that are training."""
    found = []
    for one in family(process):
        with suppress(psutil.Error):  # it has just ended
            if "ray::_attempt" in " ".join(one.cmdline()):
                found.append(one)
    return found


def heard_on(process: subprocess.Popen[str]) -> set[str]:
    """Return the addresses that a process and its children listen on."""
    found = set()
    for one in family(process):
        with suppress(psutil.Error):
            found |= {
                connection.laddr.ip
                for connection in one.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
    return found


@pytest.mark.slow
def test_only_what_is_new_is_trained_and_ray_gives_the_same_bytes(
    undisturbed: Path, project: Path
) -> None:
    folder = write_study(project, "twelve", **TWELVE)
    header, *rows = (undisturbed / "studies/twelve/runs.csv").read_text().splitlines()
    known = [row for row in rows if not row.startswith("dropout") and row.split(",")[2] != "4"]
    of_other_code = known[0].rpartition(",")[0] + ",0123456789ab"
    table = [header, *reversed(known), of_other_code]
    (folder / "runs.csv").write_text("\n".join(table) + "\n")
    process = start(project, "twelve")
    wait_until(lambda: len(workers(process)) == 2, process)
    heard = heard_on(process)
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (Path.home() / ".ray/auth_token").stat().st_mode & 0o077 == 0
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "6 of 12 trainings are in studies/twelve/runs.csv already" in output
    assert "runs.csv of other settings or other code, which go: 1\n" in output
    assert read(project) == read(undisturbed)
    trained = {path.name for path in (project / "checkpoints/studies").iterdir()}
    assert trained == {row.split(",")[-1] for row in rows if row not in known}
    progress = errors.replace("\r", "\n")
    assert re.search(r" 6/6 .*failed=0, running=0", progress), progress


def kill_one(cluster: subprocess.Popen[str]) -> bool:
    """Kill a worker that is training, if there is one; return whether it was."""
    for worker in workers(cluster):
        with suppress(psutil.NoSuchProcess):
            worker.kill()
            return True
    return False


@pytest.mark.slow
def test_a_study_survives_lost_workers_machines_and_its_own_end(
    undisturbed: Path, project: Path, cluster: subprocess.Popen[str]
) -> None:
    write_study(project, "twelve", **TWELVE)
    store = project / "store"
    assert cluster.stdout
    assert cluster.stdin
    environment: dict[str, Any] = {
        "RAY_ADDRESS": cluster.stdout.readline().strip(),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "STUDY_STORE": str(store),
    }

    def finished() -> set[Path]:
        return {path.parent for path in store.glob("*/result.json")}

    driver = start(project, "twelve", **environment)
    wait_until(lambda: len(finished()) >= 2 and kill_one(cluster), driver)
    wait_until(lambda: len(finished()) >= 4, driver)
    cluster.stdin.write("\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline() == "gone\n"
    wait_until(lambda: len(finished()) >= 7, driver)
    driver.kill()
    driver.communicate()
    before = {path: (path / "log.txt").read_bytes() for path in finished()}
    assert 7 <= len(before) < 12

    run(project, "twelve", **environment)
    assert read(project) == read(undisturbed)
    assert len(finished()) == 12
    for path, log in before.items():
        assert (path / "log.txt").read_bytes() == log  # not done twice
    begun = sum(
        len(re.findall(r"seed \d, on .*, process", (path / "log.txt").read_text()))
        for path in finished()
    )
    assert begun > 12
    assert not list(store.glob("*/attempt-*/result.json"))


@pytest.mark.slow
def test_a_training_that_fails_is_named_and_the_others_are_kept(project: Path) -> None:
    rate = {"architectures.lenet5.optimizer.learning_rate": 1e30}
    folder = write_study(project, "s", seeds=[1], settings={"fast": rate, "plain": {}})
    _, errors = run(project, "s", ray=False, status=1)
    message = errors.splitlines()[-1]
    assert message.startswith(
        "study: 1 of 2 trainings failed, the others are kept: fast, 500 images, seed 1: the loss"
    )
    assert "Traceback" not in errors
    rows = (folder / "runs.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["setting", "plain"]
    assert not (folder / "summary.json").exists()


@pytest.mark.slow
def test_a_bad_study_ends_in_one_line(project: Path) -> None:
    write_study(project, "s", settings={"plain": {"architectures.lenet5.l2": "much"}})
    output, errors = run(project, "s", status=1)
    assert errors.splitlines()[-1] == (
        "study: studies/s/study.yaml: settings.plain: architectures.lenet5.l2: "
        "Input should be a valid number; given 'much'"
    )
    assert "Traceback" not in errors
    assert not output
    assert not (project / "studies/s/runs.csv").exists()


def test_a_study_that_is_not_there_is_told_with_those_that_are(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(project, "s")
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["studies.run", "t"])
    with pytest.raises(PipelineError, match=r"has no t with a study\.yaml; it has s$"):
        study_run.main()
