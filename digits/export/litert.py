"""Keras networks as LiteRT (.tflite) files, and running such files.

The files need LiteRT's own operations alone, so that they also run in a browser, which has no
TensorFlow to fall back on.
"""

from collections.abc import Iterator
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


def write_float32(model: keras.Model, path: Path) -> None:
    """Write a network of images (1, 28, 28, 1) that computes in float32."""
    _convert(model, path, OPERATIONS.TFLITE_BUILTINS)


def write_int8(model: keras.Model, path: Path, calibration: NDArray[np.uint8]) -> None:
    """Write a network of images (1, 28, 28, 1) that computes in 8-bit integers, float32 outside.

    It takes grey levels from 0 to 255. The range of every activation is learned from the images of
    ``calibration``, (n, 28, 28).
    """

    def images() -> Iterator[list[NDArray[np.float32]]]:
        for image in calibration:
            yield [image[None, ..., None].astype(np.float32)]

    _convert(
        model,
        path,
        OPERATIONS.TFLITE_BUILTINS_INT8,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=images,
    )


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


def _convert(model: keras.Model, path: Path, operations: tf.lite.OpsSet, **settings: Any) -> None:
    """Write a .tflite file for batches of one image; browsers refuse a batch of any size.

    Raises PipelineError if the network has an operation that LiteRT lacks.
    """
    images = keras.InputSpec(shape=(1, 28, 28, 1), dtype="float32", name="pixels")
    try:
        model.export(
            path,
            format="litert",
            verbose=False,
            input_signature=[images],
            target_spec={"supported_ops": [operations]},
            **settings,
        )
    except Exception as error:  # the converter's own, which is not public
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(f"{model.name} cannot be made into {path.name}: {reason}") from None
