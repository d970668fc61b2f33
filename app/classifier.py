"""Running the exported network with LiteRT, without TensorFlow."""

from pathlib import Path
from typing import Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from digits.errors import PipelineError

MODEL = Path("models/export")
SHAPES = (1, 28, 28, 1), (1, 10)  # of what goes in and comes out
TYPES = {"int8": "uint8", "float32": "float32"}


class Classifier:
    """An exported network that classifies one image at a time, for one thread.

    Args:
        folder: where the export stage wrote it.
        format: ``int8`` takes a quarter of the time of ``float32``, and the export stage refuses it
            when it is less accurate by 0.1 points; its probabilities come in steps of 1/256.

    Raises:
        PipelineError: there is no such network, or it is damaged or of another shape.
    """

    def __init__(self, folder: Path, format: Literal["int8", "float32"] = "int8"):
        path = folder / f"{format}.tflite"
        if not path.is_file():
            raise PipelineError(
                f"{path} is missing; `make app` trains a network in a few minutes, "
                "`dvc repro export` runs the whole pipeline"
            )
        try:
            # A second thread takes longer to wake up than it saves on so small a network.
            self._interpreter = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PipelineError(f"{path} is no LiteRT model, or a damaged one: {reason}") from None
        (given,) = self._interpreter.get_input_details()
        (taken,) = self._interpreter.get_output_details()
        found = [(*item["shape"].tolist(), np.dtype(item["dtype"]).name) for item in (given, taken)]
        expected = [(*shape, TYPES[format]) for shape in SHAPES]
        if found != expected:
            raise PipelineError(f"{path}: expected a network from {expected}, got one from {found}")
        self._input, self._output, self._type = given["index"], taken["index"], TYPES[format]
        _, self._zero = taken["quantization"]

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return how likely the image shows each of the ten digits, (10,), in all 1.

        Args:
            image: (28, 28), white ink (255) on black (0).
        """
        self._interpreter.set_tensor(self._input, image.astype(self._type).reshape(SHAPES[0]))
        self._interpreter.invoke()
        shares = self._interpreter.get_tensor(self._output)[0].astype(np.float32) - self._zero
        probabilities: NDArray[np.float32] = shares / shares.sum()  # which also scales int8's
        return probabilities
