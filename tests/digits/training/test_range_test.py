from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits import config
from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import fit, range_test
from tests.digits.training.conftest import PHASES, recipe

TEST = {"lowest": 1e-5, "highest": 10, "batches": 61, "smoothing": 0.9, "divergence": 4}
SUGGESTED = {"optimizer": {"name": "adam", "learning_rate": "suggested"}}


def run(data: Dataset, settings: Architecture, **test: Any) -> pd.DataFrame:
    """Run a range test of `TEST`, some of it changed."""
    how = config.check(config.RangeTest, {**TEST, **test}, "test")
    settings = settings.model_copy(update={"range_test": how})
    return range_test.run(fit.build("mine", settings, data, 1, 1), settings, data, 1)


def test_the_rate_rises_by_the_same_factor_until_the_loss_diverges(data: Dataset) -> None:
    curve = run(data, recipe(**SUGGESTED))
    assert curve["batch"].tolist() == list(range(1, len(curve) + 1))
    expected = 1e-5 * 10 ** (np.arange(len(curve)) / 10)  # six decades in sixty steps
    np.testing.assert_allclose(curve["learning_rate"], expected, rtol=1e-4)
    ratio = curve["smoothed_loss"] / curve["smoothed_loss"].cummin()
    assert len(curve) < 61
    assert ratio.iloc[-1] > 4 >= ratio.iloc[:-1].max()


def test_losses_are_of_single_batches_and_smoothed_without_bias(data: Dataset) -> None:
    """At a rate too low to learn with, the losses are those of the network as it is."""
    settings = recipe(**SUGGESTED, batch_size=48)
    curve = run(data, settings, lowest=1e-12, highest=1e-11, batches=13)
    assert len(curve) == 13  # the 320 images in 6.67 batches, twice but for a batch
    model = fit.build("mine", settings, data, 1, 1)
    train = data.rows["train"]
    probabilities = np.asarray(model(data.images[train][..., None]))
    mean = -np.log(probabilities[range(320), data.labels[train]]).mean()
    assert np.average(curve["loss"][:7], weights=[48] * 6 + [32]) == pytest.approx(mean, rel=1e-4)
    assert curve["loss"].nunique() == 13
    smoothed = np.average(curve["loss"], weights=0.9 ** np.arange(12, -1, -1))
    assert curve["smoothed_loss"].iloc[-1] == pytest.approx(smoothed)


def test_it_repeats_and_leaves_what_is_frozen(data: Dataset, tiny: str) -> None:
    settings = recipe(**PHASES)
    model = fit.build("mine", settings, data, 1, 1)
    before = np.array(model.get_layer("stem_conv").kernel)
    first = range_test.run(model, settings, data, 1)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, before)
    again = fit.build("mine", settings, data, 1, 1)
    pd.testing.assert_frame_equal(range_test.run(again, settings, data, 1), first)


def test_a_tenth_of_the_rate_with_the_lowest_loss_is_suggested() -> None:
    points = [(0.001, 2), (0.0123456, 1), (0.1, 1.5), (1, 9)]
    curve = pd.DataFrame(points, columns=["learning_rate", "smoothed_loss"])
    assert range_test.suggest(curve) == 0.0012
    with pytest.raises(PipelineError, match=r"only rose, from learning rate 0\.0123456 on"):
        range_test.suggest(curve[1:].reset_index())


def test_a_loss_that_is_no_number_from_the_start_is_told(data: Dataset) -> None:
    settings = recipe(**SUGGESTED)
    model = fit.build("mine", settings, data, 1, 1)
    model.layers[-1].bias.assign(np.full(10, np.nan))
    with pytest.raises(PipelineError, match="the loss of mine is no finite number from the first"):
        range_test.run(model, settings, data, 1)
