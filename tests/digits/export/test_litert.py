"""Networks as .tflite files, run as the app runs them."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from digits.errors import PipelineError
from digits.export import litert

SPOTS = np.arange(10) * 78  # where an image of each class is bright


def network() -> keras.Model:
    """Return a network that gives an image with one bright spot to the spot's class.

    It also drops all but a few activations, and normalizes them, as networks do while training.
    """
    keras.utils.clear_session()  # so that layers get the same names every time
    pixels = keras.Input((28, 28, 1), batch_size=1)
    features = keras.layers.BatchNormalization(epsilon=0)(keras.layers.Flatten()(pixels))
    features = keras.layers.Dropout(0.9)(features)
    model = keras.Model(pixels, keras.layers.Dense(10, activation="softmax")(features), name="spot")
    kernel = np.zeros((784, 10))
    kernel[SPOTS, np.arange(10)] = 5
    scale, shift, mean, variance = np.ones(784), np.zeros(784), np.full(784, 51), np.ones(784)
    model.set_weights([scale, shift, mean, variance * 102**2, kernel, np.zeros(10)])
    return model


def images() -> npt.NDArray[np.uint8]:
    """Return one image of each class: black, the spot white."""
    pixels = np.zeros((10, 784), np.uint8)
    pixels[np.arange(10), SPOTS] = 255
    return pixels.reshape(10, 28, 28)


EXPECTED = softmax(np.where(np.eye(10) > 0, 5 * (255 - 51) / 102, 5 * -51 / 102), axis=1)


def test_float32_gives_the_probabilities_of_a_network_that_is_not_training(tmp_path: Path) -> None:
    litert.write(network(), tmp_path / "a.tflite")
    answers = litert.run(tmp_path / "a.tflite", images(), threads=1)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, EXPECTED, atol=1e-6)


def test_int8_computes_in_whole_numbers_from_the_grey_levels_themselves(tmp_path: Path) -> None:
    litert.write(network(), tmp_path / "a.tflite", images())
    answers = litert.run(tmp_path / "a.tflite", images(), threads=1)
    np.testing.assert_allclose(answers, EXPECTED, atol=1 / 256)
    interpreter = Interpreter(str(tmp_path / "a.tflite"))
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    assert (taken["dtype"], taken["shape"].tolist()) == (np.float32, [1, 28, 28, 1])
    assert (given["dtype"], given["shape"].tolist()) == (np.float32, [1, 10])
    tensors = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    inside = tensors.keys() - {taken["index"], given["index"]}
    assert {tensors[index] for index in inside} <= {np.int8, np.int32}


def test_a_network_that_needs_tensorflow_is_refused_in_one_line(tmp_path: Path) -> None:
    pixels = keras.Input((28, 28, 1), batch_size=1)
    features = keras.ops.tan(keras.layers.Flatten()(pixels))
    model = keras.Model(pixels, keras.layers.Dense(10)(features), name="odd")
    with pytest.raises(PipelineError, match=r"^odd cannot be made into a\.tflite: .*Tan.*\Z"):
        litert.write(model, tmp_path / "a.tflite")
    assert not (tmp_path / "a.tflite").exists()
