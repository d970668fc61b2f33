from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from digits.config import Augment
from digits.training import augmentation


def draw(count: int, **settings: float) -> np.ndarray:
    rng, pen = map(np.random.default_rng, (0, 1))
    return augmentation.draw_transforms(Augment(**settings), count, 28, rng, pen)


def warp(images: np.ndarray, transforms: np.ndarray, black: float = 0) -> np.ndarray:
    return np.asarray(augmentation.apply(images, {"transforms": transforms}, black, 1))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, []),
        ({"shear": 5}, ["transforms"]),
        ({"erode": 0.5}, ["widths"]),
        ({"dilate": 0.5, "pen_strokes": 0.1}, ["widths", "strokes"]),
    ],
)
def test_nothing_is_drawn_or_carried_unasked(settings: dict[str, float], names: list[str]) -> None:
    rng, pen = map(np.random.default_rng, (0, 1))
    images, labels = np.ones((5, 28, 28), np.float32), np.arange(5, dtype=np.uint8)
    drawn = augmentation.draw(Augment(**settings), images, labels, 0, rng, pen)
    carried = augmentation.signature(Augment(**settings))
    assert list(drawn) == list(carried) == names
    for name, spec in carried.items():
        assert spec.shape.is_compatible_with(drawn[name].shape)
        assert drawn[name].dtype == spec.dtype.as_numpy_dtype
    untouched = [np.random.default_rng(seed).random() for seed in (0, 1)]
    assert names or [rng.random(), pen.random()] == untouched


@pytest.mark.parametrize(
    ("name", "most", "drawn"),
    [
        ("rotation", 10, lambda t: np.rad2deg(np.arctan2(t[:, 3], t[:, 0]))),
        ("shear", 15, lambda t: np.rad2deg(np.arctan(t[:, 1]))),
        ("zoom", 0.1, lambda t: t[:, [0, 4]] - 1),
        ("shift", 0.1, lambda t: t[:, [2, 5]] / 28),
    ],
)
def test_each_change_keeps_within_its_limit(
    name: str, most: float, drawn: Callable[[np.ndarray], np.ndarray]
) -> None:
    found = drawn(draw(2000, **{name: most})).T
    np.testing.assert_allclose(found.min(axis=-1), -most, rtol=0.01)
    np.testing.assert_allclose(found.max(axis=-1), most, rtol=0.01)
    assert np.abs(found).max() <= most * (1 + 1e-4)
    if found.ndim == 2:  # the axes differ
        assert np.corrcoef(*found)[0, 1] == pytest.approx(0, abs=0.1)


def test_shear_leaves_heights_and_all_turn_about_the_middle() -> None:
    np.testing.assert_array_equal(draw(2000, shear=15)[:, [3, 4, 5]], [[0, 1, 0]] * 2000)
    transforms = draw(2000, rotation=10, shear=15, zoom=0.1)
    for row in ([0, 1, 2], [3, 4, 5]):
        np.testing.assert_allclose(transforms[:, row] @ [13.5, 13.5, 1], 13.5, atol=1e-4)


def test_what_comes_from_outside_is_black() -> None:
    five_to_the_right = np.array([[1, 0, -5, 0, 1, 0, 0, 0]], np.float32)
    warped = warp(np.ones((1, 28, 28, 1), np.float32), five_to_the_right, black=-0.42)
    np.testing.assert_allclose(warped[:, :, :5], -0.42)
    np.testing.assert_allclose(warped[:, :, 5:], 1)


def test_one_warp_is_the_bilinear_one_that_scipy_computes() -> None:
    rng = np.random.default_rng(2)
    images = np.zeros((20, 28, 28, 1), np.float32)
    images[:, 8:20, 8:20] = rng.random((20, 12, 12, 1))
    transforms = draw(20, rotation=10, zoom=0.1, shift=0.1)
    for image, warped, t in zip(images, warp(images, transforms), transforms, strict=True):
        rows_first = [[t[4], t[3], t[5]], [t[1], t[0], t[2]]]
        expected = ndimage.affine_transform(image[..., 0], np.array(rows_first), order=1)
        np.testing.assert_allclose(warped[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize(("width", "expected"), [(-1, 3), (-0.5, 4), (0, 5), (0.5, 6), (1, 7)])
def test_strokes_gain_or_lose_a_pixel_on_either_side(width: float, expected: float) -> None:
    images = np.full((1, 28, 28, 1), -0.42, np.float32)
    images[:, :, 10:15] = 2.8
    changed = np.asarray(augmentation.change_width(images, np.array([width], np.float32)))
    assert (changed[0, 14, :, 0] + 0.42).sum() / (2.8 + 0.42) == pytest.approx(expected, rel=1e-5)


def test_the_brightest_pixel_becomes_white_and_black_stays() -> None:
    images = np.full((3, 28, 28, 1), -0.42, np.float32)
    images[:, 5, 5, 0] = [2.8, 1.19, -0.1]  # white, half of it, a tenth
    white = np.asarray(augmentation.normalize_peak(images, -0.42, 2.8))
    np.testing.assert_allclose(white[:2, 5, 5, 0], 2.8, rtol=1e-5)
    assert white[2, 5, 5, 0] < 1  # the faint is not blown up
    np.testing.assert_allclose(white[:, 0, 0, 0], -0.42, rtol=1e-5)
