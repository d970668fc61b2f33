import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from digits import config
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.io import write_json
from digits.training.checkpoint import identify
from stages.train import best_on_dev, read_suggested
from tests.stages.running import ROOT, start


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with the parameters and 400 noisy images, 300 of them to train on."""
    standardized = tmp_path / "data/standardized"
    standardized.mkdir(parents=True)
    images = np.random.default_rng(0).normal(size=(400, 28, 28)).astype(np.float32)
    np.save(standardized / "images.npy", images)
    write_json(standardized / "statistics.json", {"mean": 33.0, "deviation": 78.0})
    ids = np.arange(400)
    table = pd.DataFrame({"id": ids, "label": ids % 10})
    table = table.assign(train=ids < 300, dev=(ids >= 300) & (ids < 340), test=ids >= 340)
    table.astype(int).to_csv(tmp_path / "data/split.csv", index=False)
    (tmp_path / "models/pretrained/dense").mkdir(parents=True)
    write_json(tmp_path / "data/learning_rates/dense.json", {"suggested": None})
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("epochs: 5\n", "epochs: 60\n"))
    return tmp_path


def train(folder: Path, name: str = "dense") -> tuple[int, str, str]:
    """Run the stage to its end; return exit status, output, and errors without TensorFlow's."""
    process = start(folder, "train", name)
    output, errors = process.communicate()
    ours = [line for line in errors.splitlines() if line.startswith(("train:", "Traceback"))]
    return process.returncode, output, "\n".join(ours)


@pytest.mark.slow
def test_a_training_stopped_by_ctrl_c_goes_on_and_ends_as_if_undisturbed(workspace: Path) -> None:
    model, curves = workspace / "models/dense/model.keras", workspace / "plots/train/dense.csv"
    status, output, _ = train(workspace)
    assert status == 0
    assert "dense: 407,050 parameters, 300 images" in output
    undisturbed = model.read_bytes(), curves.read_bytes()
    assert not list((workspace / "checkpoints").iterdir())
    model.unlink()

    process = start(workspace, "train", "dense")
    while process.poll() is None and not (workspace / "checkpoints/dense.npz").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "train: interrupted; the same command goes on from here"
    assert "Traceback" not in errors
    assert not model.exists()

    status, output, _ = train(workspace)
    assert status == 0
    assert "resuming after epoch" in output
    assert (model.read_bytes(), curves.read_bytes()) == undisturbed
    table = pd.read_csv(curves)
    assert table["epoch"].tolist() == list(range(1, 61))
    assert table["learning_rate"].tolist() == [0.001] * 60


def test_identity_changes_with_the_code_of_the_stage(tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    text = "from digits.training.checkpoint import identify\nprint(identify([], 1, 1, []))\n"
    identities = []
    for version in (text, text, text + "# changed\n"):
        script.write_text(version)
        command = [sys.executable, str(script)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        identities.append(subprocess.check_output(command, env=environment))
    assert identities[0] == identities[1] != identities[2]


def test_identity_changes_with_all_that_determines_a_training(tmp_path: Path) -> None:
    settings = config.load(ROOT / "params.yaml").architectures["dense"]
    longer = settings.model_copy(update={"epochs": 6})
    file = tmp_path / "split.csv"
    file.write_text("id,label\n")
    same = [identify([settings], 42, 2, [file]) for _ in range(2)]
    others = [
        identify([longer], 42, 2, [file]),
        identify([settings], 43, 2, [file]),
        identify([settings], 42, 3, [file]),
    ]
    file.write_text("id,label\n0,5\n")
    others.append(identify([settings], 42, 2, [file]))
    assert same[0] == same[1]
    assert len({same[0], *others}) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "missing", "expected"),
    [
        ("lenet6", "", "train: params.yaml: architectures has no lenet6; it has dense, convnet,"),
        ("dense", "data/split.csv", "train: data/split.csv is missing; `dvc repro train` first"),
        (
            "dense",
            "data/learning_rates/dense.json",
            "train: data/learning_rates/dense.json is missing; `dvc repro train` first",
        ),
        ("dense", "params.yaml", "train: params.yaml is missing; run this in the project's top"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    workspace: Path, name: str, missing: str, expected: str
) -> None:
    if missing:
        (workspace / missing).unlink()
    status, _, errors = train(workspace, name)
    assert status == 1
    assert errors.startswith(expected)
    assert len(errors.splitlines()) == 1
    assert not (workspace / "models" / name).exists()


def test_the_phase_that_reads_most_dev_images_is_kept(
    tmp_path: Path, mapped: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Networks that read a digit off the first pixels, three of them wrongly in some places."""
    labels = (np.arange(40) % 10).astype(np.uint8)
    images = np.zeros((40, 28, 28), np.float32)
    images[np.arange(40), 0, labels] = 1
    rows = {"train": np.arange(20), "dev": np.arange(20, 40)}
    data = Dataset(mapped(images), labels, 0.0, 1.0, rows)
    paths = []
    for number, (swapped, certainty) in enumerate([(3, 9), (1, 2), (1, 12), (2, 9)]):
        inputs = keras.Input((28, 28, 1))
        dense = keras.layers.Dense(10, "softmax", use_bias=False)
        model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
        kernel = np.zeros((784, 10), np.float32)
        kernel[np.arange(10), np.where(np.arange(10) < swapped, 9, np.arange(10))] = certainty
        dense.set_weights([kernel])
        paths.append(tmp_path / f"{number}.keras")
        model.save(paths[-1])
    assert best_on_dev(paths, data) == 2  # as often right as the third, which errs more surely


@pytest.mark.parametrize("content", ["{}", "[]", "suggested", '{"suggested": -1}'])
def test_a_damaged_suggestion_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dense.json"
    path.write_text(content)
    with pytest.raises(PipelineError, match=r"dense\.json: expected"):
        read_suggested(path)
