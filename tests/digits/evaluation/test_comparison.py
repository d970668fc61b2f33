import numpy as np

from digits.evaluation import comparison
from digits.evaluation.predictions import Predictions

LABELS = (np.arange(60) % 10).astype(np.uint8)
ROWS = {"train": np.arange(25), "dev": np.arange(25, 30), "test": np.arange(30, 60)}


def predict(wrong: list[int], *earlier: list[int]) -> Predictions:
    """Return predictions that are ``wrong`` for these images, and ``earlier`` ones of phases."""
    every = [
        np.eye(10, dtype=np.float32)[(LABELS + np.isin(np.arange(60), one)) % 10]
        for one in (wrong, *earlier)
    ]
    return Predictions(every[0], 1000, np.array(every[1:]).reshape(-1, 60, 10)[:, 25:], [])


FAMILY = {"a": "one", "b": "other", "c": "other"}


def test_architectures_phases_and_pairs_are_tables_in_the_order_given() -> None:
    predicted = {
        "b": predict([30, 31]),
        "a": predict(list(range(30, 50))),
        "c": predict([31, 50], [25, *range(30, 45)], [31, 50]),
    }
    tables = comparison.tabulate(predicted, {"a": 2, "b": 3, "c": 4}, FAMILY, LABELS, ROWS, 0.0005)
    architectures = tables["architectures"].set_index("architecture")
    assert list(architectures.index) == ["b", "a", "c"]
    assert list(architectures.columns[:5]) == ["parameters", "epochs", "train", "dev", "test"]
    assert architectures["epochs"].tolist() == [3, 2, 4]
    assert architectures["test"].tolist() == [0.933333, 0.333333, 0.933333]
    assert architectures["bias"].tolist() == [-0.0005] * 3
    assert tables["phases"].to_numpy().tolist() == [["c", 1, 0.8, 0.5], ["c", 2, 1, 0.933333]]
    assert tables["pairs"].to_numpy().tolist() == [
        # 18 of 18 to one side: 2 / 2**18; 1 to 1: no difference; 19 to 1: 2 * 21 / 2**20.
        ["b", "a", 18, 0, False, 7.629e-06, 1.526e-05],
        ["b", "c", 1, 1, True, 1, 1],
        ["a", "c", 1, 19, False, 4.005e-05, 4.005e-05],
    ]


def test_one_architecture_in_one_phase_has_empty_tables_with_their_columns() -> None:
    tables = comparison.tabulate({"a": predict([])}, {"a": 1}, FAMILY, LABELS, ROWS, 0)
    assert tables["phases"].empty
    assert list(tables["phases"]) == ["architecture", "phase", "dev", "test"]
    assert tables["pairs"].empty
    assert list(tables["pairs"])[-1] == "p_corrected"
