from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digits.data.dataset import Images
from digits.errors import PipelineError
from studies import engine
from studies.runs import Row
from tests.studies.conftest import noise

COUNTED = [{"counted": 3, "images": 20}]


@dataclass(frozen=True)
class Counting:
    """A run that counts to three in its folder; ``trouble`` breaks it there."""

    name: str
    trouble: Exception | None = None

    def execute(self, images: Images, folder: Path) -> list[Row]:
        state = folder / "state/counted"
        state.parent.mkdir(exist_ok=True)
        start = int(state.read_text()) if state.exists() else 0
        for number in range(start, 3):
            state.write_text(str(number + 1))
            print(f"{self.name} counts {number + 1}")
            if self.trouble:
                raise self.trouble
        (folder / "kept.npz").write_bytes(b"kept")
        return [{"counted": 3, "images": len(images.labels)}]


def attempt(one: Any, folder: Path) -> engine.Outcome:
    return engine.attempt(one, noise(20), folder)


def test_a_run_leaves_its_rows_what_it_keeps_and_a_log(tmp_path: Path) -> None:
    assert attempt(Counting("a"), tmp_path) == ("done", COUNTED)
    assert {path.name for path in tmp_path.iterdir()} == {"kept.npz", "log.txt", "rows.json"}
    assert engine.load(tmp_path) == COUNTED
    assert attempt(Counting("a", ValueError("again")), tmp_path) == ("done", COUNTED)


def test_another_attempt_goes_on_where_the_last_was_lost(tmp_path: Path) -> None:
    lost = tmp_path / "attempt-1/state/counted"
    lost.parent.mkdir(parents=True)
    lost.write_text("2")
    assert attempt(Counting("a"), tmp_path)[0] == "done"
    assert (tmp_path / "log.txt").read_text().splitlines()[1:] == ["a counts 3"]
    assert not lost.parent.exists()


@pytest.mark.parametrize("finishes_first", [True, False])
def test_an_attempt_given_up_for_lost_may_still_finish(
    tmp_path: Path, finishes_first: bool
) -> None:
    class Slow(Counting):
        def execute(self, images: Images, folder: Path) -> list[Row]:
            rows = super().execute(images, folder) if finishes_first else []
            assert attempt(Counting("other"), tmp_path)[0] == "done"
            return rows or super().execute(images, folder)

    assert attempt(Slow("a"), tmp_path) == ("done", COUNTED)
    assert engine.load(tmp_path) == COUNTED


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (PipelineError("no finite number"), "no finite number (see "),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero (see "),
    ],
)
def test_a_run_that_fails_says_why(tmp_path: Path, trouble: Exception, reason: str) -> None:
    kind, told = attempt(Counting("a", trouble), tmp_path)
    assert kind == "failed"
    assert told.startswith(reason)
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    (tmp_path / "rows.json").write_text('[{"counted":')  # no JSON is no result
    assert engine.load(tmp_path) is None


def test_a_machine_that_cannot_take_part_says_why(tmp_path: Path) -> None:
    versions = engine._versions()
    assert engine.unfit_for(tmp_path, versions) is None
    other = versions | {"keras": "3.0.0", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    told = str(engine.unfit_for(tmp_path, other))
    assert f"keras {versions['keras']}, expected 3.0.0" in told
    assert "ONEDNN_MAX_CPU_ISA unset, expected AVX2" in told
    missing = str(engine.unfit_for(tmp_path / "none", versions))
    assert "STUDY_STORE must name a folder that all share" in missing


def node(cpu: float, gib: float, name: str = "a", alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "NodeID": name, "Resources": {"CPU": cpu, "memory": gib * 2**30}}


@pytest.mark.parametrize(
    ("nodes", "threads", "places"),
    [
        ([node(4, 100)], 3, 1),
        ([node(4, 4)], 1, 2),
        ([node(4, 100), node(3, 100), node(8, 100, alive=False), node(8, 100, "unfit")], 2, 3),
    ],
)
def test_as_many_run_as_machines_have_room_for(
    nodes: list[dict[str, Any]], threads: int, places: int
) -> None:
    assert engine._places(nodes, threads, {"unfit": "why"}, False) == places


def test_a_run_that_no_machine_can_take_is_refused_unless_one_may_come_back() -> None:
    with pytest.raises(PipelineError, match="no machine has 8 CPU cores"):
        engine._places([node(4, 100), node(4, 100)], 8, {}, False)
    with pytest.raises(PipelineError, match="other versions"):
        engine._places([node(4, 100)], 1, {"a": "other versions"}, False)
    assert engine._places([node(4, 100, alive=False)], 1, {}, True) == 0


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:9", "Connection refused"), ("auto", "invalid literal"), ("a:99999", "")],
)
def test_nobody_at_the_address_is_told_at_once(address: str, reason: str) -> None:
    with pytest.raises(PipelineError) as caught:
        engine._knock(address)
    message = str(caught.value)
    start = "RAY_ADDRESS: expected host:port of a cluster that runs, given"
    assert message.startswith(f"{start} {address}: ")
    assert reason in message
