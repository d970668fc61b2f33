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
OUTPUTS = ("runs/runs.csv", "results/summary.json", "results/tables.md", "results/gaps.png")


def start(project: Path, *arguments: str, module: str = "run", **environment: str) -> Any:
    """Start a study in ``project``."""
    return subprocess.Popen(
        [sys.executable, "-m", f"studies.{module}", *arguments],
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
    """Analyse the study of twelve runs; return all that it has written."""
    folder = project / "studies/twelve"
    run(project, "twelve", module="analyse")
    kept = sorted(folder.glob("runs/*.npz"))
    assert len(kept) == 12
    return [path.read_bytes() for path in [*(folder / name for name in OUTPUTS), *kept]]


def wait_until(condition: Callable[[], bool], process: Any) -> None:
    """Wait until something has come about, while ``process`` is at work."""
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come about in five minutes"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(png: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where the study of twelve runs was left alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(png / "params.yaml", folder)
    shutil.copytree(png / "data/png", folder / "data/png")
    write_study(folder, "twelve", **TWELVE)
    process = start(folder, "twelve")
    wait_until(lambda: len(workers(process)) == 2, process)
    heard = heard_on(process)
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (Path.home() / ".ray/auth_token").stat().st_mode & 0o077 == 0
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "wrote studies/twelve/runs/runs.csv: 12 rows"
    progress = errors.replace("\r", "\n")
    assert re.search(r" 12/12 .*failed=0, running=0", progress), progress
    return folder


def cluster_of(*arguments: str) -> subprocess.Popen[str]:
    """Start a cluster of two machines; it prints its address."""
    return subprocess.Popen(
        [sys.executable, ROOT / "tests/studies/cluster.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """End a cluster and all that it started."""
    _, *children = family(process)
    process.communicate()
    for child in children:
        if child.is_running():
            child.kill()


@pytest.fixture
def cluster() -> Iterator[subprocess.Popen[str]]:
    process = cluster_of()
    yield process
    end(process)


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


def with_rows(undisturbed: Path, project: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """Copy the study of twelve runs, with other rows; return the path of its table."""
    write_study(project, "twelve", **TWELVE)
    shutil.copytree(undisturbed / "studies/twelve/runs", project / "studies/twelve/runs")
    path = project / "studies/twelve/runs/runs.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *change(rows)]) + "\n")
    return path


@pytest.mark.slow
def test_only_what_is_missing_is_trained(undisturbed: Path, project: Path) -> None:
    with_rows(undisturbed, project, lambda rows: rows[:4:-1])
    output, _ = run(project, "twelve")
    assert "12 runs, 5 to train" in output
    assert len(list((project / "checkpoints/studies").iterdir())) == 5
    assert read(project) == read(undisturbed)


Call = Callable[..., str]


@pytest.fixture
def call(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return what runs a study in this process, where it trains nothing, and gives its output."""
    monkeypatch.chdir(project)

    def main(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["study", *arguments])
        study_run.main()
        return capsys.readouterr().out

    return main


@pytest.mark.slow
def test_rows_of_older_code_stay_until_told_otherwise(
    undisturbed: Path, project: Path, call: Call
) -> None:
    def age(rows: list[str]) -> list[str]:
        return [row.rpartition(",")[0] + ",0123456789ab" for row in rows[:2]] + rows[2:]

    path = with_rows(undisturbed, project, age)
    before = path.read_text()
    output = call("twelve")
    assert "runs.csv: 2 runs are of older code" in output
    assert "12 runs, 0 to train" in output
    assert path.read_text() == before
    call("twelve", "--commit", "l2")
    assert path.read_text() == before  # of another setting
    call("twelve", "--commit", "plain")
    assert path.read_text() == (undisturbed / "studies/twelve/runs/runs.csv").read_text()
    path.write_text(before)
    output, _ = run(project, "twelve", "--renew")
    assert "12 runs, 2 to train" in output
    assert read(project) == read(undisturbed)


@pytest.mark.slow
def test_rows_of_other_images_are_not_taken_over(
    undisturbed: Path, project: Path, call: Call
) -> None:
    path = with_rows(undisturbed, project, lambda rows: rows)
    digest = path.read_text().splitlines()[1].split(",")[-3]
    path.write_text(path.read_text().replace(digest, "fedcba987654"))
    with pytest.raises(PipelineError, match="plain-500-1 was trained on other images"):
        call("twelve", "--commit")


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
        return {path.parent for path in store.glob("*/rows.json")}

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
        len(re.findall(r"-\d, on .*, process", (path / "log.txt").read_text()))
        for path in finished()
    )
    assert begun > 12
    assert not list(store.glob("*/attempt-*/rows.json"))


@pytest.mark.slow
def test_a_machine_that_cannot_take_part_is_left_out(project: Path) -> None:
    process = cluster_of("ONEDNN_MAX_CPU_ISA=AVX2")
    try:
        assert process.stdout
        write_study(project, "s", seeds=[1, 2, 3, 4])
        environment: dict[str, Any] = {
            "RAY_ADDRESS": process.stdout.readline().strip(),
            "STUDY_STORE": "store",
        }
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        output, _ = run(project, "s", **environment)
    finally:
        end(process)
    assert len(re.findall(r"ONEDNN_MAX_CPU_ISA AVX2, expected unset: goes on without", output)) == 1
    assert output.splitlines()[-1] == "wrote studies/s/runs/runs.csv: 4 rows"


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_the_others_are_kept(project: Path) -> None:
    rate = {"architectures.lenet5.optimizer.learning_rate": 1e30}
    folder = write_study(project, "s", seeds=[1], settings={"fast": rate, "plain": {}})
    _, errors = run(project, "s", status=1)
    message = errors.splitlines()[-1]
    assert message.startswith(
        "study: 1 of 2 runs failed, the others are kept: fast-500-1: the loss"
    )
    assert "Traceback" not in errors
    rows = (folder / "runs/runs.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["setting", "plain"]


def test_a_study_of_another_data_set_is_refused(project: Path, call: Call) -> None:
    write_study(project, "s", dataset="mnist")
    with pytest.raises(PipelineError, match=r"holds optdigits, .* the study is of mnist"):
        call("s")
