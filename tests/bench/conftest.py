"""What the tests of the app have, for those of its measurements, and data to train on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import measuring
from tests.app.conftest import browser, images, model, network, page, server  # noqa: F401
from tests.conftest import IdxMaker
from tests.stages import running
from tests.studies.conftest import images as optdigits  # noqa: F401
from tests.studies.conftest import png  # noqa: F401


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


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Return what is written of results, in place of writing it."""
    kept: list[list[Any]] = []
    monkeypatch.setattr(measuring, "write", lambda name, figures: kept.append(list(figures)))
    return kept
