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

from digits import config
from digits.data import dataset
from digits.errors import PipelineError, run_stage
from digits.evaluation import predict, statistics
from digits.export import formats
from digits.io import read_json, replacing, write_json
from digits.training import determinism
from studies.transfer import settings
from studies.transfer.settings import Small

ROOT = Path(__file__).parents[2]
SIDE = 28
RESULTS = {  # of each stage, by which it is known to be behind us
    "pretrain": "models/pretrained/{}",
    "lr_find": "data/learning_rates/{}.json",
    "train": "models/{}/model.keras",
}


def main() -> None:
    """Run the arm and the seed named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.transfer.run", description=__doc__)
    parser.add_argument("arm", help="an arm of studies/transfer/params.yaml")
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    study = settings.load()
    name = study.architecture
    if arguments.arm not in study.arms:
        raise PipelineError(
            f"{settings.PATH}: arms has no {arguments.arm}; it has {', '.join(study.arms)}"
        )
    folder = workspace(name, study.arms[arguments.arm], arguments.seed)
    for stage, result in RESULTS.items():
        run(folder, stage, name, result.format(name))

    determinism.pin(0, config.load(folder / "params.yaml").threads)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    metrics: dict[str, Any] = measure(folder / "models" / name, data, study.small)
    metrics["learning_rate"] = read_json(folder / RESULTS["lr_find"].format(name))["suggested"]
    path = Path(f"studies/transfer/runs/{arguments.arm}-{arguments.seed}.json")
    write_json(path, metrics)
    print(f"wrote {path}: {metrics}")


def workspace(name: str, changes: dict[str, Any], seed: int) -> Path:
    """Return the folder of a training: its parameters, and links to the data.

    Its name follows from all that determines the training, so what is in it is of no other.
    """
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["seed"] = seed
    content["architectures"][name].update(changes)
    digest = hashlib.sha256(repr(content).encode())
    code = (path for folder in ("digits", "stages") for path in (ROOT / folder).rglob("*.py"))
    inputs = Path("data/split.csv"), Path("data/standardized/statistics.json")
    for path in (*sorted(code), ROOT / "requirements.lock", *inputs):
        digest.update(path.read_bytes())
    folder = Path("checkpoints/transfer") / digest.hexdigest()[:12]
    for target in ("standardized", "split.csv"):
        link = folder / "data" / target
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("data", target).absolute())
    with replacing(folder / "params.yaml") as temporary:
        yaml.dump(content, temporary)
    config.load(folder / "params.yaml")  # refuses what cannot be
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


def measure(models: Path, data: dataset.Dataset, small: Small) -> dict[str, dict[str, float]]:
    """Return the accuracies at the end of each phase, in [0, 1]; of one phase, at its end."""
    dev, test = data.rows["dev"], data.rows["test"]
    sets = {
        "dev": (data.images[dev], data.labels[dev]),
        "test": (data.images[test], data.labels[test]),
        "small": (shrink(data, test, small), data.labels[test]),
    }
    phases = {}
    ends = sorted((models / "phases").glob("*.keras"), key=lambda path: int(path.stem))
    for number, end in enumerate(ends or [models / "model.keras"], 1):
        model = predict.load_network(end)
        phases[f"phase{number}"] = {
            name: round(statistics.accuracy(predict.predict(model, images).argmax(1) == labels), 6)
            for name, (images, labels) in sets.items()
        }
    return phases


def shrink(data: dataset.Dataset, rows: NDArray[np.int64], small: Small) -> NDArray[np.float32]:
    """Return images made smaller and put anywhere they fit, standardized, (n, 28, 28).

    Each is shrunk, frame and all, and lies in a black image at a place drawn uniformly.
    """
    rng = np.random.default_rng(small.seed)
    lowest, highest = round(small.lowest * SIDE), round(small.highest * SIDE)
    pixels = formats.raw_pixels(data, rows)
    result = np.zeros_like(pixels)
    for image, canvas in zip(pixels, result, strict=True):
        side = int(rng.integers(lowest, highest + 1))
        smaller = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        top, left = rng.integers(0, SIDE - side + 1, 2)
        canvas[top : top + side, left : left + side] = np.asarray(smaller)
    scaled: NDArray[np.float32] = (result - np.float32(data.mean)) / np.float32(data.std)
    return scaled


if __name__ == "__main__":
    run_stage("transfer", main)
