"""Does unfreezing help on digits drawn with pens? The ResNet-34 article saw that it did harm there.

Trains resnet34 as the setting `letters` of studies/transfer has it, each seed anew, and classifies
recorded pen strokes with the network at the end of each phase. What share is right, of all digits
in all placements, goes into the rows of the study. Half an hour for each seed, on two CPU cores;
what was stopped goes on. `python -m bench.strokes --help` describes the file.

    python -m bench.unfreezing unipen-digits.json.gz
"""

import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import strokes
from bench.strokes import Digit
from digits.data import scaling
from digits.data.dataset import Images
from digits.errors import command_line, run_stage
from digits.evaluation import predict, statistics
from studies import run as study_run
from studies import runs, study, table
from studies.images import read_images
from studies.runs import Row, Run

NAME, SETTING = "transfer", "letters"
FOLDER = Path("checkpoints/unfreezing")


def main() -> None:
    """Measure with the digits in the file named on the command line."""
    parser = command_line("bench.unfreezing", __doc__, path="the strokes, .json.gz")
    digits = strokes.read(Path(parser.parse_args().path))
    one, images = study.read(NAME), read_images("mnist")
    path = study.STUDIES / NAME / "runs/runs.csv"
    done = set(table.read(path).dropna(subset="strokes_accuracy")["identity"])
    every = {run.identity(images): run for run in runs.expand(one, NAME, images)}
    missing = {key: run for key, run in every.items() if run.setting == SETTING and key not in done}
    # Here, since joblib's workers would keep the training's process from ending for minutes.
    drawn = strokes.normalized(digits)[0] if missing else np.empty(0, np.uint8)
    for identity, run in missing.items():
        # A training that follows another one in the same process does not always repeat.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found = pool.submit(measure, run, images, digits, drawn).result()
        rows = study_run.put(table.read(path), found, run, images, identity)
        table.write(path, table.sort(rows, list(one.settings)))
        shutil.rmtree(FOLDER / run.name)
    print(f"wrote {path}; `python -m studies.analyse {NAME}` makes tables and pictures of it")


def measure(
    run: Run, images: Images, digits: Sequence[Digit], drawn: NDArray[np.uint8]
) -> list[Row]:
    """Train, and return the rows of the run, of each phase with ``strokes_accuracy``, [0, 1].

    ``drawn`` are the digits as `strokes.normalized` gives them, uint8 (n, 28, 28).
    """
    folder = FOLDER / run.name
    folder.mkdir(parents=True, exist_ok=True)
    found = run.execute(images, folder)
    labels = np.repeat([digit.label for digit in digits], len(strokes.PLACEMENTS))
    mean, std = scaling.mean_and_std(images.pixels[row] for row in run.rows(images)["train"])
    scaled = ((drawn - mean) / std).astype(np.float32)
    for row in found:
        model = predict.load_network(folder / f"state/phase-{row['phase']}.keras")
        right = predict.predict(model, scaled).argmax(axis=1) == labels
        refused = ~drawn.any(axis=(1, 2))
        row["strokes_accuracy"] = round(statistics.accuracy(right & ~refused), 6)
    return found


if __name__ == "__main__":
    run_stage("unfreezing", main)
