import numpy as np
import pytest
from scipy import ndimage

from digits.transfer import letters

Drawn = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return letters.draw(520, seed=1)


def test_letters_are_white_on_black_and_inside_the_picture(drawn: Drawn) -> None:
    images, labels = drawn
    assert (images.shape, images.dtype.name) == ((520, 28, 28), "uint8")
    assert labels.tolist() == [number % 26 for number in range(520)]
    assert (images.max(axis=(1, 2)) > 100).all()
    assert np.median(images) == 0
    frames = np.concatenate([images[:, [0, -1]], images[:, :, [0, -1]].swapaxes(1, 2)], axis=1)
    assert (frames.max(axis=(1, 2)) >= 128).mean() < 0.03  # a wide W now and then


def test_letters_vary_in_size_weight_place_and_sharpness(drawn: Drawn) -> None:
    images = drawn[0][8::52]  # every i, a letter of the same shape in all fonts
    ink = images > 64
    rows = ink.max(axis=2)
    heights = 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
    assert np.ptp(heights) >= 6
    middles = np.array([ndimage.center_of_mass(image) for image in images])
    assert (np.ptp(middles, axis=0) > 2).all()
    assert ink.sum(axis=(1, 2)).max() > 2 * ink.sum(axis=(1, 2)).min()
    steepest = np.abs(np.diff(images.astype(int), axis=2)).max(axis=(1, 2))
    assert steepest.max() > 2 * steepest.min()


def test_letters_lean_and_turn(drawn: Drawn) -> None:
    strokes = drawn[0][11::52].astype(float)  # every l, upright but for the italics
    y, x = np.mgrid[:28, :28]
    leans = []
    for image in strokes:
        middle_y, middle_x = ndimage.center_of_mass(image)
        down, across = y - middle_y, x - middle_x
        leans.append((image * down * across).sum() / (image * down**2).sum())
    degrees = np.rad2deg(np.arctan(leans))
    assert degrees.min() < -10
    assert degrees.max() > 10


def test_a_letter_follows_from_its_seed_and_number(drawn: Drawn) -> None:
    fewer, _ = letters.draw(52, seed=1)
    np.testing.assert_array_equal(fewer, drawn[0][:52])
    others, _ = letters.draw(52, seed=2)
    assert not (fewer == others).all(axis=(1, 2)).any()


def test_the_contact_sheet_has_a_row_for_each_alphabet() -> None:
    images = np.arange(60, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    sheet = np.asarray(letters.contact_sheet(images))
    assert sheet.shape == (2 * 56, 26 * 56)
    assert sheet[0, 56 * 25] == 25
    assert sheet[111, 56 * 3 + 55] == 26 + 3
