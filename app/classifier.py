"""Running an exported network with LiteRT, without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from digits.errors import PipelineError
from digits.io import read_json

MODEL = Path("models/litert/lenet5_pen.tflite")
HELP = "a models/litert/NAME.tflite, with its .json beside it"
EXPECTED = ["float32 [1, 28, 28, 1]", "float32 [1, 10]"]  # goes in, comes out


def cards(model: Path) -> list[dict[str, Any]]:
    """Return what a page shows of the exported networks beside ``model``, itself first.

    Each has a name, the file, the test accuracy in [0, 1] and the kinds of regularization. Best of
    the others comes first. One without its model card is left out; ``model`` must have it.
    """
    found = [
        {
            "name": path.stem,
            "file": path.name,
            "accuracy": (card := read_json(path.with_suffix(".json")))["metrics"]["test"],
            "regularization": card["regularization"],
        }
        for path in model.parent.glob("*.tflite")
        if path == model or path.with_suffix(".json").is_file()
    ]
    return sorted(found, key=lambda one: (one["name"] != model.stem, -one["accuracy"]))


class Classifier:
    """An exported network that classifies one image at a time, for one thread.

    Raises:
        PipelineError: there is no such file, or it is damaged or a network of another shape.
    """

    def __init__(self, path: Path):
        if not path.is_file():
            raise PipelineError(
                f"{path} is missing; `git checkout {path}` brings it back, `dvc repro export` "
                "trains and exports the networks"
            )
        try:
            # A second thread takes longer to wake up than it saves on so small a network.
            self._interpreter = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PipelineError(f"{path} is no LiteRT model, or a damaged one: {reason}") from None
        ends = (*self._interpreter.get_input_details(), *self._interpreter.get_output_details())
        found = [f"{one['dtype'].__name__} {one['shape'].tolist()}" for one in ends]
        if found != EXPECTED:
            raise PipelineError(f"{path}: expected a network from {EXPECTED}, got one from {found}")
        self._input, self._output = (one["index"] for one in ends)

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return how likely the image shows each of the ten digits, (10,), in all 1.

        Args:
            image: (28, 28), white ink (255) on black (0).
        """
        self._interpreter.set_tensor(self._input, image.astype(np.float32)[None, ..., None])
        self._interpreter.invoke()
        shares = self._interpreter.get_tensor(self._output)[0]
        probabilities: NDArray[np.float32] = shares / shares.sum()  # int8's are in steps of 1/256
        return probabilities
