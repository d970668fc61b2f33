from pathlib import Path

import keras
import numpy as np

from digits.data.dataset import Dataset
from digits.evaluation import metrics


def reader(swapped: int) -> keras.Model:
    """Return a network that reads digits off the first pixels, those below ``swapped`` wrongly."""
    inputs = keras.Input((28, 28, 1))
    dense = keras.layers.Dense(10, "softmax", use_bias=False)
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    kernel = np.zeros((784, 10), np.float32)
    kernel[np.arange(10), np.where(np.arange(10) < swapped, 9, np.arange(10))] = 9
    dense.set_weights([kernel])
    return model


def test_phases_are_measured_on_dev_and_test_in_their_order(tmp_path: Path) -> None:
    labels = np.arange(40, dtype=np.uint8) % 10
    images = np.zeros((40, 28, 28), np.float32)
    images[np.arange(40), 0, labels] = 1
    rows = {"dev": np.arange(5), "test": np.arange(20, 40)}
    data = Dataset(images, labels, 0.0, 1.0, rows)
    for number, swapped in ((1, 4), (2, 1), (10, 0)):
        reader(swapped).save(tmp_path / f"{number}.keras")
    phases = metrics.measure_phases(tmp_path, data)
    assert list(phases) == ["1", "2", "10"]
    assert phases["1"] == {"dev": 0.2, "test": 0.6}
    assert phases["2"] == {"dev": 0.8, "test": 0.9}
    assert phases["10"] == {"dev": 1, "test": 1}
    assert metrics.measure_phases(tmp_path / "none", data) == {}
