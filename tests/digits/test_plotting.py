"""The pictures: that they can be read back and show what they were given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from digits import plotting

NAMES = [f"network_{number}" for number in range(9)]


def curves() -> Figure:
    rows = [
        (name, epoch, kind, 1 / epoch, 1 - 0.1 / epoch)
        for name in NAMES
        for epoch in range(1, 6)
        for kind in ("train", "dev")
    ]
    table = pd.DataFrame(rows, columns=["architecture", "epoch", "set", "loss", "accuracy"])
    return plotting.curves(table)


def images() -> Figure:
    return plotting.images(np.full((5, 28, 28), 128), ["a", "b", "c", "d", "e"])


def confusion() -> Figure:
    return plotting.confusion([0, 1, 1, 9], [0, 1, 7, 9], "four images")


def bias_and_variance() -> Figure:
    return plotting.bias_and_variance(NAMES, [-0.001] * 9, [0.01] * 9)


def accuracies() -> Figure:
    claims = [("test", 0.98), ("dev", 0.97), None] * 3
    return plotting.accuracies(NAMES, [0.98] * 9, [(0.97, 0.985)] * 9, claims)


def comparisons() -> Figure:
    better = np.subtract.outer(np.arange(9.0), np.arange(9.0))
    return plotting.comparisons(NAMES, better, np.full((9, 9), 0.01))


FIGURES = [curves, images, confusion, bias_and_variance, accuracies, comparisons]


def texts(figure: Figure) -> list[str]:
    """Return every piece of text in the panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_saved_picture_is_a_repeatable_png(draw: Callable[[], Figure], tmp_path: Path) -> None:
    for name in ("once.png", "again.png"):
        plotting.save(tmp_path / name, draw())
    with Image.open(tmp_path / "once.png") as picture:
        assert picture.format == "PNG"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 10
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_nine_architectures_have_nine_styles() -> None:
    lines = curves().axes[0].get_lines()
    solid = {(line.get_color(), line.get_marker()) for line in lines if line.get_linestyle() == "-"}
    assert len({colour for colour, _ in solid}) == 9
    assert len({marker for _, marker in solid}) == 9


def test_images_keep_their_grey_levels_and_titles() -> None:
    figure = images()
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["a", "b", "c", "d", "e"]
    assert all(axes.images[0].get_clim() == (0, 255) for axes in shown)


def test_no_image_at_all_is_said_in_words() -> None:
    figure = plotting.images(np.empty((0, 28, 28)), [])
    assert [text.get_text() for text in figure.texts] == ["no image to show"]


def test_confusion_counts_labels_in_rows() -> None:
    counts = np.array(texts(confusion()), dtype=int).reshape(10, 10)
    expected = np.zeros((10, 10), dtype=int)
    expected[0, 0] = expected[1, 1] = expected[1, 7] = expected[9, 9] = 1
    assert counts.tolist() == expected.tolist()


def test_only_differences_that_hold_are_coloured() -> None:
    p_values = np.array([[1, 0.01, 0.0004], [0.01, 1, 0.05], [0.0004, 0.05, 1]])
    better = np.array([[0, 0.1, -0.1], [-0.1, 0, -0.2], [0.1, 0.2, 0]])
    figure = plotting.comparisons(["a", "b", "c"], better, p_values)
    shown = figure.axes[0].images[0].get_array()
    assert np.asarray(shown).tolist() == [[0, 1, -1], [-1, 0, 0], [1, 0, 0]]
    assert texts(figure) == ["0.010", "<0.001", "0.010", "0.050", "<0.001", "0.050"]
