import dataclasses
from pathlib import Path

import numpy as np
import pytest

from digits import config
from digits.config import Architecture, Split
from studies import jobs, sources
from studies.trial import Trial, draw
from tests.studies.conftest import noise

SPLIT = Split(seed=42, scheme="resplit", train=0.6, test=0.4, dev=0.1)


@pytest.fixture(scope="module")
def lenet5() -> Architecture:
    return config.load(Path(__file__).parents[2] / "params.yaml").architectures["lenet5"]


def trial(settings: Architecture) -> Trial:
    return Trial("a", settings, SPLIT, 50, 1, 1)


def test_fewer_images_are_among_more_and_have_every_class_alike() -> None:
    images = noise(400)
    few, many, all_ = (draw(images, SPLIT, count)["train"] for count in (50, 100, None))
    assert (len(few), len(many), len(all_)) == (50, 100, 216)
    assert set(few) < set(many) < set(all_)
    assert set(np.bincount(images.labels[few])) == {5}
    other = draw(images, SPLIT.model_copy(update={"seed": 2}), 50)["train"]
    assert set(other) != set(few)


def test_all_that_determines_a_training_is_in_its_identity(lenet5: Architecture) -> None:
    images, one = noise(100), trial(lenet5)
    changed = [
        dataclasses.replace(one, settings=lenet5.model_copy(update={"l2": 0.1})),
        dataclasses.replace(one, split=SPLIT.model_copy(update={"dev": 0.2})),
        dataclasses.replace(one, split=SPLIT.model_copy(update={"seed": 43})),
        dataclasses.replace(one, images=51),
        dataclasses.replace(one, seed=2),
        dataclasses.replace(one, threads=2),
    ]
    identities = [jobs.identify(other, images) for other in (one, *changed)]
    identities.append(jobs.identify(one, noise(101)))
    assert len(set(identities)) == 8


def test_a_name_alone_is_not(lenet5: Architecture) -> None:
    images, one = noise(100), trial(lenet5)
    other = dataclasses.replace(one, setting="b")
    assert jobs.identify(other, images) == jobs.identify(one, images)


def test_the_code_that_computes_is(lenet5: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    images, one = noise(100), trial(lenet5)
    before = jobs.identify(one, images)
    kept = sources.files_of
    monkeypatch.setattr(sources, "files_of", lambda modules: kept(modules) - {Path(jobs.__file__)})
    jobs._code.cache_clear()
    assert jobs.identify(one, images) != before
    monkeypatch.undo()
    jobs._code.cache_clear()
    named = {path.name for path in kept(one.modules)}
    assert {"trial.py", "training.py", "lenet5.py", "resplit.py"} <= named
    assert not named & {"study.py", "engine.py", "summary.py", "lenet5_v2.py"}
