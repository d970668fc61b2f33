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

Paths = Mapping[str, list[Path]]


def paths(name: str, models: Path) -> Paths:
    """Return the files of a network, in the folder ``models``, by the format they make up."""
    whole = models / "export" / name
    return {
        "keras": [whole / "model.keras"],
        "weights": [whole / "architecture.json", whole / "model.weights.h5"],
        "float32": [whole / "float32.tflite"],
        "int8": [models / "litert" / f"{name}.tflite"],
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


def write(model: keras.Model, files: Paths, calibration: NDArray[np.uint8]) -> None:
    """Write a network that takes raw pixels as the ``files`` of `paths`; folders are made.

    ``calibration`` is as for `litert.write`.
    """
    [whole], [architecture, weights], [float32], [int8] = files.values()
    for path in (whole, int8):
        path.parent.mkdir(parents=True)
    model_file.save(model, whole)
    write_json(architecture, json.loads(model.to_json()))
    model.save_weights(weights)
    litert.write(model, float32)
    litert.write(model, int8, calibration)


def read(files: Paths, pixels: NDArray[np.uint8], threads: int) -> dict[str, NDArray[np.float32]]:
    """Load every format and return the probabilities, (n, 10), it gives for pixels (n, 28, 28)."""
    [whole], [architecture, weights], [float32], [int8] = files.values()
    parts = keras.models.model_from_json(architecture.read_text(encoding="utf-8"))
    parts.load_weights(weights)
    images = pixels.astype(np.float32)
    loaded = keras.models.load_model(whole, compile=False, safe_mode=True)
    return {
        "keras": predict.predict(loaded, images),
        "weights": predict.predict(parts, images),
        "float32": litert.run(float32, pixels, threads),
        "int8": litert.run(int8, pixels, threads),
    }


def compare(
    answers: dict[str, NDArray[np.float32]],
    expected: NDArray[np.float32],
    labels: NDArray[np.uint8],
    sets: Mapping[str, NDArray[np.bool_]],
) -> list[dict[str, Any]]:
    """Compare every format with the trained network.

    ``answers`` are probabilities, (n, 10), as from `read`, ``expected`` those of the trained
    network; ``labels`` (n,), 0 to 9. ``sets`` say for dev and test whether an image is in it, (n,);
    accuracies are over these.
    """
    formats = []
    for name, probabilities in answers.items():
        classes = probabilities.argmax(axis=1)
        difference = float(np.abs(probabilities - expected).max())
        correct = classes == labels
        shares = probabilities / probabilities.sum(axis=1, keepdims=True)  # as the app takes int8's
        certainty = shares[range(len(labels)), labels]
        formats.append(
            {
                "name": name,
                **{
                    f"{kind}_accuracy": round(statistics.accuracy(correct[members]), 6)
                    for kind, members in sets.items()
                },
                "test_loss": round(statistics.cross_entropy(certainty[sets["test"]]), 6),
                "classes_differing": int(np.count_nonzero(classes != expected.argmax(axis=1))),
                "largest_difference": float(f"{difference:.2g}"),
            }
        )
    return formats


def check(formats: list[dict[str, Any]], largest_drop: float) -> None:
    """Refuse formats, as from `compare`, that do not classify as the trained network does.

    Raises PipelineError if int8 loses ``largest_drop`` of the accuracy on dev or more, or another
    format gives an image another class.
    """
    *floats, int8 = formats
    for one in floats:
        if one["classes_differing"]:
            raise PipelineError(
                f"{one['name']} classifies {one['classes_differing']} images "
                "otherwise than the trained network; nothing was exported"
            )
    accuracy = floats[0]["dev_accuracy"]
    if accuracy - int8["dev_accuracy"] >= largest_drop:
        raise PipelineError(
            f"int8 has a dev accuracy of {int8['dev_accuracy']}, the trained network of "
            f"{accuracy}; the difference must be below export.largest_drop in params.yaml, "
            f"{largest_drop}; nothing was exported"
        )
