"""Export one trained network, so that other programs can read digits with it.

Reads data/standardized/, data/split.csv, and models/NAME/model.keras, data/predictions/NAME.npz and
metrics/NAME.json of the architecture NAME that params.yaml gives under export. Writes
metrics/export.json and, whole or not at all, the folder models/export/.

The exported network takes raw grey levels, 0 to 255, white ink on black, float32 (1, 28, 28, 1):
the standardization is its first layer. It gives the probabilities of the ten labels, (1, 10). It
comes as model.keras, as architecture.json with model.weights.h5, as float32.tflite, and as
int8.tflite, uint8 in and out; model-card.json describes them. Every format classifies the dev and
test images as the trained network does, and int8 loses next to nothing on dev, or the stage fails.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from digits import config
from digits.data import dataset
from digits.errors import run_stage
from digits.evaluation import predict, predictions
from digits.export import formats, model_card
from digits.io import read_json, write_json
from digits.training import determinism


def main() -> None:
    """Write the network in every format, predict with each, and put them in place."""
    settings = config.load()
    name = settings.export.architecture
    determinism.pin(settings.seed, settings.threads)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    metrics = read_json(Path(f"metrics/{name}.json"))
    trained = predict.load_network(Path(f"models/{name}/model.keras"))
    shuffled = np.random.RandomState(settings.seed).permutation(data.rows["train"])
    calibration = formats.raw_pixels(data, shuffled[: settings.export.calibration_images])
    rows = np.union1d(data.rows["dev"], data.rows["test_as_published"])
    sets = {kind: np.isin(rows, data.rows[kind]) for kind in ("dev", "test")}
    path = Path(f"data/predictions/{name}.npz")
    expected = predictions.read(path, len(data.labels), data.rows).probabilities[rows]

    with tempfile.TemporaryDirectory(dir="models", prefix=".export.part.") as temporary:
        folder = Path(temporary) / "export"
        folder.mkdir()
        formats.write(formats.take_raw_pixels(trained, data.mean, data.std), folder, calibration)
        answers = formats.read(folder, formats.raw_pixels(data, rows), settings.threads)
        compared = formats.compare(answers, expected, data.labels[rows], sets)
        formats.check(compared, settings.export.largest_drop)
        card = model_card.describe(settings, data, metrics, compared, folder)
        write_json(folder / "model-card.json", card)
        shutil.rmtree("models/export", ignore_errors=True)
        folder.rename("models/export")
    accuracy = {one["name"]: one["test_accuracy"] for one in compared}
    kept = {"test": accuracy["keras"], "int8": accuracy["int8"]}
    write_json(
        Path("metrics/export.json"), {"architecture": name, "accuracy": kept, "formats": compared}
    )
    print(
        f"models/export: {name}, test accuracy {kept['test']:.2%}, as int8 {kept['int8']:.2%}; "
        f"every format classified {len(rows):,} dev and test images"
    )


if __name__ == "__main__":
    run_stage("export", main)
