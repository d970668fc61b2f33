from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from digits.evaluation import figures


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def xy(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata())


def test_no_image_is_said_in_words_and_saved_as_a_png_of_150_dpi(tmp_path: Path) -> None:
    figure = figures.images(np.empty((0, 28, 28)), [])
    assert [text.get_text() for text in figure.texts] == ["no image to show"]
    figures.save(tmp_path / "images.png", figure)
    with Image.open(tmp_path / "images.png") as picture:
        assert picture.format == "PNG"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


def test_curves_show_the_error_of_each_architecture_in_a_panel_of_its_own() -> None:
    columns = ["epoch", "phase", "accuracy", "dev_accuracy"]
    rows = {"a": [(1, 1, 0.9, 0.96), (2, 2, 0.95, 0.97)], "b": [(1, 1, 0.8, 0.75)]}
    figure = figures.curves(
        {name: pd.DataFrame(one, columns=columns) for name, one in rows.items()}
    )
    assert {
        axes.get_title(): {
            str(line.get_linestyle()): np.round(xy(line), 6).tolist() for line in axes.get_lines()
        }
        for axes in figure.axes
    } == {
        "a": {"-": [[1, 4], [2, 3]], "--": [[1, 10], [2, 5]], ":": [[1.5, 0], [1.5, 1]]},
        "b": {"-": [[1, 25]], "--": [[1, 20]]},
    }
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["dev images", "training images, while training", "next phase"]


def test_a_range_test_shows_each_batch_the_smoothed_loss_and_the_suggestion() -> None:
    rows = [(0.001, 2, 2), (0.01, 1.5, 1.8), (0.1, 3, 2.5)]
    curve = pd.DataFrame(rows, columns=["learning_rate", "loss", "smoothed_loss"])
    (axes,) = figures.range_test(curve, 0.004).axes
    assert axes.get_xscale() == "log"
    batches, smoothed, suggested = axes.get_lines()
    np.testing.assert_allclose(xy(batches), curve[["learning_rate", "loss"]])
    np.testing.assert_allclose(xy(smoothed), curve[["learning_rate", "smoothed_loss"]])
    assert np.unique(suggested.get_xdata()).tolist() == [0.004]
    assert suggested.get_label() == "suggested: 0.004"


def test_errors_are_drawn_in_their_grey_levels_with_both_digits() -> None:
    pictures = np.stack([np.full((28, 28), level, np.float32) for level in (100, 25)])
    probabilities = np.zeros((2, 10), np.float32)
    probabilities[[0, 1], [1, 2]] = [0.999, 0.5]
    panels = figures.misclassified(pictures, [7, 3], probabilities, [12, 345], "net").axes
    levels = [np.unique(np.asarray(panel.images[0].get_array())).tolist() for panel in panels]
    assert levels == [[100], [25]]
    assert {panel.images[0].get_clim() for panel in panels} == {(0, 255)}
    assert [panel.get_title() for panel in panels] == [
        "image 12\ntrue 7, predicted 1 (99.90 %)",
        "image 345\ntrue 3, predicted 2 (50.00 %)",
    ]


def test_confusion_counts_labels_in_rows_and_shades_errors_by_their_share_of_one() -> None:
    labels, predicted = np.repeat([0, 1], [100, 200]), np.repeat([0, 1, 1, 7], [98, 2, 199, 1])
    figure = figures.confusion(labels, predicted, "made up")
    counts = np.zeros((10, 10))
    counts[0, :2], counts[1, 1], counts[1, 7] = (98, 2), 199, 1
    np.testing.assert_array_equal(np.array(texts(figure), int).reshape(10, 10), counts)
    picture = figure.axes[0].images[0]
    shades = np.zeros((10, 10))
    shades[0, 1], shades[1, 7] = 2, 0.5
    np.testing.assert_array_equal(np.asarray(picture.get_array()), shades)
    assert picture.get_clim() == (0, figures.DARKEST)  # the same scale for all


def test_bias_and_variance_are_bars_in_percentage_points() -> None:
    table = pd.DataFrame({"bias": [-0.001, 0.02], "variance": [0.03, 0]})
    ends = [(table + step).add_suffix(end) for step, end in ((-0.001, "_low"), (0.001, "_high"))]
    table = pd.concat([table, *ends], axis=1).assign(architecture=["a", "b"])
    figure = figures.bias_and_variance(table)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    shown = {
        str(bars.get_label()).split()[0]: [
            (round(bar.get_y() + bar.get_height() / 2), pytest.approx(bar.get_width()))
            for bar in bars
        ]
        for bars in axes.containers
        if isinstance(bars, BarContainer)
    }
    assert shown == {"bias": [(0, -0.1), (1, 2)], "variance": [(0, 3), (1, 0)]}
    assert texts(figure) == ["-0.10", "+2.00", "+3.00", "+0.00"]


def test_accuracies_have_their_intervals() -> None:
    rows = [("a", 0.97, 0.96, 0.975), ("b", 0.98, 0.97, 0.985)]
    columns = ["architecture", "test", "test_low", "test_high"]
    axes = figures.accuracies(pd.DataFrame(rows, columns=columns), 22_000).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    (points, _, (bars,)) = axes.containers[0]
    np.testing.assert_allclose(points.get_xydata(), [[97, 0], [98, 1]])
    np.testing.assert_allclose(bars.get_segments(), [[(96, 0), (97.5, 0)], [(97, 1), (98.5, 1)]])


def test_only_significant_differences_are_coloured() -> None:
    architectures = pd.DataFrame({"architecture": ["a", "b", "c"], "test": [0.97, 0.96, 0.98]})
    rows = [("a", "b", 0.01), ("c", "a", 0.0004), ("b", "c", 0.05)]
    pairs = pd.DataFrame(rows, columns=["first", "second", "p_corrected"])
    figure = figures.comparisons(architectures, pairs)
    picture = figure.axes[0].images[0]
    shown = np.asarray(picture.get_array()).astype(float)
    np.testing.assert_array_equal(shown, [[np.nan] * 3, [-1, np.nan, np.nan], [1, 0, np.nan]])
    red, green, blue, _ = picture.to_rgba(shown)[2, 0]
    assert blue > red > green  # purple
    assert "purple: the row's network is better" in figure.get_supxlabel()
    assert texts(figure) == ["-1.00\np = 0.010", "+1.00\np < 0.001", "+2.00\np = 0.050"]


def test_samples_are_in_a_column_for_each_label() -> None:
    labels = np.arange(20)[::-1] % 10
    figure = figures.samples(np.full((20, 28, 28), labels[:, None, None], np.uint8), labels)
    shown = [int(np.asarray(axes.images[0].get_array())[0, 0]) for axes in figure.axes]
    assert shown == [*range(10), *range(10)]
