import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits.data import dataset
from digits.evaluation import predict, predictions
from tests.stages.conftest import Stage
from tests.workspace import ROOT, run, start, wait_for, write_data, write_params

SETS = {"train": range(300), "dev": range(300, 340), "test": range(340, 400)}
CHANGES: dict[str, Any] = {"threads": 1, "architectures.dense.epochs": 40}
TINY = {
    **{"network": "tiny", "pretrained": "letters", "batch_size": 32, "dropout": 0.2},
    "letters": {"images": 400, "epochs": 10, "batch_size": 32},
    **{"optimizer": {"name": "adam"}, "range_test": {"batches": 30}},
    "phases": {
        "head": {"epochs": 2, "learning_rate": "suggested"},
        "all": {"epochs": 3, "learning_rate": {"from": 1e-3, "to": 5e-3}},
    },
}


@pytest.fixture
def workspace(tmp_path: Path, noisy: tuple[np.ndarray, np.ndarray]) -> Path:
    """Return a folder with the parameters and 400 noisy images, 300 of them to train on."""
    write_data(tmp_path, *noisy, SETS)
    write_params(tmp_path, CHANGES)
    return tmp_path


def stop(folder: Path, name: str, state: Path, how: signal.Signals) -> tuple[int, str]:
    """Stop a training as soon as it has a state; return exit status and the last line."""
    process = start(folder, "stages.train", name)
    wait_for(state.exists, process)
    process.send_signal(how)
    _, errors = process.communicate()
    assert "Traceback" not in errors
    assert not (folder / f"models/{name}/model.keras").exists()
    return process.returncode, (errors.splitlines() or [""])[-1]


def take_outputs(folder: Path) -> dict[Path, bytes]:
    """Return the content of what a training wrote, and take it away as DVC does."""
    tops = ("models", "plots", "data/predictions")
    content = {path: path.read_bytes() for top in tops for path in (folder / top).rglob("*.*")}
    for path in content:
        path.unlink()
    return content


@pytest.mark.slow
def test_a_stopped_training_ends_as_if_undisturbed(workspace: Path, stage: Stage) -> None:
    write_params(workspace, CHANGES | {"versions.keras": "3.0.0"})
    _, errors = stage("train", "dense", status=1)
    assert re.fullmatch("train: keras .*\n", errors)
    write_params(workspace, CHANGES)
    output, _ = stage("train", "dense")
    assert "dense: 407,050 parameters, 300 images" in output
    assert not list((workspace / "checkpoints").iterdir())
    assert pd.read_csv(workspace / "plots/train/dense.csv")["epoch"].tolist() == list(range(1, 41))
    data = dataset.load(workspace / "data/standardized", workspace / "data/split.csv")
    written = predictions.read(workspace / "data/predictions/dense.npz", 400, data.rows)
    network = predict.load_network(workspace / "models/dense/model.keras")
    expected = predict.predict(network, data.images)
    np.testing.assert_allclose(written.probabilities, expected, atol=1e-6)
    assert (written.parameters, len(written.phases)) == (407_050, 0)
    undisturbed = take_outputs(workspace)

    ending = stop(workspace, "dense", workspace / "checkpoints/dense/state.npz", signal.SIGINT)
    assert ending == (130, "train: interrupted; the same command goes on from here")
    assert "resuming after epoch" in stage("train", "dense")[0]
    assert take_outputs(workspace) == undisturbed


@pytest.mark.slow
def test_a_training_in_phases_killed_at_letters_ends_as_if_undisturbed(workspace: Path) -> None:
    """A network of three layer groups, added as the README says: one file, one entry."""
    shutil.copytree(ROOT / "digits", workspace / "digits")
    shutil.copy(ROOT / "tests/tiny.py", workspace / "digits/networks")
    write_params(workspace, CHANGES | {"architectures.tiny": TINY})
    run(workspace, "stages.train", "tiny")
    files = {path.name: path.read_bytes() for path in (workspace / "models/tiny").rglob("*.*")}
    tables = {f"{name}.{kind}" for name in ("letters", "range_test") for kind in ("csv", "png")}
    assert files.keys() == {"model.keras", "1.keras", "2.keras", *tables}
    assert files["model.keras"] in (files["1.keras"], files["2.keras"])
    rates = pd.read_csv(workspace / "models/tiny/range_test.csv")
    assert rates["learning_rate"].iloc[0] == pytest.approx(1e-6)
    undisturbed = take_outputs(workspace)

    state = workspace / "checkpoints/tiny/letters/state.npz"
    stop(workspace, "tiny", state, signal.SIGKILL)
    time.sleep(0.5)
    left = state.read_bytes()
    time.sleep(2)
    assert state.read_bytes() == left  # what learned letters has ended, too
    assert "resuming after epoch" in run(workspace, "stages.train", "tiny")[0]
    assert take_outputs(workspace) == undisturbed
