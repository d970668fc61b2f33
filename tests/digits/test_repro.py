import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from digits import repro

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
# Each stage notes when it began and ended, beside its output, which has the inputs' content.
WORK = """
import sys, time
from pathlib import Path
name, seconds, *inputs = sys.argv[1:]
with open("log.txt", "a") as log:
    print("begins", name, time.time(), file=log, flush=True)
    time.sleep(float(seconds))
    print("ends", name, time.time(), file=log, flush=True)
Path(name).write_text(name + "".join(Path(one).read_text() for one in inputs))
"""


def stage(name: str, seconds: float, *inputs: str) -> dict[str, Any]:
    command = f"python work.py {name} {seconds} {' '.join(inputs)}"
    return {"cmd": command, "deps": ["raw", *inputs], "outs": [name]}


def make_project(folder: Path) -> Path:
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    (folder / "work.py").write_text(WORK)
    (folder / "raw").write_text("raw")
    (folder / "params.yaml").write_text("threads: 2\n")
    stages = {
        "data": stage("data", 0),
        "one": stage("one", 6, "data"),
        "two": stage("two", 6, "data"),
        "after_one": stage("after_one", 0, "one"),
        "both": stage("both", 0, "one", "two"),
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "digits.repro", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def times(folder: Path) -> dict[tuple[str, str], float]:
    lines = [line.split() for line in (folder / "log.txt").read_text().splitlines()]
    return {(event, name): float(moment) for event, name, moment in lines}


@pytest.mark.slow
def test_independent_stages_run_side_by_side_with_the_outcome_of_dvc(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = start(project, "--jobs", "2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "5 stages to run, 2 at a time" in output
    at = times(project)
    assert at["begins", "two"] < at["ends", "one"]
    assert at["begins", "one"] < at["ends", "two"]
    assert at["begins", "both"] > max(at["ends", "one"], at["ends", "two"])
    plain = make_project(tmp_path_factory.mktemp("plain"))
    subprocess.run(["dvc", "repro", "-q"], cwd=plain, env=ENVIRONMENT, check=True)
    for path in ("data", "one", "two", "after_one", "both"):
        assert (project / path).read_bytes() == (plain / path).read_bytes()
    locks = [yaml.safe_load((folder / "dvc.lock").read_text()) for folder in (project, plain)]
    assert locks[0] == locks[1]

    noted = (project / "log.txt").read_text()
    process = start(project, "--jobs", "2")
    assert process.communicate()[0].startswith("up to date")
    assert (project / "log.txt").read_text() == noted


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_a_stop_stops_everything_and_the_next_run_goes_on(
    project: Path, how: signal.Signals
) -> None:
    process = start(project, "--jobs", "2")
    log = project / "log.txt"
    while not log.exists() or log.read_text().count("begins") < 3:
        assert process.poll() is None
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert [one for one in children if "work.py" in " ".join(one.cmdline())]
    process.send_signal(how)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.endswith("repro: interrupted; the same command goes on from here\n")
    assert [one for one in children if one.is_running()] == []
    process = start(project, "--jobs", "2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "4 stages to run" in output


@pytest.mark.slow
def test_a_stop_stops_the_last_look_too(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text.replace(" 6", " 0"))
    process = start(project, "--jobs", "2")
    assert process.stdout
    while process.stdout.readline() != "the rest, by `dvc repro`\n":
        assert process.poll() is None
    time.sleep(0.5)
    (last,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "repro: interrupted; the same command goes on from here\n"
    assert not last.is_running()
    output, errors = start(project, "--jobs", "2").communicate()
    assert output.startswith("up to date"), errors


@pytest.mark.slow
def test_a_failure_is_shown_and_what_runs_beside_it_ends_well(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text.replace("work.py two 6", "work.py two no-number"))
    process = start(project, "--jobs", "2")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "could not convert string to float: 'no-number'" in errors
    assert errors.endswith("repro: failed: two; see above\n")
    assert (project / "one").exists()
    assert not (project / "after_one").exists()


@pytest.mark.slow
def test_a_stage_whose_file_another_dvc_holds_is_tried_again(project: Path) -> None:
    lock = project / ".dvc/tmp/rwlock"
    holder = {"pid": os.getpid(), "cmd": "dvc repro data"}
    process = start(project, "--jobs", "1")
    assert process.stdout
    assert "5 stages to run" in process.stdout.readline()
    lock.write_text(json.dumps({"write": {str(project / "data"): holder}}))
    time.sleep(8)
    assert process.poll() is None
    assert not (project / "data").exists()
    lock.unlink()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert (project / "both").exists()


def test_what_depends_on_a_change_runs_too() -> None:
    dag = '"a";\n"b";\n"c";\n"d";\n"a" -> "b";\n"b" -> "c";\n"a" -> "d";\n"d" -> "c";\n'
    status = json.dumps({"b": [{"changed deps": {"x": "modified"}}]})
    assert repro.out_of_date(dag, status) == {"b": set(), "c": {"b"}}
    assert repro.out_of_date(dag, "{}") == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS binds no processors")
def test_only_the_processors_it_may_use_count() -> None:
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    code += "from digits import repro; print(repro.processors())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_unless_told_otherwise_every_processor_has_a_stage(project: Path) -> None:
    with start(project) as process:
        assert process.stdout
        assert process.stdout.readline() == f"5 stages to run, {repro.processors()} at a time\n"
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_no_jobs_are_refused(project: Path, jobs: str) -> None:
    _, errors = start(project, "--jobs", jobs).communicate()
    assert errors == f"repro: --jobs must be at least 1, given {jobs}\n"
