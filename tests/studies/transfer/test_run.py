from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from digits import config
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from studies.transfer import run, settings
from studies.transfer.settings import Small

ROOT = Path(__file__).parents[3]


def squares(count: int) -> Dataset:
    """White squares of 12x12 pixels in the middle, standardized by 33 and 78."""
    images = np.zeros((count, 28, 28), np.float32)
    images[:, 8:20, 8:20] = 255
    images = (images - np.float32(33)) / np.float32(78)
    return Dataset(images, np.zeros(count, np.uint8), 33.0, 78.0, {})


def test_images_become_smaller_and_lie_anywhere_they_fit() -> None:
    data = squares(500)
    small = run.shrink(data, np.arange(500), Small(lowest=0.5, highest=0.7, seed=1))
    ink = small * 78 + 33 > 128
    rows, columns = ink.any(axis=2), ink.any(axis=1)
    heights, widths = rows.sum(axis=1), columns.sum(axis=1)
    assert abs(heights - widths).max() <= 1
    assert (heights.min(), heights.max()) == (6, 9)  # 12 pixels by 14/28 and 20/28
    tops, lefts = rows.argmax(axis=1), columns.argmax(axis=1)
    for starts, lengths in ((tops, heights), (lefts, widths)):
        assert starts.min() <= 5
        assert (starts + lengths).max() >= 23
        assert starts.min() >= 4 - 1  # the frame of the image is shrunk too, and stays whole
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.2
    assert np.abs(small.min() * 78 + 33) < 1e-4


def test_they_follow_from_the_seed() -> None:
    data, rows = squares(20), np.arange(20)
    one, other = (Small(lowest=0.5, highest=0.7, seed=seed) for seed in (1, 2))
    first = run.shrink(data, rows, one)
    np.testing.assert_array_equal(first, run.shrink(data, rows, one))
    assert not np.array_equal(first, run.shrink(data, rows, other))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with the parameters and something as data."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "data/standardized").mkdir(parents=True)
    (tmp_path / "data/split.csv").write_text("id\n")
    (tmp_path / "data/standardized/statistics.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arms() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((ROOT / "studies/transfer/params.yaml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = content["arms"]
    return found


def test_a_training_has_a_folder_of_its_own(project: Path) -> None:
    folders = {
        (arm, seed): run.workspace("resnet34", changes, seed)
        for arm, changes in arms().items()
        for seed in (1, 2)
    }
    assert len(set(folders.values())) == 4
    values = {key: config.load(folder / "params.yaml") for key, folder in folders.items()}
    assert [values["letters", seed].seed for seed in (1, 2)] == [1, 2]
    letters, scratch = (values[arm, 1].architectures["resnet34"] for arm in ("letters", "scratch"))
    assert letters == config.load(ROOT / "params.yaml").architectures["resnet34"]
    assert scratch.pretrained == "none"
    assert [phase.trainable for phase in scratch.plan] == ["all"]
    folder = folders["letters", 1]
    assert (folder / "data/split.csv").read_text() == "id\n"
    assert run.workspace("resnet34", {}, 1) == folder
    (project / "data/split.csv").write_text("id\n1\n")
    assert run.workspace("resnet34", {}, 1) != folder


def test_an_arm_that_cannot_be_ends_before_any_training(project: Path) -> None:
    with pytest.raises(PipelineError, match="resnet34: epochs and schedule and optimizer"):
        run.workspace("resnet34", {"phases": None}, 1)


@pytest.mark.parametrize(
    ("entry", "value", "complaint"),
    [
        ("small", {"lowest": 0.7, "highest": 0.5, "seed": 1}, "small: .*lowest must not be above"),
        ("small", {"lowest": 0.5, "highest": 1.2, "seed": 1}, r"small\.highest: Input should be"),
        ("seeds", [], "seeds: List should have at least 1 item"),
        ("arm", {}, "arm: Extra inputs are not permitted"),
    ],
)
def test_bad_parameters_are_told_by_key(
    tmp_path: Path, entry: str, value: Any, complaint: str
) -> None:
    content = yaml.safe_load((ROOT / "studies/transfer/params.yaml").read_text(encoding="utf-8"))
    content[entry] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(PipelineError, match=f"params.yaml: {complaint}"):
        settings.load(path)


def test_the_arms_of_the_stages_are_those_of_the_parameters() -> None:
    stages = yaml.safe_load((ROOT / "studies/transfer/dvc.yaml").read_text(encoding="utf-8"))
    assert stages["stages"]["run"]["matrix"]["arm"] == list(arms())
