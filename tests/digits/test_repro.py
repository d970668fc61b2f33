"""`digits.repro` in small repositories of DVC's, beside a plain `dvc repro`."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
import yaml

from digits import repro
from digits.io import write_json
from tests.workspace import run, start

# Each stage notes that it begins and ends, and copies its inputs into its output.
WORK = """
import sys, time
from pathlib import Path
name, seconds, *inputs = sys.argv[1:]
with open("log.txt", "a") as log:
    print("begins", name, file=log, flush=True)
    time.sleep(float(seconds))
    print("ends", name, file=log, flush=True)
Path(name).write_text(name + "".join(Path(one).read_text() for one in inputs))
"""
STAGES = {  # seconds, inputs
    "data": ("0", "raw"),
    "one": ("6", "data"),
    "two": ("6", "data", "notes"),
    "after_one": ("0", "one"),
    "both": ("0", "one", "two"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what a plain `dvc repro` makes of the project."""
    folder = make_project(tmp_path_factory.mktemp("plain"))
    run(folder, "dvc", "repro")
    return outcome(folder)


def make_project(folder: Path) -> Path:
    run(folder, "dvc", "init", "--no-scm")
    for name, text in {"work.py": WORK, "raw": "raw", "notes": "notes"}.items():
        (folder / name).write_text(text)
    stages = {}
    for name, (seconds, *inputs) in STAGES.items():
        command = f"python work.py {name} {seconds} {' '.join(inputs)}"
        stages[name] = {"cmd": command, "deps": inputs, "outs": [name]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    return folder


def outcome(folder: Path) -> tuple[Any, dict[str, str]]:
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    return lock, {name: (folder / name).read_text() for name in STAGES}


@pytest.mark.slow
def test_independent_stages_run_side_by_side_with_the_outcome_of_dvc(
    project: Path, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, _ = run(project, "digits.repro", "--jobs", "2")
    assert output.startswith("5 stages to run, 2 at a time\ndata: ")
    assert "\nup to date after " in output
    events = (project / "log.txt").read_text().splitlines()
    assert events[:2] == ["begins data", "ends data"]
    assert set(events[2:4]) == {"begins one", "begins two"}
    assert events.index("begins both") > max(events.index("ends one"), events.index("ends two"))
    assert outcome(project) == plain

    assert run(project, "digits.repro")[0].startswith("up to date after ")
    (project / "notes").write_text("others")
    monkeypatch.chdir(project)
    assert repro.out_of_date() == {"two": set(), "both": {"two"}}


@pytest.mark.slow
def test_a_stop_stops_everything_and_the_next_run_goes_on(project: Path, plain: Any) -> None:
    log = project / "log.txt"
    for how, begun in ((signal.SIGINT, 3), (signal.SIGTERM, 5), (signal.SIGKILL, 7)):
        process = start(project, "digits.repro", "--jobs", "2")
        while not log.exists() or log.read_text().count("begins") < begun:
            assert process.poll() is None
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert [one for one in children if "work.py" in " ".join(one.cmdline())]
        process.send_signal(how)
        if how == signal.SIGKILL:  # it can stop nothing any more
            for one in children:
                one.kill()
        errors = process.communicate()[1]
        if how != signal.SIGKILL:
            assert process.returncode == 130
            assert errors == "repro: interrupted; the same command goes on from here\n"
        assert psutil.wait_procs(children, timeout=5)[1] == []
    output, _ = run(project, "digits.repro")
    assert output.startswith(f"4 stages to run, {joblib.cpu_count()} at a time\n")
    assert outcome(project) == plain


@pytest.mark.slow
def test_a_failure_is_shown_and_what_runs_beside_it_ends_well(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text.replace("work.py two 6", "work.py two no-number"))
    _, errors = run(project, "digits.repro", "--jobs", "2", status=1)
    assert "could not convert string to float: 'no-number'" in errors
    assert errors.endswith("repro: failed: two; see above\n")
    assert (project / "one").exists()
    assert not (project / "after_one").exists()


def test_no_jobs_are_refused_and_nothing_begins_while_another_dvc_runs(project: Path) -> None:
    _, errors = run(project, "digits.repro", "--jobs", "0", status=1)
    assert errors == "repro: --jobs must be at least 1, given 0\n"
    holder = {"pid": os.getpid(), "cmd": "dvc repro data"}
    write_json(project / ".dvc/tmp/rwlock", {"write": {str(project / "data"): holder}})
    _, errors = run(project, "digits.repro", status=1)
    assert errors.startswith("repro: dvc status: ")
    assert f"(PID {os.getpid()}): dvc repro data" in errors
    assert errors.count("\n") == 1
