import shutil
import signal
import time
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits import config, networks
from digits.io import write_json
from digits.training import layer_groups
from tests.stages.running import ROOT, run, start


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with the parameters, of a short pretraining, and the statistics."""
    write_json(tmp_path / "data/standardized/statistics.json", {"mean": 33.0, "deviation": 78.0})
    shutil.copy(ROOT / "params.yaml", tmp_path)
    change(tmp_path, "pretrain", images=200, epochs=3)
    return tmp_path


def change(folder: Path, *keys: str, **values: Any) -> None:
    path = folder / "params.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    section = content
    for key in keys:
        section = section[key]
    section.update(values)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def refusal(folder: Path, name: str) -> str:
    """Return the one line a refused pretraining ends with; nothing may have been trained."""
    done = run(folder, "pretrain", name)
    assert done.returncode == 1
    assert "Epoch" not in done.stdout
    assert not list((folder / "models/pretrained").glob("*/*"))
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("pretrain:"))
    assert "Traceback" not in done.stderr
    return line


def test_an_architecture_that_is_not_pretrained_has_an_empty_folder(workspace: Path) -> None:
    done = run(workspace, "pretrain", "dense")
    assert done.returncode == 0, done.stderr
    assert "dense starts from random weights" in done.stdout
    assert list((workspace / "models/pretrained/dense").iterdir()) == []


@pytest.mark.slow
def test_a_body_learns_letters_and_a_killed_pretraining_ends_alike(workspace: Path) -> None:
    folder = workspace / "models/pretrained/resnet34"
    done = run(workspace, "pretrain", "resnet34")
    assert done.returncode == 0, done.stderr
    assert "a body of 21,295,424 weights, which reads" in done.stdout
    curves = pd.read_csv(folder / "curves.csv")
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves["loss"].iloc[-1] < curves["loss"].iloc[0]
    with Image.open(folder / "letters.png") as picture:
        assert picture.size == (26 * 56, 4 * 56)
    with h5py.File(folder / "body.weights.h5") as file:
        kernels: list[tuple[int, ...]] = []
        file.visititems(lambda _, item: kernels.append(getattr(item, "shape", ())))
    assert sum(len(shape) == 4 for shape in kernels) == 36
    undisturbed = {path.name: path.read_bytes() for path in folder.iterdir()}

    shutil.rmtree(folder)
    state = workspace / "checkpoints/resnet34-letters.npz"
    assert not state.exists()
    process = start(workspace, "pretrain", "resnet34")
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "body.weights.h5").exists()
    done = run(workspace, "pretrain", "resnet34")
    assert "resuming after epoch" in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == undisturbed


@pytest.mark.slow
def test_a_body_comes_from_a_weights_file(workspace: Path) -> None:
    model = networks.build("resnet34", config.load().architectures["resnet34"], 33.0, 78.0)
    body = layer_groups.body(model, "resnet34")
    body.save_weights(workspace / "mine.weights.h5")
    change(workspace, "architectures", "resnet34", pretrained="mine.weights.h5")
    done = run(workspace, "pretrain", "resnet34")
    assert done.returncode == 0, done.stderr
    expected = [np.array(weight) for weight in body.weights]
    for weight in body.weights:
        weight.assign(keras.ops.zeros(weight.shape))
    body.load_weights(workspace / "models/pretrained/resnet34/body.weights.h5")
    for ours, theirs in zip(body.weights, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_what_cannot_be_a_body_ends_before_any_training(workspace: Path) -> None:
    inputs = keras.Input((28, 28, 1))
    other = keras.Model(inputs, keras.layers.Conv2D(3, 3)(inputs))
    other.save_weights(workspace / "other.weights.h5")
    change(workspace, "architectures", "resnet34", pretrained="other.weights.h5")
    assert "other.weights.h5: expected the weights of the body of resnet34" in refusal(
        workspace, "resnet34"
    )
    change(workspace, "architectures", "resnet34", pretrained="none.weights.h5")
    assert "none.weights.h5 is missing; params.yaml has it as architectures.resnet34.pret" in (
        refusal(workspace, "resnet34")
    )
    change(workspace, "architectures", "lenet5", pretrained="glyphs")
    assert "architectures.lenet5 has pretrained: glyphs, which needs a body" in refusal(
        workspace, "lenet5"
    )
    change(workspace, "pretrain", "imagenet", url="https://127.0.0.1:1/model.safetensors")
    change(workspace, "architectures", "resnet34", pretrained="imagenet")
    assert "cannot be had" in refusal(workspace, "resnet34")
