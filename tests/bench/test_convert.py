import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import convert, measuring
from digits.data import idx


@pytest.mark.usefixtures("standardized")
def test_both_methods_are_timed_and_write_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    used: list[tuple[str, measuring.Used]] = []
    run = measuring.run

    def keep(command: list[str], folder: Path) -> measuring.Used:
        used.append((command[0], run(command, folder)))
        if command[0] == "bench.convert":
            images, labels = idx.read_pair(
                *(convert.RAW / name for name in convert.FILES["testing"])
            )
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                png = Image.open(folder / f"data/png/testing/{label}/{number}.png")
                assert png.mode == "L"
                assert np.array_equal(np.asarray(png), image)
        return used[-1][1]

    monkeypatch.setattr(measuring, "run", keep)
    monkeypatch.setattr(sys, "argv", ["convert", "--rounds", "2"])
    convert.main()
    ours, other = "stages.convert", "bench.convert"
    assert [name for name, _ in used] == [ours, other, other, ours]
    ((whole, cpu),) = written
    mine = [one for name, one in used if name == ours]
    assert whole["ours"] == measuring.spread([70_000 / one.seconds for one in mine])
    assert cpu["ours"] == measuring.spread([70_000 / one.cpu for one in mine])
