"""Load a trained network and predict with it."""

import zipfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.errors import PipelineError

BATCH = 1000  # images in memory at a time


def load_network(path: Path) -> keras.Model:
    """Load a saved network, and make sure it takes such images and gives ten probabilities.

    Raises PipelineError if the file is damaged, or the network is of another shape.
    """
    path.stat()  # to Keras, a file is missing too when it is there but no ZIP
    if not zipfile.is_zipfile(path):
        raise PipelineError(f"{path} is not a Keras model, or a damaged one: it is no ZIP")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever zipfile, json, h5py and Keras raise on damaged bytes
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(f"{path} is not a Keras model, or a damaged one: {reason}") from None
    if (model.input_shape, model.output_shape) != ((None, 28, 28, 1), (None, 10)):
        raise PipelineError(
            f"{path}: expected a network from (None, 28, 28, 1) to (None, 10), "
            f"got one from {model.input_shape} to {model.output_shape}"
        )
    return model


def predict(model: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities, (N, 10), of standardized images, (N, 28, 28).

    Raises PipelineError if they are no finite numbers.
    """
    starts = tqdm(range(0, len(images), BATCH), desc="predict", unit="batch")
    batches = [model.predict_on_batch(images[at : at + BATCH, ..., None]) for at in starts]
    probabilities: NDArray[np.float32] = np.concatenate(batches)
    if not np.isfinite(probabilities).all():
        raise PipelineError(
            "the network gives NaN or infinity for some images: its training ran away; "
            "a lower learning rate may help"
        )
    return probabilities
