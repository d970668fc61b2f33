from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from digits import config, networks
from digits.config import Architecture, RangeTest
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import range_test

TEST = RangeTest(lowest=1e-5, highest=10, batches=61, smoothing=0.9, divergence=4)


@pytest.fixture(scope="module")
def data(
    noisy: tuple[np.ndarray, np.ndarray], mapped: Callable[[np.ndarray], np.ndarray]
) -> Dataset:
    tf.config.experimental.enable_op_determinism()
    images, labels = noisy
    return Dataset(mapped(images), labels, 33.0, 78.0, {"train": np.arange(400)})


def settings(**changes: Any) -> Architecture:
    changes = {"batch_size": 32, "augment": config.load().architectures["dense"].augment, **changes}
    return config.load().architectures["lenet5"].model_copy(update=changes)


def run(data: Dataset, architecture: Architecture, test: RangeTest = TEST) -> pd.DataFrame:
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model = networks.build("mine", architecture, data.mean, data.std)
    return range_test.run(model, architecture, architecture.plan[0], data, 1, test)


@pytest.mark.parametrize("name", ["dense", "convnet_dropout", "lenet5", "lenet5_v2"])
def test_any_architecture_can_be_tested(data: Dataset, name: str) -> None:
    architecture = config.load().architectures[name].model_copy(update={"batch_size": 32})
    curve = run(data, architecture)
    assert TEST.lowest < range_test.suggest(curve) <= TEST.highest / 10
    assert curve["smoothed_loss"].min() < 0.9 * curve["smoothed_loss"].iloc[0]


def test_the_rate_rises_by_the_same_factor_until_the_loss_diverges(data: Dataset) -> None:
    curve = run(data, settings())
    assert curve["batch"].tolist() == list(range(1, len(curve) + 1))
    expected = 1e-5 * 10 ** (np.arange(len(curve)) / 10)  # six decades in sixty steps
    np.testing.assert_allclose(curve["learning_rate"], expected, rtol=1e-4)
    ratio = curve["smoothed_loss"] / curve["smoothed_loss"].cummin()
    assert len(curve) < 61
    assert ratio.iloc[-1] > 4 >= ratio.iloc[:-1].max()


def test_losses_are_of_single_batches_and_smoothed_without_bias(data: Dataset) -> None:
    """At a rate too low to learn with, the losses are those of the network as it is."""
    still = TEST.model_copy(update={"lowest": 1e-12, "highest": 1e-11, "batches": 13})
    curve = run(data, settings(), still)
    assert len(curve) == 13  # all 400 images in 12.5 batches, the last one half as large
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model = networks.build("mine", settings(), data.mean, data.std)
    probabilities = np.asarray(model(data.images[..., None]))
    mean = -np.log(probabilities[np.arange(400), data.labels]).mean()
    weights = np.array([32] * 12 + [16])
    assert np.average(curve["loss"], weights=weights) == pytest.approx(mean, rel=1e-4)
    assert curve["loss"].nunique() == 13
    powers = 0.9 ** np.arange(12, -1, -1)
    smoothed = np.average(curve["loss"], weights=powers)
    assert curve["smoothed_loss"].iloc[-1] == pytest.approx(smoothed)


def test_it_repeats(data: Dataset, tiny: str) -> None:
    architecture = settings(network=tiny, dropout=0.25)
    pd.testing.assert_frame_equal(run(data, architecture), run(data, architecture))


def test_what_is_frozen_stays_frozen(data: Dataset, tiny: str) -> None:
    phase = config.load().architectures["resnet34"].plan[0]
    architecture = settings(network=tiny)
    model = networks.build("mine", architecture, data.mean, data.std)
    before = np.array(model.get_layer("stem_conv").kernel)
    range_test.run(model, architecture, phase, data, 1, TEST)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, before)


def test_a_tenth_of_the_rate_with_the_lowest_loss_is_suggested() -> None:
    curve = pd.DataFrame(
        {"learning_rate": [0.001, 0.0123456, 0.1, 1], "smoothed_loss": [2, 1, 1.5, 9]}
    )
    assert range_test.suggest(curve) == 0.0012
    with pytest.raises(PipelineError, match=r"only rose, from learning rate 0\.0123456 on"):
        range_test.suggest(curve[1:].reset_index())


def test_a_loss_that_is_no_number_from_the_start_is_told(data: Dataset) -> None:
    architecture = settings()
    model = networks.build("mine", architecture, data.mean, data.std)
    model.layers[-1].bias.assign(np.full(10, np.nan))
    with pytest.raises(PipelineError, match="the loss of mine is no finite number from the first"):
        range_test.run(model, architecture, architecture.plan[0], data, 1, TEST)
