import datetime
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bench import measuring
from digits.errors import PipelineError
from digits.io import read_json


def module(folder: Path, code: str) -> list[str]:
    (folder / "work.py").write_text(code)
    return ["work"]


def test_time_and_memory_are_those_of_the_process(tmp_path: Path) -> None:
    code = "import time, sys\nmemory = b'1' * 200_000_000\ntime.sleep(0.5)\nprint(sys.argv[1])"
    began = time.perf_counter()
    used = measuring.run([*module(tmp_path, code), "said"], tmp_path)
    assert 0.5 < used.seconds < time.perf_counter() - began + 0.01
    assert 200e6 < used.memory < 260e6


def test_waiting_is_no_processor_time(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 0.5: pass\n"
    used = measuring.run(module(tmp_path, f"{work}time.sleep(1)"), tmp_path)
    assert 0.4 < used.processor < 1 < used.seconds


def test_mapped_files_are_no_memory(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(200_000_000))
    code = (
        "import mmap, time\nfile = open('large', 'rb')\n"
        "pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "print(sum(pages[::4096]))\ntime.sleep(0.3)"
    )
    assert measuring.run(module(tmp_path, code), tmp_path).memory < 100e6


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"work failed: .*out of luck"):
        measuring.run(module(tmp_path, "raise SystemExit('out of luck')"), tmp_path)


def test_pairs_are_compared_round_by_round() -> None:
    figure = measuring.pairs("speed", "images/s", [(10, 5), (30, 10), (20, 20)], ">= 1")
    assert figure["ours"] == {"median": 20, "lowest": 10, "highest": 30}
    assert figure["ratio"] == {"median": 2, "lowest": 1, "highest": 3}


def test_results_say_on_what_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results")
    measuring.write("speed", [{"what": "speed"}])
    content = read_json(tmp_path / "results/speed.json")
    today = datetime.date.today().isoformat()
    assert content["figures"] == [{"what": "speed", "day": today, "code": measuring.CODE}]
    assert content["machine"]["processors"] >= 1
    assert content["machine"]["packages"]["tensorflow"].startswith("2.")


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
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    author = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    (tmp_path / "work.py").write_text("1")
    for arguments in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "Work"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=tmp_path, capture_output=True, text=True
    ).stdout.strip()
    assert measuring.code() == commit
    (tmp_path / "work.py").write_text("2")
    assert measuring.code() == f"{commit}+"


def test_of_a_part_of_a_benchmark_only_that_part_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)

    def figures() -> list[dict[str, Any]]:
        found = read_json(tmp_path / "speed.json")["figures"]
        return [{key: one[key] for key in one if key not in ("day", "code")} for one in found]

    grown = [{"stage": "convert", "times": times, "seconds": times} for times in (10, 50)]
    measuring.write("speed", [{"what": "dense", "ours": 1}, {"what": "lenet5", "ours": 2}, *grown])
    lenet5 = {"what": "lenet5", "note": "2.0", "ours": 3}
    measuring.write("speed", [{**lenet5, "note": "1.9"}])
    measuring.write("speed", [lenet5, {**grown[1], "seconds": 51}])
    expected = [{"what": "dense", "ours": 1}, lenet5, grown[0]]
    expected.append({**grown[1], "seconds": 51})
    assert figures() == expected
    monkeypatch.setattr(measuring, "machine", lambda: {"processor": "another"})
    measuring.write("speed", [{"what": "lenet5", "ours": 4}])
    assert figures() == [{"what": "lenet5", "ours": 4}]
    assert "4 figures of another machine make way" in capsys.readouterr().out
