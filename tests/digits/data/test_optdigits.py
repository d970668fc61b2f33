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
