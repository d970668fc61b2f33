from pathlib import Path

import pytest
import yaml

from bench import measuring, training_speed
from tests.conftest import IdxMaker
from tests.stages import running

OPTIONS = ["--epochs", "1", "--images", "256"]


@pytest.fixture
def standardized(tmp_path: Path, idx_files: IdxMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with what standardize wrote."""
    content = yaml.safe_load((measuring.ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["split"].update(train=0.6, test=0.4)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    idx_files(tmp_path / "data/raw", training=600, testing=100)
    for stage in ("convert", "resplit", "standardize"):
        done = running.run(tmp_path, stage)
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(measuring.ROOT))


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_ours_is_held_against_a_bare_fit_with_and_without_xla() -> None:
    figures = training_speed.compare("dense", 1, OPTIONS)
    assert [figure["what"] for figure in figures] == [
        "training dense, against bare (XLA)",
        "training dense, against bare (no XLA)",
    ]
    for figure in figures:
        assert figure["wanted"] == ">= 1.0"
        ratio = figure["ours"]["median"] / figure["other"]["median"]
        assert figure["ratio"]["median"] == pytest.approx(ratio, rel=0.01)
