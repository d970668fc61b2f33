import datetime
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from bench import measuring
from digits.errors import PipelineError

WORK = """
import mmap, sys, time
memory = b"1" * 200_000_000
with open("large", "rb") as file:
    print(sum(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[::4096]), sys.argv[1])
time.sleep(0.5)
if sys.argv[1] == "luck":
    raise SystemExit("out of luck")
"""


def test_what_a_process_took_leaves_out_mapped_files_and_a_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(200_000_000))
    (tmp_path / "work.py").write_text(WORK)
    began = time.perf_counter()
    used = measuring.run("work", "said", folder=tmp_path)
    assert 0.5 < used.seconds < time.perf_counter() - began + 0.01
    assert 200 < used.megabytes < 300
    assert used.output == "0 said\n"
    with pytest.raises(PipelineError, match=r"work luck failed: 0 luck\nout of luck"):
        measuring.run("work", "luck", folder=tmp_path)


def test_kinds_take_turns_and_are_compared_round_by_round() -> None:
    order = []

    def measure(kind: str) -> float:
        order.append(kind)
        return {"ours": 20, "other": 10}[kind] * len(order)

    kinds = {kind: partial(measure, kind) for kind in ("ours", "other")}
    found = measuring.take_turns(kinds, 2)
    assert order == ["ours", "other", "other", "ours"]
    assert found == {"ours": [20, 80], "other": [20, 30]}
    figure = measuring.figure("speed", "s", ">= 1", *found.values())
    assert figure["ours"] == "50 [20, 80]"
    assert figure["ratio"] == "1.833 [1, 2.667]"
    alone = measuring.figure("accuracy", "%", "", [3141.59])
    assert [alone[side] for side in ("ours", "other", "ratio")] == ["3,142", "", ""]


def test_a_limit_to_older_instructions_makes_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    unlimited = measuring.machine()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert measuring.machine() == f"{unlimited}, oneDNN with AVX2 at most"


def test_only_what_was_measured_is_new_in_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(measuring, "TABLE", tmp_path / "results.md")
    old = {"what": "dense", "unit": "s", "ours": "1", "other": "", "ratio": "", "wanted": ""}
    old |= {"day": "2026-01-02", "code": "1a2b+", "machine": "Slow"}
    header, row = (",".join(part) for part in (old, old.values()))
    measuring.RESULTS.write_text(f"{header}\n{row}\n{row.replace('dense', 'lenet5')}\n")
    measuring.write([measuring.figure(what, "s", "", [3, 2]) for what in ("swift", "dense")])
    of = {"day": datetime.date.today().isoformat(), "code": measuring.CODE}
    new = old | of | {"ours": "2.5 [2, 3]", "machine": measuring.machine()}
    expected = [new, old | {"what": "lenet5"}, new | {"what": "swift"}]
    assert measuring.read().to_dict("records") == expected


def test_the_table_has_every_figure_and_the_machine_it_is_of() -> None:
    of = {"day": "2026-01-02", "code": "1a2b"}
    figures = [
        measuring.figure("convert", "images/s", ">= 2", [3000, 4000], [1000, 1000]),
        measuring.figure("repro", "s", "<= 4 s", [3.14159]),
        measuring.figure("train", "s", "", [1]),
    ]
    machines = ["Fast", "Slow", "Fast"]
    rows = [one | of | {"machine": name} for one, name in zip(figures, machines, strict=True)]
    lines = measuring.markdown(pd.DataFrame(rows)).splitlines()
    assert [line.replace(" ", "") for line in lines[2:]] == [
        "|convert|images/s|3,500[3,000,4,000]|1,000|3.5[3,4]|>=2|2026-01-02|1|",
        "|repro|s|3.142|||<=4s|2026-01-02|2|",
        "|train|s|1||||2026-01-02|1|",
        "",
        "Machines:",
        "",
        "1.Fast.",
        "2.Slow.",
    ]


def test_the_committed_table_has_the_results() -> None:
    table = measuring.TABLE.read_text(encoding="utf-8")
    assert table == f"{measuring.markdown(measuring.read())}\n"
