import time
from pathlib import Path

import keras
import numpy as np

from digits.training import model_file
from tests.digits.training.conftest import build


def trained() -> keras.Model:
    """Build a network of one initialization and compile it, as after a training."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    model = build.__wrapped__("lenet5_v2")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_equal_networks_give_equal_bytes_at_any_time_and_come_back(tmp_path: Path) -> None:
    model, folder = trained(), tmp_path / "models"
    model_file.save(model, folder / "first.keras")
    time.sleep(2.1)  # ZIP entries tell two seconds apart
    model_file.save(trained(), folder / "second.keras")
    assert (folder / "first.keras").read_bytes() == (folder / "second.keras").read_bytes()
    assert {path.name for path in folder.iterdir()} == {"first.keras", "second.keras"}
    loaded = keras.saving.load_model(folder / "first.keras", safe_mode=True)
    images = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype(np.float32)
    np.testing.assert_array_equal(loaded(images), model(images))
    assert not loaded.compiled  # it comes without its optimizer
