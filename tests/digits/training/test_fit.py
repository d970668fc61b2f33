from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from digits import config, networks
from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import fit

EVERYTHING: dict[str, Any] = {  # all that draws at random or remembers something
    "epochs": 5,
    "batch_size": 32,
    "dropout": 0.25,
    "augment": config.load().architectures["lenet5_v2"].augment,
    "schedule": config.Plateau(name="plateau", factor=0.5, patience=1),
    "batch_norm": True,
}


@pytest.fixture(scope="module")
def data(
    noisy: tuple[np.ndarray, np.ndarray], mapped: Callable[[np.ndarray], np.ndarray]
) -> Dataset:
    tf.config.experimental.enable_op_determinism()
    images, labels = noisy
    rows = {"train": np.arange(0, 320), "dev": np.arange(320, 400)}
    return Dataset(mapped(images), labels, 33.0, 78.0, rows)


def lenet5(**changes: Any) -> Architecture:
    return config.load().architectures["lenet5"].model_copy(update=changes)


def one_cycle(warmup: float, momentum: config.Momentum | None = None) -> config.OneCycle:
    return config.OneCycle(
        name="one_cycle", warmup=warmup, start_divisor=25, end_divisor=100, momentum=momentum
    )


class Run:
    """A training: its final weights, its curves and its phases' ends, or where it was cut off."""

    def __init__(
        self,
        data: Dataset,
        settings: Architecture,
        checkpoint: Path,
        *,
        identity: str = "a",
        stop_in_epoch: int = 0,
        stop_after_phase: int = 0,
    ) -> None:
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        self.model = networks.build("mine", settings, data.mean, data.std)
        self.epochs_run = 0
        self.stop_in_epoch = stop_in_epoch
        self.stop_after_phase = stop_after_phase
        self.ends: dict[int, list[np.ndarray]] = {}
        try:
            fit.fit(
                self.model,
                settings,
                data,
                1,
                checkpoint,
                identity,
                self._note,
                suggested=0.004,
                on_phase=self._end_phase,
            )
        except KeyboardInterrupt:
            assert self.epochs_run, "nothing was trained before the interruption"

    def _note(self, curves: pd.DataFrame) -> None:
        self.epochs_run += len(curves) != len(getattr(self, "curves", ()))
        self.curves = curves
        if len(curves) == self.stop_in_epoch:
            raise KeyboardInterrupt

    def _end_phase(self, number: int) -> None:
        self.ends[number] = self.model.get_weights()
        if number == self.stop_after_phase:
            raise KeyboardInterrupt

    def assert_same_as(self, other: "Run") -> None:
        pd.testing.assert_frame_equal(self.curves, other.curves, check_exact=True)
        pairs = zip(self.model.get_weights(), other.model.get_weights(), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("early_stopping", [0, 4])
def test_a_resumed_training_ends_as_an_undisturbed_one(
    data: Dataset, tmp_path: Path, early_stopping: int
) -> None:
    settings = lenet5(**EVERYTHING, early_stopping=early_stopping)
    undisturbed = Run(data, settings, tmp_path / "a.npz")
    for epoch in (2, 4):
        Run(data, settings, tmp_path / "b.npz", stop_in_epoch=epoch)
    resumed = Run(data, settings, tmp_path / "b.npz")
    assert resumed.epochs_run == 1 + 2  # the curves up to epoch 3 are handed on, then 4 and 5
    resumed.assert_same_as(undisturbed)


@pytest.mark.parametrize("early_stopping", [0, 1])
def test_a_finished_training_is_not_trained_again(
    data: Dataset, tmp_path: Path, early_stopping: int
) -> None:
    settings = lenet5(**EVERYTHING, early_stopping=early_stopping)
    first = Run(data, settings, tmp_path / "a.npz")
    second = Run(data, settings, tmp_path / "a.npz")
    assert second.epochs_run == 1
    second.assert_same_as(first)


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_not_used(
    data: Dataset, tmp_path: Path
) -> None:
    settings = lenet5(epochs=2)
    fresh = Run(data, settings, tmp_path / "a.npz")
    Run(data, settings, tmp_path / "b.npz", identity="other", stop_in_epoch=2)
    other = Run(data, settings, tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-500])
    damaged = Run(data, settings, tmp_path / "c.npz")
    for run in (other, damaged):
        assert run.epochs_run == 2
        run.assert_same_as(fresh)


def test_curves_tell_what_keras_measures(data: Dataset, tmp_path: Path) -> None:
    run = Run(data, lenet5(epochs=4, l2=0.001), tmp_path / "a.npz")
    assert run.curves["epoch"].tolist() == [1, 2, 3, 4]
    assert run.curves["accuracy"].iloc[-1] > 0.9
    dev = data.rows["dev"]
    probabilities = np.asarray(run.model(data.images[dev][..., np.newaxis]))
    last = run.curves.iloc[-1]
    right = probabilities.argmax(axis=1) == data.labels[dev]
    assert last["dev_accuracy"] == pytest.approx(right.mean())
    chosen = probabilities[np.arange(len(dev)), data.labels[dev]]
    assert last["dev_cross_entropy"] == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    penalty = sum(float(loss) for loss in run.model.losses)
    assert last["dev_loss"] - last["dev_cross_entropy"] == pytest.approx(penalty, rel=1e-3)


def test_plateau_lowers_the_rate_when_dev_loss_does_not_improve(
    data: Dataset, tmp_path: Path
) -> None:
    schedule = config.Plateau(name="plateau", factor=0.5, patience=1)
    optimizer = config.Optimizer(name="adam", learning_rate=0.03)
    settings = lenet5(epochs=6, schedule=schedule, optimizer=optimizer)
    curves = Run(data, settings, tmp_path / "a.npz").curves
    best, rate = np.inf, 0.03
    for _, row in curves.iterrows():
        assert row["learning_rate"] == pytest.approx(rate)
        rate *= 1 if row["dev_loss"] < best - 1e-4 else 0.5
        best = min(best, row["dev_loss"])
    assert rate < 0.03


def test_one_cycle_rises_to_the_rate_and_falls_again(data: Dataset, tmp_path: Path) -> None:
    schedule = one_cycle(warmup=0.25)
    settings = lenet5(epochs=4, batch_size=32, schedule=schedule)
    rates = Run(data, settings, tmp_path / "a.npz").curves["learning_rate"]
    assert rates[0] == pytest.approx(0.001)  # a quarter of the steps, the peak
    assert rates[1] == pytest.approx(0.001 * (0.01 + 0.99 * (1 + np.cos(np.pi / 3)) / 2), rel=1e-4)
    assert rates[3] == pytest.approx(0.00001, rel=1e-4)


def test_one_cycle_falls_also_when_almost_all_of_it_is_rise(data: Dataset, tmp_path: Path) -> None:
    schedule = one_cycle(warmup=0.999)
    settings = lenet5(epochs=1, batch_size=len(data.rows["train"]), schedule=schedule)
    rates = Run(data, settings, tmp_path / "a.npz").curves["learning_rate"]
    assert rates[0] == pytest.approx(0.00001, rel=1e-4)


def test_early_stopping_takes_the_weights_of_the_best_epoch(data: Dataset, tmp_path: Path) -> None:
    optimizer = config.Optimizer(name="adam", learning_rate=0.03)
    settings = lenet5(epochs=30, early_stopping=2, optimizer=optimizer)
    run = Run(data, settings, tmp_path / "a.npz")
    best = int(run.curves["dev_loss"].argmin())
    assert len(run.curves) == best + 1 + 2 < 30
    dev = data.rows["dev"]
    probabilities = np.asarray(run.model(data.images[dev][..., np.newaxis]))
    chosen = probabilities[np.arange(len(dev)), data.labels[dev]]
    assert -np.log(chosen).mean() == pytest.approx(run.curves["dev_loss"][best], rel=1e-3)


def test_a_loss_that_is_no_number_ends_the_training(data: Dataset, tmp_path: Path) -> None:
    optimizer = config.Optimizer(name="adam", learning_rate=1e30)
    with pytest.raises(PipelineError, match="no finite number after epoch 1; a lower"):
        Run(data, lenet5(epochs=3, optimizer=optimizer), tmp_path / "a.npz")


PHASES: dict[str, Any] = {
    "optimizer": config.Optimizer(name="adam"),
    "epochs": None,
    "schedule": None,
    "batch_size": 32,
    "dropout": 0.25,
    "phases": [
        config.Phase(
            epochs=2,
            schedule=one_cycle(0.25, config.Momentum(highest=0.95, lowest=0.85)),
            learning_rate="suggested",
            trainable="head",
        ),
        config.Phase(
            epochs=3,
            schedule=one_cycle(0.25, config.Momentum(highest=0.95, lowest=0.85)),
            learning_rate=config.Spread(**{"from": 0.001, "to": 0.01}),
            trainable="all",
        ),
    ],
}


def test_phases_follow_one_another(data: Dataset, tmp_path: Path, tiny: str) -> None:
    run = Run(data, lenet5(network=tiny, **PHASES), tmp_path / "a.npz")
    assert run.curves["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert run.curves["phase"].tolist() == [1, 1, 2, 2, 2]
    rates = run.curves["learning_rate"]
    assert rates[1] == pytest.approx(0.004 / 100, rel=1e-4)  # the suggested one, at its end
    assert rates[2] == pytest.approx(0.01 * 0.989, rel=0.01)  # the head's, just past its highest
    assert rates[4] == pytest.approx(0.01 / 100, rel=1e-4)
    assert run.curves["dev_accuracy"].iloc[-1] > 0.3  # chance gives 0.1
    place = [variable.path for variable in run.model.weights].index("stem_conv/kernel")
    first, second = (run.ends[number][place] for number in (1, 2))
    assert not np.array_equal(first, second)
    for ours, theirs in zip(run.ends[2], run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("early_stopping", [0, 1])
def test_phases_resume_wherever_they_were_cut_off(
    data: Dataset, tmp_path: Path, tiny: str, early_stopping: int
) -> None:
    settings = lenet5(network=tiny, early_stopping=early_stopping, **PHASES)
    undisturbed = Run(data, settings, tmp_path / "a.npz")
    path = tmp_path / "b.npz"
    first = Run(data, settings, path, stop_in_epoch=1)
    assert not first.ends
    end = Run(data, settings, path, stop_after_phase=1)
    assert end.curves["phase"].tolist() == [1, 1]
    in_second = Run(data, settings, path, stop_in_epoch=4)
    resumed = Run(data, settings, path)
    assert resumed.ends.keys() == {2}
    resumed.assert_same_as(undisturbed)
    for number, run in ((1, end), (1, in_second), (2, resumed)):
        for ours, theirs in zip(run.ends[number], undisturbed.ends[number], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_suggested_rate_must_be_there(data: Dataset, tmp_path: Path, tiny: str) -> None:
    settings = lenet5(network=tiny, **PHASES)
    model = networks.build("mine", settings, data.mean, data.std)
    with pytest.raises(PipelineError, match="asks for a suggested learning rate, and none"):
        fit.fit(model, settings, data, 1, tmp_path / "a.npz", "", lambda curves: None)
