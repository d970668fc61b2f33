import sys
from pathlib import Path

import numpy as np
import pytest

from app import kaggle
from app.classifier import Classifier
from digits.errors import PipelineError
from tests.conftest import kaggle_csv

IMAGES = np.random.default_rng(2).integers(0, 256, (1200, 28, 28), dtype=np.uint8)


def test_a_submission_has_the_predictions_of_the_network(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "new/submission.csv"
    monkeypatch.setattr(sys, "argv", ["", str(source), str(target), "--model", str(model)])
    kaggle_csv(source, np.resize(IMAGES, (28_000, 28, 28)))
    kaggle.main()
    assert capsys.readouterr().out == f"{target}: 28,000 images classified\n"
    classifier = Classifier(model)
    labels = np.resize([classifier.probabilities(image).argmax() for image in IMAGES], 28_000)
    lines = [f"{number},{label}\n" for number, label in enumerate(labels, 1)]
    submission = "".join(["ImageId,Label\n", *lines])
    assert target.read_bytes().decode() == submission
    assert len(set(labels)) > 1
    kaggle_csv(source, IMAGES)
    with pytest.raises(PipelineError, match="csv: expected 28,000 images, found 1,200; Kaggle"):
        kaggle.main()
    assert target.read_text() == submission
    assert [path.name for path in target.parent.iterdir()] == ["submission.csv"]
