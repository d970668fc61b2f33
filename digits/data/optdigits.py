"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries with it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def read() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images made like MNIST's, uint8 (1797, 28, 28), and labels, uint8 (1797,), 0 to 9."""
    from sklearn.datasets import load_digits  # takes seconds that the other data sets can save

    bunch = load_digits()
    return np.stack([enlarge(image) for image in bunch.images]), bunch.target.astype(np.uint8)


def enlarge(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Make an 8 x 8 image of 0..16 like MNIST's: 20 x 20 of 0 (paper) to 255, amid 28 x 28."""
    grey = Image.fromarray((image * 255 / 16).round().astype(np.uint8))
    return np.pad(np.asarray(grey.resize((20, 20), Image.Resampling.BICUBIC)), 4)
