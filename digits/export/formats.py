"""The formats a trained network is exported in: writing, running and comparing them.

All take raw grey levels, 0 to 255, white ink on black; the standardization is their first layer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.evaluation import predict, statistics
from digits.export import litert
from digits.io import write_json
from digits.training import model_file

FORMATS = {  # and the files each consists of
    "keras": ["model.keras"],
    "weights": ["architecture.json", "model.weights.h5"],
    "float32": ["float32.tflite"],
    "int8": ["int8.tflite"],
}


def take_raw_pixels(trained: keras.Model, mean: float, std: float) -> keras.Model:
    """Put the standardization before a trained network, and fix the batch to one image."""
    pixels = keras.Input((28, 28, 1), batch_size=1, name="pixels")
    standardize = keras.layers.Rescaling(1 / std, -mean / std, name="standardize")
    return keras.Model(pixels, trained(standardize(pixels)), name=trained.name)


def raw_pixels(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Undo the standardization of the images of ``rows``: exact, as grey levels are whole."""
    pixels: NDArray[np.floating] = np.rint(data.images[rows] * data.std + data.mean)
    return pixels.astype(np.uint8)


def write(model: keras.Model, folder: Path, calibration: NDArray[np.uint8]) -> None:
    """Write a network that takes raw pixels in every format; ``calibration`` as in `litert`."""
    model_file.save(model, folder / "model.keras")
    write_json(folder / "architecture.json", json.loads(model.to_json()))
    model.save_weights(folder / "model.weights.h5")
    litert.write_float32(model, folder / "float32.tflite")
    litert.write_int8(model, folder / "int8.tflite", calibration)


def read(folder: Path, pixels: NDArray[np.uint8], threads: int) -> dict[str, NDArray[np.float32]]:
    """Load every format and return the probabilities, (n, 10), it gives for pixels (n, 28, 28)."""
    whole = keras.models.load_model(folder / "model.keras", compile=False, safe_mode=True)
    parts = keras.models.model_from_json((folder / "architecture.json").read_text(encoding="utf-8"))
    parts.load_weights(folder / "model.weights.h5")
    images = pixels.astype(np.float32)
    return {
        "keras": predict.predict(whole, images),
        "weights": predict.predict(parts, images),
        "float32": litert.run(folder / "float32.tflite", pixels, threads),
        "int8": litert.run(folder / "int8.tflite", pixels, threads),
    }


def compare(
    answers: dict[str, NDArray[np.float32]],
    expected: NDArray[np.float32],
    labels: NDArray[np.uint8],
    sets: Mapping[str, NDArray[np.bool_]],
) -> list[dict[str, Any]]:
    """Compare every format with the trained network.

    Args:
        answers: probabilities, (n, 10), as from `read`.
        expected: probabilities of the trained network, (n, 10).
        labels: (n,), 0 to 9.
        sets: for dev and test, whether the image is in it, (n,); accuracies are over these.
    """
    formats = []
    for name, probabilities in answers.items():
        classes = probabilities.argmax(axis=1)
        difference = float(np.abs(probabilities - expected).max())
        correct = classes == labels
        formats.append(
            {
                "name": name,
                "files": FORMATS[name],
                **{
                    f"{kind}_accuracy": round(statistics.accuracy(correct[members]), 6)
                    for kind, members in sets.items()
                },
                "classes_differing": int(np.count_nonzero(classes != expected.argmax(axis=1))),
                "largest_difference": float(f"{difference:.2g}"),
            }
        )
    return formats


def check(formats: list[dict[str, Any]], largest_drop: float) -> None:
    """Refuse formats, as from `compare`, that do not classify as the trained network does.

    Raises:
        PipelineError: int8 loses ``largest_drop`` of the accuracy on dev or more, or another format
            gives an image another class; the message says which, and how far it is off.
    """
    *floats, int8 = formats
    for one in floats:
        if one["classes_differing"]:
            raise PipelineError(
                f"{' with '.join(one['files'])} classifies {one['classes_differing']} images "
                "otherwise than the trained network; nothing was exported"
            )
    accuracy = floats[0]["dev_accuracy"]
    if accuracy - int8["dev_accuracy"] >= largest_drop:
        raise PipelineError(
            f"int8.tflite has a dev accuracy of {int8['dev_accuracy']}, the trained network of "
            f"{accuracy}; the difference must be below export.largest_drop in params.yaml, "
            f"{largest_drop}; nothing was exported"
        )
