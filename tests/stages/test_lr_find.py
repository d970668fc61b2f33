import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits.io import write_json
from tests.stages.running import ROOT, run


@pytest.fixture
def workspace(tmp_path: Path, noisy: tuple[np.ndarray, np.ndarray]) -> Path:
    """Return a folder with 400 noisy images, and dense asking for a rate."""
    images, labels = noisy
    ids = np.arange(400)
    standardized = tmp_path / "data/standardized"
    standardized.mkdir(parents=True)
    np.save(standardized / "images.npy", images)
    write_json(standardized / "statistics.json", {"mean": 33.0, "deviation": 78.0})
    table = pd.DataFrame({"id": ids, "label": labels})
    table = table.assign(train=ids < 300, dev=(ids >= 300) & (ids < 340), test=ids >= 340)
    table.astype(int).to_csv(tmp_path / "data/split.csv", index=False)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["architectures"]["dense"]["optimizer"]["learning_rate"] = "suggested"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return tmp_path


@pytest.mark.slow
def test_a_rate_is_suggested_and_the_curve_shown(workspace: Path) -> None:
    first = run(workspace, "lr_find", "dense")
    assert first.returncode == 0, first.stderr
    result = workspace / "data/learning_rates/dense.json"
    suggested = json.loads(result.read_text())["suggested"]
    folder = workspace / "plots/lr_find/dense"
    curve = pd.read_csv(folder / "curve.csv")
    assert list(curve.columns) == ["batch", "learning_rate", "loss", "smoothed_loss"]
    lowest = curve["learning_rate"][curve["smoothed_loss"].argmin()]
    assert suggested == pytest.approx(lowest / 10, rel=0.05)
    assert curve["learning_rate"].iloc[0] == pytest.approx(1e-6)
    assert f"suggested learning rate {suggested:g}, after {len(curve)} batches" in first.stdout
    with Image.open(folder / "curve.png") as picture:
        assert picture.width == 1200

    made = [path.read_bytes() for path in (result, folder / "curve.csv", folder / "curve.png")]
    again = run(workspace, "lr_find", "dense")
    assert again.stdout == first.stdout
    paths = (result, folder / "curve.csv", folder / "curve.png")
    assert [path.read_bytes() for path in paths] == made


def test_where_no_rate_is_to_be_suggested_there_is_none(workspace: Path) -> None:
    done = run(workspace, "lr_find", "lenet5")
    assert done.returncode == 0, done.stderr
    assert "lenet5: its learning rates are given" in done.stdout
    content = json.loads((workspace / "data/learning_rates/lenet5.json").read_text())
    assert content == {"suggested": None}
    assert list((workspace / "plots/lr_find/lenet5").iterdir()) == []
