from pathlib import Path

import numpy as np
from PIL import Image

from bench import convert
from digits import idx


def test_the_other_method_writes_the_same_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels = np.array([3, 1, 4, 1, 5], np.uint8)
    raw = tmp_path / "raw"
    raw.mkdir()
    for prefix in ("train", "t10k"):
        idx.write(raw / f"{prefix}-images-idx3-ubyte.gz", images)
        idx.write(raw / f"{prefix}-labels-idx1-ubyte.gz", labels)
    convert.write_files(raw, tmp_path / "png")
    for name in ("training", "testing"):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            written = Image.open(tmp_path / f"png/{name}/{label}/{number}.png")
            assert written.mode == "L"
            assert np.array_equal(np.asarray(written), image)
