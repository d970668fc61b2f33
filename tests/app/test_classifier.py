import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from app.classifier import Classifier, cards
from digits.errors import PipelineError
from digits.export import litert
from tests.workspace import ROOT, run


def test_probabilities_are_those_of_litert_and_sum_to_one(model: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    found = np.stack([*map(Classifier(model).probabilities, images)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, litert.run(model, images, threads=1), atol=0.03)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_a_network_without_its_card_is_not_replaced(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "network.json").unlink()
    with pytest.raises(FileNotFoundError) as missing:
        cards(tmp_path / "network.tflite")
    assert Path(str(missing.value.filename)) == tmp_path / "network.json"
    assert [one["name"] for one in cards(tmp_path / "sevens.tflite")] == ["sevens"]


@pytest.mark.filterwarnings("ignore")  # of TensorFlow's converter
def test_what_is_no_network_of_ours_is_refused(model: Path, tmp_path: Path) -> None:
    pixels = keras.Input((28, 28, 1), batch_size=1)
    letters = keras.Model(pixels, keras.layers.Dense(26)(keras.layers.Flatten()(pixels)))
    litert.write(letters, tmp_path / "letters.tflite")
    (tmp_path / "cut.tflite").write_bytes(model.read_bytes()[:5000])
    for name, complaint in (
        ("none", r"none\.tflite is missing; `git checkout"),
        ("cut", "is no LiteRT model, or a damaged one: "),
        ("letters", "expected a network from .*10.*, got one from .*26"),
    ):
        with pytest.raises(PipelineError, match=complaint):
            Classifier(tmp_path / f"{name}.tflite")


def test_the_app_needs_neither_tensorflow_nor_a_stage() -> None:
    code = (
        "import sys, app.__main__, app.drawing, app.kaggle, app.site.__main__;"
        "print({'tensorflow', 'keras', 'stages'} & {name.split('.')[0] for name in sys.modules})"
    )
    assert run(ROOT, "-c", code)[0] == "set()\n"
