from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import fit
from tests.digits.training.conftest import ADAM, PHASES, recipe

FAST = {"name": "adam", "learning_rate": 0.03}
PLATEAU = {"name": "plateau", "factor": 0.5, "patience": 1}
EVERYTHING: dict[str, Any] = {  # that draws at random or remembers, but early stopping
    **{"network": "lenet5", "epochs": 5, "dropout": 0.25, "batch_norm": True},
    "augment": {"rotation": 10, "zoom": 0.1, "shift": 0.1, "random_erasing": 0.5, "mixup": 0.2},
    **{"schedule": PLATEAU, "label_smoothing": 0.1},
    "optimizer": ADAM | {"name": "adamw", "weight_decay": 0.01, "clipnorm": 1.0, "use_ema": True},
}


class Run:
    """A training: its final weights, its curves and its phases' ends, or where it was cut off."""

    def __init__(
        self, data: Dataset, how: Architecture, folder: Path, seed: int = 1, stop_in_epoch: int = 0
    ) -> None:
        self.model = fit.build("mine", how, data, 1, 1)
        self.epochs_run = 0
        self.stop_in_epoch = stop_in_epoch
        options: Any = {"learning_rate": 0.004, "on_curves": self._note}
        try:
            ends = fit.fit(self.model, how, data, seed, 1, folder, **options)
            self.ends = [end.read_bytes() for end in ends]
        except KeyboardInterrupt:
            assert self.epochs_run, "nothing was trained before the interruption"

    def _note(self, curves: pd.DataFrame) -> None:
        self.epochs_run += len(curves) != len(getattr(self, "curves", ()))
        self.curves = curves
        if len(curves) == self.stop_in_epoch:
            raise KeyboardInterrupt

    def cross_entropy(self, data: Dataset) -> float:
        """Return the mean cross-entropy of the dev images."""
        rows = data.rows["dev"]
        probabilities = np.asarray(self.model(data.images[rows][..., np.newaxis]))
        return float(-np.log(probabilities[range(len(rows)), data.labels[rows]]).mean())

    def assert_same_as(self, other: "Run") -> None:
        pd.testing.assert_frame_equal(self.curves, other.curves, check_exact=True)
        assert self.ends == other.ends
        assert same_weights(self.model, other.model)


def same_weights(first: keras.Model, second: keras.Model) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def test_a_resumed_training_ends_as_an_undisturbed_one(data: Dataset, tmp_path: Path) -> None:
    settings = recipe(**EVERYTHING)
    undisturbed = Run(data, settings, tmp_path / "a")
    for epoch in (2, 4):
        Run(data, settings, tmp_path / "b", stop_in_epoch=epoch)
    resumed = Run(data, settings, tmp_path / "b")
    assert resumed.epochs_run == 1 + 2  # the curves up to epoch 3 are handed on, then 4 and 5
    resumed.assert_same_as(undisturbed)
    finished = Run(data, settings, tmp_path / "b")
    assert finished.epochs_run == 1  # nothing is trained again
    finished.assert_same_as(undisturbed)


def test_a_damaged_checkpoint_or_another_runs_is_not_used(data: Dataset, tmp_path: Path) -> None:
    settings = recipe(epochs=2)
    fresh = Run(data, settings, tmp_path / "a")
    Run(data, settings, tmp_path / "b", seed=2, stop_in_epoch=2)
    other = Run(data, settings, tmp_path / "b")
    state = tmp_path / "a/state.npz"
    state.write_bytes(state.read_bytes()[:-500])
    damaged = Run(data, settings, tmp_path / "a")
    for run in (other, damaged):
        assert run.epochs_run == 2
        run.assert_same_as(fresh)


def test_curves_tell_what_keras_measures(data: Dataset, tmp_path: Path) -> None:
    run = Run(data, recipe(epochs=4, l2=0.001), tmp_path)
    assert run.curves["epoch"].tolist() == [1, 2, 3, 4]
    assert run.curves["accuracy"].iloc[-1] > 0.9
    last, dev = run.curves.iloc[-1], data.rows["dev"]
    predicted = np.asarray(run.model(data.images[dev][..., np.newaxis])).argmax(axis=1)
    assert last["dev_accuracy"] == pytest.approx((predicted == data.labels[dev]).mean())
    assert last["dev_cross_entropy"] == pytest.approx(run.cross_entropy(data), rel=1e-4)
    penalty = sum(float(loss) for loss in run.model.losses)
    assert last["dev_loss"] - last["dev_cross_entropy"] == pytest.approx(penalty, rel=1e-3)


def test_without_dev_images_the_same_weights_are_learned(data: Dataset, tmp_path: Path) -> None:
    alone = replace(data, rows={**data.rows, "dev": np.arange(0)})
    settings = recipe(epochs=2, dropout_head=0.25)
    with_dev, without = Run(data, settings, tmp_path / "a"), Run(alone, settings, tmp_path / "b")
    assert same_weights(with_dev.model, without.model)
    assert without.curves.filter(like="dev_").isna().all(axis=None)
    Run(alone, settings, tmp_path / "c", stop_in_epoch=2)
    Run(alone, settings, tmp_path / "c").assert_same_as(without)
    for changes in ({"schedule": PLATEAU}, {"early_stopping": 1}):
        with pytest.raises(PipelineError, match="act on dev, which has no images"):
            fit.build("mine", recipe(**changes), alone, 1, 1)


def test_label_smoothing_is_that_of_keras(data: Dataset, tmp_path: Path) -> None:
    run = Run(data, recipe(label_smoothing=0.1), tmp_path)
    dev = data.rows["dev"]
    expected = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)(
        np.eye(10)[data.labels[dev]], run.model(data.images[dev][..., np.newaxis])
    )
    last = run.curves.iloc[-1]
    assert last["dev_loss"] == pytest.approx(float(expected), rel=1e-5)
    assert last["dev_cross_entropy"] == pytest.approx(run.cross_entropy(data), rel=1e-4)


def test_moving_averages_come_at_the_end_and_change_no_step(data: Dataset, tmp_path: Path) -> None:
    rms = {"name": "rmsprop", "learning_rate": 0.001}
    averages = [{}, *({"use_ema": True, "ema_momentum": momentum} for momentum in (0.9, 0))]
    plain, averaged, newest = (
        Run(data, recipe(epochs=3, optimizer=rms | one), tmp_path / str(number))
        for number, one in enumerate(averages)
    )
    pd.testing.assert_frame_equal(plain.curves, averaged.curves, check_exact=True)
    assert same_weights(plain.model, newest.model)
    assert not same_weights(plain.model, averaged.model)
    first, *_, last = plain.curves["dev_cross_entropy"]
    assert last < averaged.cross_entropy(data) < first


def test_dropout_is_drawn_anew_in_every_epoch_and_layer(data: Dataset, tmp_path: Path) -> None:
    settings = recipe(network="lenet5", epochs=3, dropout=0.25, dropout_head=0.25)
    model = fit.build("mine", settings, data, 1, 1)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    drawn: list[int] = []

    def note(curves: pd.DataFrame) -> None:
        drawn.extend(int(layer.seed_generator.state[0]) for layer in layers)

    fit.fit(model, settings, data, 1, 1, tmp_path, on_curves=note)
    assert len(layers) > 1
    assert len(set(drawn)) == 3 * len(layers)


def test_plateau_lowers_the_rate_unless_dev_loss_improves(data: Dataset, tmp_path: Path) -> None:
    curves = Run(data, recipe(epochs=6, schedule=PLATEAU, optimizer=FAST), tmp_path).curves
    best, rate = np.inf, 0.03
    for _, row in curves.iterrows():
        assert row["learning_rate"] == pytest.approx(rate)
        rate *= 1 if row["dev_loss"] < best - 1e-4 else 0.5
        best = min(best, row["dev_loss"])
    assert rate < 0.03


def test_early_stopping_takes_the_weights_of_the_best_epoch(data: Dataset, tmp_path: Path) -> None:
    settings = recipe(epochs=30, early_stopping=2, optimizer=FAST)
    run = Run(data, settings, tmp_path)
    best = int(run.curves["dev_loss"].argmin())
    assert len(run.curves) == best + 1 + 2 < 30
    assert run.cross_entropy(data) == pytest.approx(run.curves["dev_loss"][best], rel=1e-3)
    again = Run(data, settings, tmp_path)
    assert again.epochs_run == 1
    again.assert_same_as(run)


def test_a_loss_that_is_no_number_ends_the_training(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no finite number after epoch 1; a lower"):
        Run(data, recipe(epochs=3, optimizer=FAST | {"learning_rate": 1e30}), tmp_path)


def test_phases_follow_one_another(data: Dataset, tmp_path: Path, tiny: str) -> None:
    run = Run(data, recipe(**PHASES), tmp_path)
    assert run.curves["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert run.curves["phase"].tolist() == [1, 1, 2, 2, 2]
    rates = run.curves["learning_rate"]
    assert rates[1] == pytest.approx(0.004 / 100, rel=1e-4)  # the suggested one, at its end
    assert rates[2] == pytest.approx(0.01 * 0.989, rel=0.01)  # the head's, just past its highest
    assert rates[4] == pytest.approx(0.01 / 100, rel=1e-4)
    assert run.curves["dev_accuracy"].iloc[-1] > 0.3  # chance gives 0.1
    first, second = (keras.models.load_model(tmp_path / f"phase-{n}.keras") for n in (1, 2))
    fresh = fit.build("mine", recipe(**PHASES), data, 1, 1)
    kernels = [np.array(one.get_layer("stem_conv").kernel) for one in (fresh, first, second)]
    np.testing.assert_array_equal(kernels[0], kernels[1])  # frozen while the head is trained
    assert not np.array_equal(kernels[1], kernels[2])
    assert same_weights(second, run.model)
    with pytest.raises(PipelineError, match="asks for a suggested learning rate, and none"):
        fit.fit(fresh, recipe(**PHASES), data, 1, 1, tmp_path / "none")


def test_phases_resume_wherever_they_were_cut_off(data: Dataset, tmp_path: Path, tiny: str) -> None:
    settings = recipe(**PHASES, early_stopping=1)
    undisturbed = Run(data, settings, tmp_path / "a")
    for epoch in (1, 3, 4):  # the second time, the first phase is over and the second begins
        Run(data, settings, tmp_path / "b", stop_in_epoch=epoch)
        if epoch == 3:
            (tmp_path / "b/phase-1.keras").unlink()  # as if cut off before it was written
    Run(data, settings, tmp_path / "b").assert_same_as(undisturbed)
