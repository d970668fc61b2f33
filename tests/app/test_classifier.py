import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from app.classifier import Classifier
from digits.errors import PipelineError


@pytest.mark.parametrize(("format", "tolerance"), [("float32", 1e-5), ("int8", 0.06)])
def test_probabilities_are_those_of_keras(
    network: keras.Model, images: np.ndarray, model: Path, format: Any, tolerance: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    images = np.concatenate([images[:50], noise])
    expected = np.asarray(network.predict_on_batch(images[..., None].astype(np.float32)))
    classifier = Classifier(model, format)
    found = np.stack([classifier.probabilities(image) for image in images])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_a_missing_network_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    sentence = r"int8\.tflite is missing; `make app` trains a network"
    with pytest.raises(PipelineError, match=sentence):
        Classifier(tmp_path)


@pytest.mark.parametrize(
    ("format", "other", "kept", "sentence"),
    [
        ("int8", "int8", 0, "is no LiteRT model, or a damaged one: "),
        ("int8", "int8", 5000, "is no LiteRT model, or a damaged one: "),
        ("int8", "float32", None, r"expected a network from .*uint8.*, got one from .*float32"),
        ("float32", "int8", None, r"expected a network from .*float32.*, got one from .*uint8"),
    ],
)
def test_a_damaged_network_or_another_is_refused(
    model: Path, tmp_path: Path, format: Any, other: str, kept: int | None, sentence: str
) -> None:
    content = (model / f"{other}.tflite").read_bytes()
    (tmp_path / f"{format}.tflite").write_bytes(content[:kept])
    with pytest.raises(PipelineError, match=sentence):
        Classifier(tmp_path, format)


def test_the_app_needs_neither_tensorflow_nor_a_stage() -> None:
    code = (
        "import sys, app.__main__, app.drawing, app.kaggle, app.site.build;"
        "print({'tensorflow', 'keras', 'stages'} & {name.split('.')[0] for name in sys.modules})"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout == "set()\n", output.stderr
