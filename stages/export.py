"""Export a trained network, so that other programs can classify digits with it.

Reads data/standardized/, data/split.csv, and models/NAME/model.keras, data/predictions/NAME.npz and
metrics/NAME.json. Writes, if every format passes, the folder models/export/NAME/, for programs with
Keras or TensorFlow, and models/litert/NAME.tflite, for the app and for phones, with NAME.json.

The exported network takes raw grey levels, 0 to 255, white ink on black, float32 (1, 28, 28, 1):
the standardization is its first layer. It gives the probabilities of the ten labels, (1, 10). The
folder has model.keras, architecture.json with model.weights.h5, and float32.tflite; NAME.tflite
computes in 8-bit integers, NAME.json is the model card of all, and NAME.npy has the digit that
NAME.tflite predicts for each test image, uint8 (n,).

The stage fails if another format than int8 predicts another class for an image than the trained
network, or int8 loses `export.largest_drop` or more of the accuracy on dev.
"""

import itertools
import shutil
from pathlib import Path

import numpy as np

from digits import config
from digits.data import dataset
from digits.errors import command_line, run_stage
from digits.evaluation import predict, predictions
from digits.export import formats, model_card
from digits.io import read_json, replacing, write_json
from digits.training import determinism


def main() -> None:
    """Write the network in every format, predict with each, and put them in place."""
    parser = command_line("stages.export", __doc__, name="an architecture of params.yaml")
    name, settings = parser.parse_args().name, config.load()
    config.architecture(settings, name)
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

    temporary = Path(f"models/.{name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed run left
    try:
        new = formats.paths(name, temporary)
        formats.write(formats.take_raw_pixels(trained, data.mean, data.std), new, calibration)
        answers = formats.read(new, formats.raw_pixels(data, rows), settings.threads)
        compared = formats.compare(answers, expected, data.labels[rows], sets)
        formats.check(compared, settings.export.largest_drop)
        card = model_card.describe(name, settings, data, metrics, compared, temporary)
        shutil.rmtree(f"models/export/{name}", ignore_errors=True)
        for path in itertools.chain.from_iterable(new.values()):
            target = "models" / path.relative_to(temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_json(Path(f"models/litert/{name}.json"), card)
    with replacing(Path(f"models/litert/{name}.npy")) as path:
        np.save(path, answers["int8"][sets["test"]].argmax(axis=1).astype(np.uint8))
    accuracy = {one["name"]: one["test_accuracy"] for one in compared}
    print(
        f"models/litert/{name}.tflite: test accuracy {accuracy['int8']:.2%}, of the trained "
        f"network {accuracy['keras']:.2%}; every format classified {len(rows):,} images"
    )


if __name__ == "__main__":
    run_stage("export", main)
