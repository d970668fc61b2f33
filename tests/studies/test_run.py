"""Whole studies, as processes, on scikit-learn's digits."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from digits.errors import PipelineError
from tests.studies.conftest import Call, write_study
from tests.workspace import ROOT, run, start

SIX: dict[str, Any] = {
    "architecture": "dense",
    "epochs": 10,
    "seeds": [1, 2],
    "base": "plain",
    "settings": {
        "plain": {},
        "l2": {"architectures.dense.l2": 0.01},
        "dropout": {"architectures.dense.dropout_head": 0.25},
    },
}
OUTPUTS = ("runs/runs.csv", "results/summary.json", "results/tables.md", "results/gaps.png")


def read(project: Path) -> list[bytes]:
    """Analyse the study of six runs; return all that it has written."""
    folder = project / "studies/six"
    run(project, "studies.analyse", "six")
    kept = sorted(folder.glob("runs/*.npz"))
    assert len(kept) == 6
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
    """Return a folder where the study of six runs was left alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(png / "params.yaml", folder)
    shutil.copytree(png / "data/png", folder / "data/png")
    write_study(folder, "six", **SIX)
    process = start(folder, "studies.run", "six")
    wait_until(lambda: len(workers(process)) == 2, process)
    heard = heard_on(process)
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (Path.home() / ".ray/auth_token").stat().st_mode & 0o077 == 0
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "wrote studies/six/runs/runs.csv: 6 rows"
    progress = errors.replace("\r", "\n")
    assert re.search(r" 6/6 .*failed=0, running=0", progress), progress
    return folder


@pytest.fixture(scope="module")
def expected(undisturbed: Path) -> list[bytes]:
    return read(undisturbed)


@contextmanager
def cluster(*arguments: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """Start a cluster of two machines; give its process, and what lets a study use it."""
    process = start(
        ROOT, "tests.studies.cluster", *arguments, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin
    assert process.stdout
    ray = {"RAY_ADDRESS": process.stdout.readline().strip(), "STUDY_STORE": "store"}
    try:
        yield process, ray | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    finally:
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
def test_only_what_is_missing_is_trained_and_older_rows_stay_until_told_otherwise(
    undisturbed: Path, expected: list[bytes], project: Path, call: Call
) -> None:
    (project / "checkpoints").symlink_to(undisturbed / "checkpoints")  # of all six
    folder = write_study(project, "six", **SIX)
    shutil.copytree(undisturbed / "studies/six/runs", folder / "runs")
    path = folder / "runs/runs.csv"
    header, *rows = path.read_text().splitlines()
    older = [row.rpartition(",")[0] + ",0123456789ab" for row in rows[:2]]
    path.write_text("\n".join([header, *older, *rows[:3:-1]]) + "\n")
    output = call("six")
    assert "runs.csv: 2 runs are of older code" in output
    assert "6 runs, 2 to train" in output
    before = path.read_text()
    assert before.count("0123456789ab") == 2
    call("six", "--commit", "l2")
    assert path.read_text() == before  # of another setting
    call("six", "--commit", "plain")
    assert read(project) == expected
    path.write_text(before)
    assert "6 runs, 2 to train" in call("six", "--renew")
    assert read(project) == expected
    path.write_text(before.replace(pd.read_csv(path, dtype=str)["data"][0], "fedcba987654"))
    with pytest.raises(PipelineError, match="plain-500-1 was trained on other images"):
        call("six", "--commit")


def kill_one(project: Path) -> bool:
    """Kill a worker that has begun a training, if there is one; return whether it was."""
    for log in project.glob("store/*/log.txt"):
        begun = re.findall(r", process (\d+)", log.read_text())
        if begun and not log.with_name("rows.json").exists():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(int(begun[-1])).kill()
                return True
    return False


@pytest.mark.slow
def test_a_study_survives_lost_workers_machines_and_its_own_end(
    expected: list[bytes], project: Path
) -> None:
    write_study(project, "six", **SIX)

    def finished() -> set[Path]:
        return {path.parent for path in project.glob("store/*/rows.json")}

    with cluster() as (machines, ray):
        driver = start(project, "studies.run", "six", env=ray)
        wait_until(lambda: len(finished()) >= 1 and kill_one(project), driver)
        wait_until(lambda: len(finished()) >= 2, driver)
        machines.stdin.write("\n")
        machines.stdin.flush()
        assert machines.stdout.readline() == "gone\n"
        wait_until(lambda: len(finished()) >= 3, driver)
        driver.kill()
        driver.communicate()
        before = {path: (path / "log.txt").read_bytes() for path in finished()}
        assert 3 <= len(before) < 6
        run(project, "studies.run", "six", env=ray)

    assert read(project) == expected
    assert len(finished()) == 6
    logs = {path: (path / "log.txt").read_bytes() for path in finished()}
    assert {path: logs[path] for path in before} == before  # not done twice
    assert sum(len(re.findall(rb"-\d, on .*, process", log)) for log in logs.values()) > 6
    assert not list(project.glob("store/*/attempt-*/rows.json"))


@pytest.mark.slow
def test_a_machine_that_cannot_take_part_is_left_out_and_a_run_that_fails_is_named(
    project: Path,
) -> None:
    rate = {"architectures.lenet5.optimizer.learning_rate": 1e30}
    folder = write_study(project, "s", seeds=[1], settings={"fast": rate, "plain": {}})
    with cluster("ONEDNN_MAX_CPU_ISA=AVX2") as (_, ray):
        output, errors = run(project, "studies.run", "s", status=1, env=ray)
    assert output.count("ONEDNN_MAX_CPU_ISA AVX2, expected unset: goes on without") == 1
    told = "study: 1 of 2 runs failed, the others are kept: fast-500-1: the loss"
    assert errors.splitlines()[-1].startswith(told)
    assert "Traceback" not in errors
    rows = (folder / "runs/runs.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["setting", "plain"]


def test_a_study_of_another_data_set_or_of_none_is_refused(project: Path, call: Call) -> None:
    write_study(project, "s", dataset="mnist")
    with pytest.raises(PipelineError, match=r"holds optdigits, .* the study is of mnist"):
        call("s")
    write_study(project, "s")
    (project / "data/png").unlink()
    with pytest.raises(PipelineError, match=r"zip is missing; `dvc repro convert` makes it"):
        call("s")
