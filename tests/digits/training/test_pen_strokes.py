import numpy as np
import pytest

from digits.training import pen_strokes
from digits.training.pen_strokes import PEN_STROKES


def draw(label: int, probability: float = 1, count: int = 500) -> np.ndarray:
    """Draw for images whose ink is an upright line from (14, 4) to (15, 23)."""
    ink, labels = np.zeros((count, 28, 28), bool), np.full(count, label, np.uint8)
    ink[:, 4:24, 14:16] = True
    return pen_strokes.draw(ink, labels, probability, np.random.default_rng(0))


def test_each_kind_goes_through_its_point_of_its_digit() -> None:
    heights = {0.0: 4, 0.5: 14, 0.55: 14, 1.0: 23}  # 4 + 0.5 x 19 = 13.5 is rounded to even
    for index, kind in enumerate(PEN_STROKES):
        x0, y0, x1, y1, half = draw(kind.label)[:, index].astype(float).T
        assert (half >= 0.7).all()
        x, y = 14.5, heights[kind.height]
        np.testing.assert_allclose((x1 - x0) * (y - y0), (y1 - y0) * (x - x0), rtol=0, atol=1e-3)
        back, forth = np.hypot(x - x0, y - y0), np.hypot(x1 - x, y1 - y)
        for length, (low, high) in ((back, kind.back), (forth, kind.forth)):
            assert low - 1e-4 <= length.min() <= length.max() <= high + 1e-4
        angle = np.rad2deg(np.arctan2(y0 - y1, x1 - x0))
        low, high = kind.angle
        assert low - 1e-3 <= angle.min() < low + 2
        assert high - 2 < angle.max() <= high + 1e-3


def test_a_digit_gets_the_strokes_of_its_label_alone() -> None:
    for label in range(10):
        drawn = (draw(label)[:, :, 4] > 0).all(axis=0)
        assert drawn.tolist() == [kind.label == label for kind in PEN_STROKES]


def test_the_probability_is_that_of_each_kind_by_itself() -> None:
    flag, base = (draw(1, 0.3, 5000)[:, index, 4] > 0 for index in (1, 2))
    assert flag.mean() == pytest.approx(0.3, abs=0.02)
    assert base.mean() == pytest.approx(0.3, abs=0.02)
    assert (flag & base).mean() == pytest.approx(0.09, abs=0.02)


def test_a_picture_without_ink_is_no_reason_to_fail() -> None:
    nothing = np.zeros((1, 28, 28), bool)
    strokes = pen_strokes.draw(nothing, np.ones(1, np.uint8), 1, np.random.default_rng(0))
    assert np.isfinite(strokes).all()


def test_strokes_are_drawn_where_they_lie_and_no_further() -> None:
    strokes = np.zeros((2, 4, 5), np.float32)
    strokes[0, 0] = 5, 10, 20, 10, 1.5  # three pixels high, from x = 5 to 20
    strokes[0, 3] = 12, 2, 12, 25, 0.5  # one pixel wide
    images = np.asarray(pen_strokes.render(strokes, 28))
    assert images.shape == (2, 28, 28, 1)
    image = images[0, :, :, 0]
    np.testing.assert_allclose(image[9:12, 5:21], 1, atol=1e-5)
    np.testing.assert_allclose(image[7, :12], 0, atol=1e-5)
    np.testing.assert_allclose(image[15:25, 12], 1, atol=1e-5)
    np.testing.assert_allclose(image[15:25, [11, 13]], 0, atol=1e-5)
    assert image[10, 3] == pytest.approx(0, abs=1e-6)
    assert image[10, 22] == pytest.approx(0, abs=1e-6)
    assert not images[1].any()
