from pathlib import Path

import keras
import numpy as np
import pytest

from digits.errors import PipelineError
from digits.evaluation import predict


def network(side: int = 28) -> keras.Model:
    layers = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((side, side, 1)), *layers])


def test_every_image_is_predicted_in_its_order() -> None:
    images = np.random.default_rng(0).normal(size=(2500, 28, 28)).astype(np.float32)
    model = network()
    np.testing.assert_allclose(predict.predict(model, images), model(images[..., None]), atol=1e-5)


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    network(side=32).save(path)
    with pytest.raises(PipelineError, match=r"model.keras: expected .* \(None, 28, 28, 1\)"):
        predict.load_network(path)


def test_a_damaged_or_missing_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    network().save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", whole[:1000], whole[:-100], flipped):
        path.write_bytes(content)
        with pytest.raises(PipelineError, match=r"keras is not a Keras model, or a damaged one"):
            predict.load_network(path)
    with pytest.raises(FileNotFoundError):
        predict.load_network(tmp_path / "none.keras")


def test_a_network_that_ran_away_is_refused() -> None:
    model = network()
    model.layers[-1].set_weights([np.full((784, 10), np.nan), np.zeros(10)])
    with pytest.raises(PipelineError, match="NaN or infinity"):
        predict.predict(model, np.zeros((5, 28, 28), np.float32))
