import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sklearn

from digits.errors import PipelineError
from studies import engine, jobs
from tests.studies.conftest import noise


@dataclass(frozen=True)
class Counting:
    """A job that counts to three in its folder; ``trouble`` breaks it there."""

    name: str
    trouble: Exception | None = None
    threads: int = 1
    content: Any = None
    modules: list[str] = field(default_factory=list)

    def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
        state = folder / "state.npz"
        start = int(state.read_text()) if state.exists() else 0
        for number in range(start, 3):
            state.write_text(str(number + 1))
            print(f"{self.name} counts {number + 1}")
            if self.trouble:
                raise self.trouble
        return {"counted": 3, "images": len(images.labels)}


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)


def test_every_training_is_run_once(tmp_path: Path) -> None:
    trainings = {name: Counting(name) for name in "ab"}
    first = dict(engine.run(trainings, noise(20), tmp_path))
    assert first == {name: {"counted": 3, "images": 20} for name in "ab"}
    trainings["c"] = Counting("c")
    again = dict(engine.run(trainings, noise(20), tmp_path))
    assert list(again) == ["a", "b", "c"]
    logs = [(tmp_path / name / "log.txt").read_text() for name in "abc"]
    assert [log.splitlines()[1:] for log in logs] == [
        [f"{name} counts {number}" for number in (1, 2, 3)] for name in "abc"
    ]
    assert {path.name for path in tmp_path.glob("*/*")} == {"log.txt", "result.json"}


def test_one_that_fails_is_told_with_its_name_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings = {
        "a": Counting("rate 9, seed 1", PipelineError("no finite number")),
        "b": Counting("rate 1, seed 1"),
        "c": Counting("rate 5, seed 1", ZeroDivisionError("by zero")),
    }
    done: dict[str, Any] = {}
    with pytest.raises(PipelineError) as caught:
        done.update(engine.run(trainings, noise(20), tmp_path))
    message = str(caught.value)
    assert message.startswith("2 of 3 trainings failed, the others are kept: rate 9, seed 1: no fi")
    assert "; rate 5, seed 1: ZeroDivisionError: by zero (see " in message
    assert engine.load(tmp_path / "b") == {"counted": 3, "images": 20}
    assert "Traceback" in (tmp_path / "c/log.txt").read_text()
    assert "failed: rate 9, seed 1" in capsys.readouterr().out


def test_another_attempt_goes_on_where_the_last_was_lost(tmp_path: Path) -> None:
    lost = tmp_path / "attempt-1/state.npz"
    lost.parent.mkdir()
    lost.write_text("2")
    assert engine.attempt(Counting("a"), noise(20), tmp_path)[0] == "done"
    assert (tmp_path / "log.txt").read_text().splitlines()[1:] == ["a counts 3"]
    assert not lost.parent.exists()


def test_an_attempt_given_up_for_lost_may_still_finish(tmp_path: Path) -> None:
    class Slow(Counting):
        def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
            assert engine.attempt(Counting("other"), images, tmp_path)[0] == "done"
            return super().run(images, folder)

    assert engine.attempt(Slow("a"), noise(20), tmp_path)[0] == "done"
    assert json.loads((tmp_path / "result.json").read_text()) == {"counted": 3, "images": 20}


def test_an_attempt_may_lose_its_folder_to_a_faster_one_at_the_very_end(tmp_path: Path) -> None:
    class Slow(Counting):
        def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
            result = super().run(images, folder)
            assert engine.attempt(Counting("other"), images, tmp_path)[0] == "done"
            assert not folder.exists()
            return result

    assert engine.attempt(Slow("a"), noise(20), tmp_path) == ("done", {"counted": 3, "images": 20})


def test_an_attempt_without_room_for_its_result_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(engine, "write_json", full)
    kind, reason = engine.attempt(Counting("a"), noise(20), tmp_path)
    assert (kind, reason[:8]) == ("failed", "OSError:")
    assert "No space left on device (see " in reason


def test_a_result_that_is_no_json_is_none(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"counted":')
    assert engine.load(tmp_path) is None


def test_a_machine_that_cannot_take_part_says_why(tmp_path: Path) -> None:
    images, versions = noise(20), engine._versions()
    kind, reason = engine._attempt_elsewhere(
        Counting("a"), images, tmp_path, versions | {"keras": "3.0.0"}
    )
    assert kind == "unfit"
    assert "'keras': '3.0.0'" in reason
    assert f"'sklearn': '{sklearn.__version__}'" in reason
    kind, reason = engine._attempt_elsewhere(Counting("a"), images, tmp_path / "none", versions)
    assert kind == "unfit"
    assert "STUDY_STORE must name a folder that all share" in reason


def node(cpu: float, gib: float, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpu, "memory": gib * 2**30}}


@pytest.mark.parametrize(
    ("nodes", "threads", "places"),
    [
        ([node(4, 100)], 1, 4),
        ([node(4, 100)], 3, 1),
        ([node(4, 4)], 1, 2),
        ([node(4, 100), node(3, 100), node(8, 100, alive=False)], 2, 3),
    ],
)
def test_as_many_run_as_machines_have_room_for(
    nodes: list[dict[str, Any]], threads: int, places: int
) -> None:
    assert engine._places(nodes, threads, []) == places


def test_a_training_too_large_for_every_machine_is_refused() -> None:
    with pytest.raises(PipelineError, match="no machine has 8 processors"):
        engine._places([node(4, 100), node(4, 100)], 8, [])


def test_machines_that_are_away_are_waited_for_while_trainings_are_under_way() -> None:
    assert engine._places([node(4, 100, alive=False)], 1, ["one"]) == 0


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
