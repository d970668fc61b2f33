import numpy as np
import pytest

from studies.labels import confident


def certain(labels: np.ndarray, sure: float = 0.875) -> np.ndarray:
    """Return probabilities that give each label ``sure`` and share out the rest."""
    probabilities = np.full((len(labels), 10), (1 - sure) / 9)
    probabilities[np.arange(len(labels)), labels] = sure
    return probabilities


def test_wrong_labels_are_found_and_named() -> None:
    truth = np.tile(np.arange(10), 100)
    labels = truth.copy()
    labels[[3, 47, 500]] = 9, 1, 5  # they are a 3, a 7 and a 0
    rng = np.random.default_rng(0)
    probabilities = certain(truth) + rng.uniform(0, 0.02, (1000, 10))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[[3, 47, 500]] = certain(truth[[3, 47, 500]], 0.95)
    table = confident.doubtful(labels, probabilities).set_index("id")
    assert {(i, table.label[i], table.suggested[i]) for i in (3, 47, 500)} == {
        (3, 9, 3),
        (47, 1, 7),
        (500, 5, 0),
    }
    assert set(table.index) == {3, 47, 500}


def test_doubt_alone_does_not_make_a_label_wrong() -> None:
    """An image counts as another digit only if it is as surely that one as its images are."""
    labels = np.tile(np.arange(10), 100)
    probabilities = certain(labels)
    probabilities[4] = 0.05
    probabilities[4, [4, 9]] = 0.1, 0.5  # rather a 9 than a 4, but far less so than the 9s
    assert confident.confident_digit(labels, probabilities)[4] == -1
    assert confident.doubtful(labels, probabilities).empty


def test_confident_images_are_counted_and_the_least_likely_label_comes_first() -> None:
    labels = np.tile(np.arange(10), 100)
    probabilities = certain(labels)
    probabilities[10] = certain(np.array([6]), 0.95)[0]
    probabilities[20] = certain(np.array([6]), 0.99)[0]
    probabilities[1] = 0.1  # no digit for sure
    counts = confident.joint(labels, probabilities)
    assert (counts[0, 6], counts[1, 1], counts.sum()) == (2, 99, 999)
    table = confident.doubtful(labels, probabilities)
    assert list(table["id"]) == [20, 10]
    assert list(table["suggested"]) == [6, 6]


def test_images_that_are_no_digit_for_sure_are_divided_as_the_others() -> None:
    labels = np.repeat(np.arange(10), 100)
    counts = np.diag(np.full(10, 80))
    counts[3, 5] = 20  # of 100 images labelled 3, all are sure
    counts[7, 1] = 10  # of 100 labelled 7, 90 are
    expected = (20 + 100 * 10 / 90) / 1000
    assert confident.noise(counts, labels) == pytest.approx(expected)
