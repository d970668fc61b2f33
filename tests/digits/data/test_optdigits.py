import hashlib

import numpy as np
from sklearn.datasets import load_digits

from digits.data import optdigits


def test_digits_are_the_same_everywhere() -> None:
    images, labels = optdigits.read()
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (1797, 28, 28)
    assert labels.tolist() == load_digits().target.tolist()
    found = hashlib.sha256(images.tobytes()).hexdigest()
    assert found == "163fe594711a8e39c4e5a3c8aeaf002a09731245c1f5366d1f6971a790003fc0"


def test_enlarged_digits_are_like_those_of_mnist() -> None:
    small = load_digits().images[0]
    image = optdigits.enlarge(small)
    assert image.max() > 240
    middle = image[4:24, 4:24]
    assert image.sum() == middle.sum()
    quarters = middle.reshape(4, 5, 4, 5).mean((1, 3)), small.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.allclose(quarters[0] / 255, quarters[1] / 16, atol=0.1)
