import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import convert, measuring
from digits.data import idx


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


@pytest.mark.usefixtures("standardized")
def test_both_methods_are_timed_as_wholes_and_by_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = measuring.run
    used: list[tuple[str, measuring.Used]] = []

    def keep(command: list[str], folder: Path) -> measuring.Used:
        used.append((command[0], run(command, folder)))
        return used[-1][1]

    written: list[Any] = []
    monkeypatch.setattr(measuring, "run", keep)
    monkeypatch.setattr(measuring, "write", lambda name, figures: written.extend(figures))
    monkeypatch.setattr(sys, "argv", ["convert", "--rounds", "2"])
    convert.main()
    assert [name for name, _ in used] == [
        *("stages.convert", "bench.convert"),
        *("bench.convert", "stages.convert"),
    ]
    ours = [one for name, one in used if name == "stages.convert"]
    whole, processor = written
    assert whole["ours"] == measuring.spread([70_000 / one.seconds for one in ours])
    assert processor["ours"] == measuring.spread([70_000 / one.processor for one in ours])
