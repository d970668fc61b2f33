import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from digits import config, networks
from digits.config import Architecture
from digits.errors import PipelineError
from studies import jobs
from studies.accuracy import recipes

COMMITTED = yaml.safe_load(Path("studies/accuracy/params.yaml").read_text(encoding="utf-8"))


def study(**changes: Any) -> recipes.Study:
    return config.check(
        recipes.Study, {**COMMITTED, "chosen": {"swift": "swift"}, **changes}, "here"
    )


def images(training: int, testing: int) -> jobs.Images:
    count = training + testing
    sources = np.repeat([0, 1], [training, testing]).astype(np.uint8)
    return jobs.Images(
        np.zeros((count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10, sources
    )


@pytest.mark.parametrize("name", COMMITTED["recipes"])
def test_every_recipe_can_be_trained(name: str) -> None:
    settings = recipes.load().settings(name)
    assert networks.build(name, settings, 33, 79).output_shape == (None, 10)


def test_a_recipe_is_the_base_with_its_changes() -> None:
    changed = study(recipes={"swift": {"epochs": 7, "augment.shift": 0.2}})
    settings, plain = changed.settings("swift"), changed.base
    assert (settings.epochs, settings.augment.shift) == (7, 0.2)
    assert (settings.batch_size, settings.augment.zoom) == (plain.batch_size, plain.augment.zoom)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epoch": 3}, "recipes.swift: epoch"),
        ({"augment.shif": 0.1}, "recipes.swift: augment.shif"),
        ({"epochs.first": 1}, "recipes.swift: epochs.first is not a known parameter"),
        ({"epochs": 0}, "recipes.swift: epochs"),
        ({"early_stopping": 2}, "early_stopping act on dev"),
        (
            {"schedule": {"name": "plateau", "factor": 0.2, "patience": 2}},
            "plateau and early_stopping act on dev",
        ),
    ],
)
def test_an_impossible_recipe_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(PipelineError) as caught:
        study(recipes={"swift": changes}).settings("swift")
    assert expected in str(caught.value)


def test_only_a_recipe_can_be_chosen_or_trained() -> None:
    with pytest.raises(PipelineError, match="swift must be one of the recipes; it is swifter"):
        study(chosen={"swift": "swifter"})
    with pytest.raises(PipelineError, match="recipes has no swifter; it has swift"):
        study().settings("swifter")


def test_dev_comes_out_of_the_training_images_with_a_share_of_every_class() -> None:
    all_images = images(200, 50)
    learned, read = recipes.divide(all_images, 60)
    assert sorted([*learned, *read]) == list(range(200))
    assert np.bincount(all_images.labels[read]).tolist() == [6] * 10


def test_without_dev_all_are_learned_and_the_testing_images_read() -> None:
    learned, read = recipes.divide(images(200, 50), 0)
    assert learned.tolist() == list(range(200))
    assert read.tolist() == list(range(200, 250))
    with pytest.raises(PipelineError, match="dev must be below the 200 training images, given 200"):
        recipes.divide(images(200, 50), 200)


def test_moved_images_are_read_with_black_at_the_edge() -> None:
    class Corner:
        """Takes the upper left pixel for the probability of a one, and keeps what it saw."""

        def __init__(self) -> None:
            self.seen: list[Any] = []

        def predict_on_batch(self, batch: Any) -> Any:
            self.seen.append(batch[..., 0])
            return np.eye(10, dtype=np.float32)[[1]] * batch[:, 0, 0]

    images, model = np.full((3, 28, 28), 0.5, np.float32), Corner()
    images[:, 0, 0] = 0.9
    assert recipes.read(model, images, 0, black=-1)[:, 1] == pytest.approx(0.9)
    model.seen.clear()
    moved = recipes.read(model, images, 1, black=-1)
    # Five of nine times the corner comes from outside; it stays once, and shows a neighbour thrice.
    assert moved[:, 1] == pytest.approx((5 * -1 + 0.9 + 3 * 0.5) / 9)
    down_right = [seen for seen in model.seen if (seen[:, 0] == -1).all() and seen[0, 1, 0] == -1]
    assert len(model.seen) == 9
    assert len(down_right) == 1
    assert (down_right[0][:, 1, 1] == np.float32(0.9)).all()


def test_shifts_are_no_parameter_of_the_training_and_are_checked() -> None:
    moved = study(recipes={"swift": {"shifts": 1}})
    assert (moved.shifts("swift"), study().shifts("swift")) == (1, 0)
    assert moved.settings("swift") == moved.base
    with pytest.raises(PipelineError, match=r"swift\.shifts must be one of \(0, 1\); it is 5"):
        study(recipes={"swift": {"shifts": 5}})


@pytest.mark.parametrize(
    ("name", "convolutions", "dense"),
    [
        (
            "swift",
            24**2 * 25 * 32 + 10**2 * 9 * 32 * 64 + 8**2 * 9 * 64 * 64,
            4 * 4 * 64 * 128 + 128 * 10,
        ),
        (
            "champion_weight_short",
            24**2 * 25 * 32
            + 22**2 * 9 * 32 * 32
            + 11**2 * 9 * 32 * 64
            + 9**2 * 9 * 64 * 64
            + 4**2 * 9 * 64 * 128
            + 2**2 * 9 * 128 * 128,
            2 * 2 * 128 * 128 + 128 * 10,
        ),
        (
            "champion_wide",
            24**2 * 25 * 64
            + 22**2 * 9 * 64 * 64
            + 11**2 * 9 * 64 * 128
            + 9**2 * 9 * 128 * 128
            + 4**2 * 9 * 128 * 256
            + 2**2 * 9 * 256 * 256,
            2 * 2 * 256 * 256 + 256 * 10,
        ),
    ],
)
def test_multiplications_are_those_of_convolutions_and_dense_layers(
    name: str, convolutions: int, dense: int
) -> None:
    model = networks.build(name, recipes.load().settings(name), 33, 79)
    assert recipes.multiplications(model) == convolutions + dense


def test_the_page_has_swift_as_an_architecture() -> None:
    page = (Path(__file__).parents[3] / "docs/accuracy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    study = recipes.load()
    assert config.check(Architecture, yaml.safe_load(block)["swift"], "docs") == study.settings(
        study.chosen["swift"]
    )
