import pytest

from bench import measuring, time_to_accuracy
from digits.data.dataset import Images


def test_every_swift_is_held_against_the_articles_of_its_round() -> None:
    seconds = {"lenet5_v2": [100.0, 500.0], "swift": [10.0] * 10}
    accuracies = {"lenet5_v2": [99.4, 99.6], "swift": [99.5] * 10}
    swift, accuracy, article = time_to_accuracy.figures(seconds, accuracies)
    assert swift["ratio"] == {"median": 0.06, "lowest": 0.02, "highest": 0.1}
    assert (accuracy["mean"], article["mean"]) == (99.5, 99.5)


@pytest.mark.slow
def test_a_recipe_learns_training_and_predicts_test(
    optdigits: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_to_accuracy, "read_images", lambda dataset: optdigits)
    monkeypatch.chdir(measuring.ROOT)
    assert time_to_accuracy.learn("swift", 1, threads=1) > 0.3  # a guess is right in a tenth
