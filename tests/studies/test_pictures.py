from typing import Any

import numpy as np
import pytest

from studies import pictures

# Percent, by setting and number of images; one seed has no interval.
BIAS = {("first", 100): 1, ("first", 1000): 2, ("second", 100): 3, ("second", 1000): 4}


def numbers(mean: float, half: float | None) -> dict[str, Any]:
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "std": None, "low": low, "high": high}


def described(*sizes: int) -> dict[str, Any]:
    settings = [
        {
            "setting": name,
            "images": size,
            "seeds": 3,
            "bias": numbers(BIAS[name, size] / 100, 0.005),
            "variance": numbers(2 * BIAS[name, size] / 100, None),
            "train_accuracy": numbers(1 - BIAS[name, size] / 100, 0.01),
            "test_accuracy": numbers(1 - 3 * BIAS[name, size] / 100, 0.01),
        }
        for name in ("first", "second")
        for size in sizes
    ]
    return {"settings": settings, "differences": []}


def test_every_setting_has_its_gaps_with_intervals() -> None:
    bias, variance, test = pictures.gaps(described(100, 1000)).axes
    assert [label.get_text() for label in bias.get_yticklabels()] == ["first", "second"]
    for panel, times, half in ((bias, 1, 0.5), (variance, 2, 0), (test, 3, 1)):
        labels = [one.get_label() for one in panel.containers]
        assert labels == ["100 training images", "1,000 training images"]
        for size, container in zip((100, 1000), panel.containers, strict=True):
            points, _, (bars,) = container
            means = [times * BIAS[name, size] for name in ("first", "second")]
            np.testing.assert_allclose(points.get_xdata(), means)
            rows = np.asarray(points.get_ydata(), float)
            np.testing.assert_allclose(rows, [0, 1], atol=0.3)
            for segment, mean in zip(bars.get_segments(), means, strict=True):
                np.testing.assert_allclose(segment[:, 0], [mean - half, mean + half], atol=1e-9)


def test_the_error_is_shown_by_the_number_of_images() -> None:
    train, test = pictures.sizes(described(1000, 100)).axes
    assert [label.get_text() for label in train.get_xticklabels()] == ["100", "1,000"]
    for panel, times in ((train, 1), (test, 3)):
        assert [line.get_label() for line in panel.containers] == ["first", "second"]
        for name, (points, _, _) in zip(("first", "second"), panel.containers, strict=True):
            assert points.get_xdata() == pytest.approx([100, 1000], rel=0.05)
            np.testing.assert_allclose(
                points.get_ydata(), [times * BIAS[name, size] for size in (100, 1000)]
            )
