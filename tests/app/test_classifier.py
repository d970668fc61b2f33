import subprocess
import sys
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest

from app.classifier import Classifier
from digits.errors import PipelineError

IMAGES = np.random.default_rng(1).integers(0, 256, (50, 28, 28), dtype=np.uint8)


def expected(network: keras.Model) -> np.ndarray:
    return np.concatenate([network(image[None, ..., None]) for image in IMAGES.astype(np.float32)])


def predict(classifier: Classifier) -> np.ndarray:
    return np.stack([classifier.probabilities(image) for image in IMAGES])


def test_float_probabilities_are_those_of_keras(network: keras.Model, model: Path) -> None:
    found = predict(Classifier(model, "float32"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(network), atol=1e-5)


def test_quantized_probabilities_are_close_and_make_one(network: keras.Model, model: Path) -> None:
    found = predict(Classifier(model))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(network), atol=0.06)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert (found.argmax(axis=1) == expected(network).argmax(axis=1)).mean() > 0.9


def test_a_missing_network_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"int8\.tflite is missing; `make app` trains a network"
    ):
        Classifier(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_damaged_network_is_refused(model: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "int8.tflite").write_bytes((model / "int8.tflite").read_bytes()[:kept])
    with pytest.raises(PipelineError, match="is no LiteRT model, or a damaged one: "):
        Classifier(tmp_path)


@pytest.mark.parametrize(("format", "other"), [("int8", "float32"), ("float32", "int8")])
def test_a_network_of_another_type_is_refused(
    model: Path, tmp_path: Path, format: Literal["int8", "float32"], other: str
) -> None:
    (tmp_path / f"{format}.tflite").write_bytes((model / f"{other}.tflite").read_bytes())
    with pytest.raises(PipelineError, match=r"expected a network from .*, got one from "):
        Classifier(tmp_path, format)


def test_the_app_needs_neither_tensorflow_nor_a_stage() -> None:
    code = (
        "import sys, app.__main__, app.drawing, app.kaggle, app.site.build;"
        "print({'tensorflow', 'keras', 'stages'} & {name.split('.')[0] for name in sys.modules})"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout == "set()\n", output.stderr
