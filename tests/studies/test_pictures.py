from typing import Any

import numpy as np

from studies import pictures


def figures(mean: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"mean": mean, "deviation": None, "low": low, "high": high}


def described(sizes: list[int]) -> dict[str, Any]:
    return {
        "settings": [
            {
                "setting": name,
                "images": size,
                "seeds": 3,
                "bias": figures(0.01, 0, 0.02),
                "variance": figures(0.02, None, None),
                "train_accuracy": figures(0.98, 0.97, 0.99),
                "test_accuracy": figures(0.96, 0.95, 0.98),
            }
            for name in ("first", "second")
            for size in sizes
        ],
        "differences": [],
    }


def test_every_setting_has_its_gaps_with_intervals() -> None:
    bias, variance, test = pictures.gaps(described([100, 1000])).axes
    assert [label.get_text() for label in bias.get_yticklabels()] == ["first", "second"]
    for panel, middle, ends in ((bias, 1, (0, 2)), (variance, 2, (2, 2)), (test, 4, (2, 5))):
        assert len(panel.containers) == 2  # numbers of images
        points, _, (bars,) = panel.containers[0]
        np.testing.assert_allclose(points.get_xdata(), [middle] * 2)
        for segment in bars.get_segments():
            np.testing.assert_allclose(segment[:, 0], ends)


def test_the_error_falls_with_the_images() -> None:
    train, test = pictures.sizes(described([1000, 100])).axes
    assert [line.get_label() for line in test.containers] == ["first", "second"]
    points = test.containers[0][0]
    np.testing.assert_allclose(points.get_ydata(), [4, 4])
    assert points.get_xdata()[0] < points.get_xdata()[1]
    np.testing.assert_allclose(train.containers[0][0].get_ydata(), [2, 2])
    assert [label.get_text() for label in train.get_xticklabels()] == ["100", "1,000"]
