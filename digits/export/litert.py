"""Keras networks as LiteRT (.tflite) files, and running such files.

The files need LiteRT's own operations alone, so that they also run in a browser, which has no
TensorFlow to fall back on.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from tqdm import tqdm

from digits.errors import PipelineError

OPERATIONS = tf.lite.OpsSet


def write(model: keras.Model, path: Path, calibration: NDArray[np.uint8] | None = None) -> None:
    """Write a network of images (1, 28, 28, 1) that computes in float32.

    With ``calibration``, images (n, 28, 28), 0 to 255, it computes in 8-bit integers, float32
    outside; the range of every activation is learned from them. It takes one image at a time:
    browsers refuse a batch of any size. Raises PipelineError if the network has an operation that
    LiteRT lacks.
    """
    settings: dict[str, Any] = {"target_spec": {"supported_ops": [OPERATIONS.TFLITE_BUILTINS]}}
    if calibration is not None:
        settings = {
            "target_spec": {"supported_ops": [OPERATIONS.TFLITE_BUILTINS_INT8]},
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "representative_dataset": partial(_one_by_one, calibration),
        }
    pixels = keras.InputSpec(shape=(1, 28, 28, 1), dtype="float32", name="pixels")
    try:
        model.export(path, format="litert", verbose=False, input_signature=[pixels], **settings)
    except Exception as error:  # the converter's own, which is not public
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(f"{model.name} cannot be made into {path.name}: {reason}") from None


def _one_by_one(images: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    for image in images:
        yield [image[None, ..., None].astype(np.float32)]


def run(path: Path, images: NDArray[np.uint8], threads: int) -> NDArray[np.float32]:
    """Return the probabilities, (n, 10), that a file gives for images (n, 28, 28), 0 to 255."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    answers = np.empty((len(images), 10), np.float32)
    for row, image in enumerate(tqdm(images, desc=path.name, unit="image")):
        interpreter.set_tensor(taken["index"], image[None, ..., None].astype(np.float32))
        interpreter.invoke()
        answers[row] = interpreter.get_tensor(given["index"])[0]
    return answers
