import datetime
import subprocess
import time
from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import measuring
from digits.config import Augment, OneCycle
from digits.errors import PipelineError
from digits.io import read_json

WORK = """
import mmap, sys, time
memory = b"1" * 200_000_000
with open("large", "rb") as file:
    print(sum(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[::4096]), sys.argv[1])
while time.process_time() < 0.5:
    pass
time.sleep(1)
"""


def run(folder: Path, code: str, *arguments: str) -> measuring.Used:
    (folder / "work.py").write_text(code)
    return measuring.run(["work", *arguments], folder)


def test_what_a_process_took_leaves_out_waiting_and_mapped_files(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(200_000_000))
    began = time.perf_counter()
    used = run(tmp_path, WORK, "said")
    assert 0.4 < used.cpu < 1 < used.seconds < time.perf_counter() - began + 0.01
    assert 200e6 < used.memory < 300e6
    assert used.output == "0 said\n"


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"work failed: .*out of luck"):
        run(tmp_path, "raise SystemExit('out of luck')")


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="none is missing; `dvc repro convert` makes it"):
        measuring.require("dvc repro convert", str(tmp_path), str(tmp_path / "none"))
    assert measuring.count("1") == 1
    with pytest.raises(ArgumentTypeError, match="must be at least 1, given 0"):
        measuring.count("0")


def test_kinds_take_turns_and_are_compared_round_by_round() -> None:
    order = []

    def measure(kind: str) -> float:
        order.append(kind)
        return {"ours": 20, "other": 10}[kind] * len(order)

    kinds = {kind: partial(measure, kind) for kind in ("ours", "other")}
    found = measuring.take_turns(kinds, 2)
    assert order == ["ours", "other", "other", "ours"]
    assert found == {"ours": [20, 80], "other": [20, 30]}
    figure = measuring.figure("speed", "s", ">= 1", *found.values(), note="1.0")
    assert figure["ours"] == {"median": 50, "lowest": 20, "highest": 80}
    assert figure["ratio"] == {"median": 1.833, "lowest": 1, "highest": 2.667}
    assert figure["note"] == "1.0"


def test_a_limit_to_older_instructions_makes_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    unlimited = measuring.machine()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert measuring.machine() == {**unlimited, "onednn_max_cpu_isa": "AVX2"}


def test_the_code_is_the_commit_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        author = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        command = ["git", *author, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    (tmp_path / "work.py").write_text("1")
    for command in ("init -q", "add .", "commit -qm Work"):
        git(*command.split())
    commit = git("rev-parse", "--short", "HEAD")
    assert measuring.code() == commit
    (tmp_path / "work.py").write_text("2")
    assert measuring.code() == f"{commit}+"


def test_of_a_part_of_a_benchmark_only_that_part_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    of = {"day": datetime.date.today().isoformat(), "code": measuring.CODE}

    def figures() -> Any:
        return read_json(tmp_path / "speed.json")["figures"]

    grown = [{"stage": "convert", "times": times, "seconds": times} for times in (10, 50)]
    measuring.write("speed", [{"what": "dense", "ours": 1}, {"what": "lenet5", "ours": 2}, *grown])
    lenet5 = {"what": "lenet5", "note": "2.0", "ours": 3}
    measuring.write("speed", [{**lenet5, "note": "1.9"}])
    measuring.write("speed", [lenet5, {**grown[1], "seconds": 51}])
    expected: list[Any] = [{"what": "dense", "ours": 1}, lenet5, *grown]
    expected[3]["seconds"] = 51
    assert figures() == [one | of for one in expected]
    monkeypatch.setattr(measuring, "machine", lambda: {"processor": "another"})
    measuring.write("speed", [{"what": "lenet5", "ours": 4}])
    assert figures() == [{"what": "lenet5", "ours": 4, **of}]
    assert "4 figures of another machine make way" in capsys.readouterr().out


@pytest.mark.usefixtures("standardized")
def test_a_short_training_is_of_few_images_in_one_phase() -> None:
    _, recipe, data = measuring.short_training("resnet34", 3, 100)
    ((name, phase),) = (recipe.phases or {}).items()
    assert name == "all"
    assert (phase.epochs, phase.learning_rate) == (3, measuring.RATE)
    assert isinstance(phase.schedule, OneCycle)
    assert phase.schedule.momentum
    assert recipe.augment == Augment()
    assert len(data.rows["train"]) == 100
    ends = [7.0, 9.0, 19.0, 23.0]  # of a first epoch, and of three that took 2, 10 and 4 seconds
    assert measuring.images_a_second(data, ends) == 100 / 4
