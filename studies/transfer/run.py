"""Train one arm of the study with one seed, and measure it at the end of each phase.

The stages pretrain, lr_find and train do the work, in a folder of their own under
checkpoints/transfer/, and go on there after an interruption. Writes
studies/transfer/runs/<arm>-<seed>.json: accuracy on dev, on the unseen test images, and on these
shrunk and moved, by phase.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

from digits import dataset, determinism, inference, params, statistics
from digits.errors import PipelineError, run_stage
from digits.files import read_json, replacing, write_json

ROOT = Path(__file__).parents[2]
STUDY = Path("studies/transfer")
SIDE = 28


def main() -> None:
    """Run the arm and the seed named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.transfer.run", description=__doc__)
    parser.add_argument("arm", help="an arm of studies/transfer/params.yaml")
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    study = YAML(typ="safe").load(STUDY / "params.yaml")
    name = study["architecture"]
    if arguments.arm not in study["arms"]:
        raise PipelineError(
            f"{STUDY}/params.yaml: arms has no {arguments.arm}; it has {', '.join(study['arms'])}"
        )
    folder = workspace(name, study["arms"][arguments.arm], arguments.seed)
    for stage, result in (
        ("pretrain", f"models/pretrained/{name}"),
        ("lr_find", f"data/learning_rates/{name}.json"),
        ("train", f"models/{name}/model.keras"),
    ):
        run(folder, stage, name, result)

    determinism.pin(0, params.load(folder / "params.yaml").threads)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    metrics = measure(folder / "models" / name, data, study["small"])
    metrics["learning_rate"] = read_json(folder / f"data/learning_rates/{name}.json")["suggested"]
    path = STUDY / f"runs/{arguments.arm}-{arguments.seed}.json"
    write_json(path, metrics)
    print(f"wrote {path}: {metrics}")


def workspace(name: str, changes: dict[str, Any], seed: int) -> Path:
    """Return the folder of a training: its parameters, and links to the data.

    Its name follows from the parameters, so what is in it is never of another training.
    """
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["seed"] = seed
    content["architectures"][name].update(changes)
    texts = [repr(content), *(path.read_text() for path in sorted(ROOT.glob("digits/**/*.py")))]
    digest = hashlib.sha256("".join(texts).encode()).hexdigest()[:12]
    folder = Path("checkpoints/transfer") / digest
    for target in ("standardized", "split.csv"):
        link = folder / "data" / target
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("data", target).resolve())
    with replacing(folder / "params.yaml") as temporary:
        yaml.dump(content, temporary)
    params.load(folder / "params.yaml")  # refuses what cannot be
    return folder


def run(folder: Path, stage: str, name: str, result: str) -> None:
    """Run a stage in ``folder``, unless it is behind us.

    Raises:
        PipelineError: the stage failed; it has said why.
    """
    done = folder / f"{stage}.done"
    if done.exists() and (folder / result).exists():
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"stages.{stage}", name]
    print(f"{stage} in {folder}", flush=True)
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:  # noqa: S603
        raise PipelineError(f"{stage} failed in {folder}; the next run goes on from there")
    done.touch()


def measure(
    models: Path, data: dataset.Dataset, small: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Return the accuracies at the end of each phase, in [0, 1]; of one phase, at its end."""
    sets = {
        "dev": data.images[data.rows["dev"]],
        "test": data.images[data.rows["test"]],
        "small": shrink(data, data.rows["test"], **small),
    }
    labels = {name: data.labels[data.rows["dev" if name == "dev" else "test"]] for name in sets}
    ends = sorted((models / "phases").glob("*.keras")) or [models / "model.keras"]
    phases = {}
    for number, end in enumerate(ends, 1):
        model = inference.load_network(end)
        phases[f"phase{number}"] = {
            name: round(statistics.accuracy(read(model, images) == labels[name]), 6)
            for name, images in sets.items()
        }
    return phases


def read(model: Any, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the digits that a network sees in standardized images, (n,)."""
    digits: NDArray[np.int64] = inference.predict(model, images).argmax(axis=1)
    return digits


def shrink(
    data: dataset.Dataset, rows: NDArray[np.int64], lowest: float, highest: float, seed: int
) -> NDArray[np.float32]:
    """Return images made smaller and put anywhere they fit, standardized, (n, 28, 28).

    Each is shrunk, frame and all, to between ``lowest`` and ``highest`` of its side, and lies in a
    black image at a place drawn uniformly.
    """
    rng = np.random.default_rng(seed)
    pixels = np.rint(data.images[rows] * data.deviation + data.mean).astype(np.uint8)
    result = np.zeros_like(pixels)
    for image, canvas in zip(pixels, result, strict=True):
        side = int(rng.integers(round(lowest * SIDE), round(highest * SIDE) + 1))
        smaller = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        top, left = rng.integers(0, SIDE - side + 1, 2)
        canvas[top : top + side, left : left + side] = np.asarray(smaller)
    scaled: NDArray[np.float32] = ((result - np.float32(data.mean)) / data.deviation).astype("f4")
    return scaled


if __name__ == "__main__":
    run_stage("transfer", main)
