from pathlib import Path
from typing import Any

import pytest

from digits import networks
from digits.data.dataset import Images
from digits.errors import PipelineError
from studies import runs, study
from studies.runs import Run
from tests.studies.conftest import ROOT, write_study

L2, RATE = "architectures.lenet5.l2", "architectures.lenet5.optimizer.learning_rate"


def expand(project: Path, all_images: Images, /, **content: Any) -> list[Run]:
    write_study(project, "s", **content)
    return runs.expand(study.read("s"), "s", all_images)


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_every_setting_is_trained_on_every_size_with_every_seed(
    project: Path, images: Images
) -> None:
    settings = {"plain": {}, "l2": {L2: 0.01}}
    found = expand(project, images, images=[100, "all"], seeds=[7, 3], settings=settings)
    assert [(one.setting, one.images, one.seed) for one in found] == [
        (setting, count, seed)
        for setting in ("plain", "l2")
        for count in (100, None)
        for seed in (7, 3)
    ]
    assert {one.recipe.l2 for one in found if one.setting == "l2"} == {0.01}
    assert {one.recipe.l2 for one in found if one.setting == "plain"} == {0}
    assert {one.recipe.epochs for one in found} == {1}
    assert len({one.identity(images) for one in found}) == 8


def test_a_setting_starts_from_its_base(project: Path, images: Images) -> None:
    settings = {
        "whole": {},
        "bare": {L2: 0.5, "architectures.lenet5.dropout": 0.5},
        "bare_without_l2": {"base": "bare", L2: 0},
        "other": {"base": "bare", "architecture": "dense"},
    }
    found = expand(project, images, seeds=[1], base="whole", settings=settings)
    recipes = {one.setting: one.recipe for one in found}
    assert (recipes["bare_without_l2"].l2, recipes["bare_without_l2"].dropout) == (0, 0.5)
    assert (recipes["other"].network, recipes["other"].l2) == ("dense", 0)


def test_a_setting_may_have_seeds_and_a_split_of_its_own(project: Path, images: Images) -> None:
    settings = {"a": {"seeds": [5]}, "b": {"split.train": 0.5}, "c": {"split.seed": 5}}
    found = expand(project, images, images=["all"], settings=settings)
    assert [(one.setting, one.seed, one.split.train, one.split.seed) for one in found] == [
        ("a", 5, 0.6, 42),
        *(("b", seed, 0.5, 42) for seed in (1, 2)),
        *(("c", seed, 0.6, 5) for seed in (1, 2)),
    ]


def of_a(changes: dict[str, Any], complaint: str) -> tuple[dict[str, Any], str]:
    """Return a study with a setting of these changes, and the complaint."""
    return {"settings": {"a": changes}}, rf"settings\.a: {complaint}"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"sead": [1]}, "study.yaml: sead is not a known parameter"),
        ({"seeds": [1, 1]}, "study.yaml: seeds: each must be there once"),
        ({"images": [0]}, r"study\.yaml: images\.0: each must be all, or a .* from 1; given 0$"),
        ({"images": ["al"]}, r"study\.yaml: images\.0: each must be all, or .*; given 'al'$"),
        ({"settings": {"A b": {}}}, "study.yaml: settings.A b"),
        ({"base": "none"}, "the base of plain must be one of the settings; it is none"),
        ({"settings": {"a": {"base": "b"}, "b": {"base": "a"}}}, "a is a base of itself: a of b"),
        ({"settings": {"a": {}, "b": {}}}, "study.yaml: a-500-1 and b-500-1 are the same"),
        ({"images": [1024, "all"]}, "plain-1024-1 and plain-all-1 are the same"),
        of_a({"architectures.lenet5.l3": 1}, r"architectures\.lenet5\.l3 is not .*; given 1"),
        of_a({L2: "x"}, r"architectures\.lenet5\.l2: .* number"),
        of_a({"seed": 1}, r"seed does not concern its training"),
        of_a({"architectures.dense.l2": 1}, r"architectures\.dense\.l2 does not concern its train"),
        ({"architecture": "lenet6"}, r"plain: expected an architecture \(dense, .*lenet6"),
        ({"architecture": None}, r"settings\.plain: expected an architecture .* given none"),
        ({"images": [1025]}, "expected at most 1024 images, as many as there are .* given 1025"),
        ({"settings": {"a": {"split.train": 5000}}}, "there are not so many"),
        (
            {"settings": {"a": {"architecture": "dense", "architectures.dense.dropout": 0.5}}},
            r"study\.yaml: a: .* dropout .* must be 0: it has no convolutions",
        ),
        (
            {"settings": {"a": {RATE: {"from": 1e-5, "to": 1e-3}}}},
            r"study\.yaml: a: .*learning_rate: from, to",
        ),
        ({"small": {"lowest": 0.7, "highest": 0.5, "seed": 1}}, "small: lowest must not be above"),
        (
            {"folds": 3, "settings": {"a": {"architectures.lenet5.early_stopping": 3}}},
            "early_stopping 0: both act on dev, which has no images",
        ),
    ],
)
def test_bad_studies_are_told_by_key(
    project: Path, images: Images, content: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(PipelineError, match=complaint):
        expand(project, images, **content)


def test_a_study_that_is_not_there_is_told_with_those_that_are(project: Path) -> None:
    write_study(project, "s")
    with pytest.raises(PipelineError, match=r"has no t with a study\.yaml; it has s$"):
        study.read("t")


@pytest.mark.parametrize("name", [one.parent.name for one in ROOT.glob("studies/*/study.yaml")])
def test_the_committed_studies_are_possible(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for setting, _, recipe in study.recipes(study.read(name), name):
        assert networks.build(setting, recipe, mean=33, std=79).output_shape == (None, 10)
