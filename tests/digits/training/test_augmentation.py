import numpy as np
import pytest
from scipy import ndimage

from digits.config import Augment
from digits.training import augmentation


def draw(count: int = 2000, seed: int = 0, **settings: float) -> np.ndarray:
    rng, pen = np.random.default_rng(seed), np.random.default_rng((seed, 1))
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
def test_what_nobody_asks_for_is_neither_drawn_nor_carried(
    settings: dict[str, float], names: list[str]
) -> None:
    rng, pen = np.random.default_rng(0), np.random.default_rng(1)
    images, labels = np.ones((5, 28, 28), np.float32), np.arange(5, dtype=np.uint8)
    drawn = augmentation.draw(Augment(**settings), images, labels, 0, rng, pen)
    carried = augmentation.signature(Augment(**settings))
    assert list(drawn) == list(carried) == names
    for name, spec in carried.items():
        assert spec.shape.is_compatible_with(drawn[name].shape)
        assert drawn[name].dtype == spec.dtype.as_numpy_dtype
    untouched = [np.random.default_rng(seed).random() for seed in (0, 1)]
    assert names or [rng.random(), pen.random()] == untouched


def test_rotation_keeps_within_the_angle_and_turns_about_the_middle() -> None:
    transforms = draw(rotation=10)
    angles = np.rad2deg(np.arctan2(transforms[:, 3], transforms[:, 0]))
    assert -10 <= angles.min() < -9.9
    assert 9.9 < angles.max() <= 10
    middle = transforms[:, [0, 1, 2]] @ [13.5, 13.5, 1]
    np.testing.assert_allclose(middle, 13.5, atol=1e-4)


def test_zoom_keeps_within_its_share_and_differs_between_the_axes() -> None:
    transforms = draw(zoom=0.1)
    for column in (0, 4):
        assert 0.9 <= transforms[:, column].min() < 0.901
        assert 1.099 < transforms[:, column].max() <= 1.1
    assert np.corrcoef(transforms[:, 0], transforms[:, 4])[0, 1] == pytest.approx(0, abs=0.1)


def test_shift_keeps_within_its_share_of_the_size() -> None:
    transforms = draw(shift=0.1)
    for column in (2, 5):
        assert 2.79 < np.abs(transforms[:, column]).max() <= 2.8001


def test_shear_keeps_within_the_angle_and_leaves_heights() -> None:
    transforms = draw(shear=15)
    angles = np.rad2deg(np.arctan(transforms[:, 1]))
    assert -15 <= angles.min() < -14.9
    assert 14.9 < angles.max() <= 15
    np.testing.assert_array_equal(transforms[:, [3, 4, 5]], [[0, 1, 0]] * 2000)
    middle = transforms[:, [0, 1, 2]] @ [13.5, 13.5, 1]
    np.testing.assert_allclose(middle, 13.5, atol=1e-5)


def test_what_comes_from_outside_is_black() -> None:
    images = np.ones((1, 28, 28, 1), np.float32)
    five_to_the_right = np.array([[1, 0, -5, 0, 1, 0, 0, 0]], np.float32)
    warped = warp(images, five_to_the_right, black=-0.42)[0, :, :, 0]
    np.testing.assert_allclose(warped[:, :5], -0.42)
    np.testing.assert_allclose(warped[:, 5:], 1)


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
    total = (changed[0, 14, :, 0] + 0.42).sum() / (2.8 + 0.42)
    assert total == pytest.approx(expected, rel=1e-5)


def test_the_brightest_pixel_becomes_white_and_black_stays() -> None:
    images = np.full((3, 28, 28, 1), -0.42, np.float32)
    images[:, 5, 5, 0] = [2.8, 1.19, -0.1]  # white, half of it, a tenth
    white = np.asarray(augmentation.normalize_peak(images, -0.42, 2.8))
    np.testing.assert_allclose(white[:2, 5, 5, 0], 2.8, rtol=1e-5)
    assert white[2, 5, 5, 0] < 1  # the faint is not blown up
    np.testing.assert_allclose(white[:, 0, 0, 0], -0.42, rtol=1e-5)
