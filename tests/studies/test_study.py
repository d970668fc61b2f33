from pathlib import Path
from typing import Any

import pytest

from digits import config
from digits.errors import PipelineError
from studies import jobs, study
from studies.trial import Trial
from tests.studies.conftest import write_study

PATH = Path("studies/s/study.yaml")
L2 = "architectures.lenet5.l2"


def expand(project: Path, all_images: jobs.Images, /, **content: Any) -> list[Trial]:
    write_study(project, "s", **content)
    return study.expand(study.read(PATH), PATH, all_images).trials


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_every_setting_is_trained_on_every_size_with_every_seed(
    project: Path, images: jobs.Images
) -> None:
    trials = expand(
        project,
        images,
        images=[100, "all"],
        seeds=[7, 3],
        settings={"plain": {}, "l2": {L2: 0.01}},
    )
    assert [(one.setting, one.images, one.seed) for one in trials] == [
        (setting, count, seed)
        for setting in ("plain", "l2")
        for count in (100, None)
        for seed in (7, 3)
    ]
    assert {one.settings.l2 for one in trials if one.setting == "l2"} == {0.01}
    assert {one.settings.l2 for one in trials if one.setting == "plain"} == {0}
    assert {one.settings.epochs for one in trials} == {1}
    assert len({jobs.identify(one, images) for one in trials}) == 8


def test_a_setting_starts_from_its_base(project: Path, images: jobs.Images) -> None:
    trials = expand(
        project,
        images,
        seeds=[1],
        base="whole",
        settings={
            "whole": {},
            "bare": {L2: 0.5, "architectures.lenet5.dropout": 0.5},
            "bare_without_l2": {"base": "bare", L2: 0},
            "other": {"base": "bare", "architecture": "dense"},
        },
    )
    recipes = {one.setting: one.settings for one in trials}
    assert (recipes["bare_without_l2"].l2, recipes["bare_without_l2"].dropout) == (0, 0.5)
    assert (recipes["other"].network, recipes["other"].l2) == ("dense", 0)


def test_a_setting_may_have_seeds_of_its_own(project: Path, images: jobs.Images) -> None:
    trials = expand(project, images, seeds=[1, 2], settings={"a": {"seeds": [5]}, "b": {L2: 0.1}})
    assert [(one.setting, one.seed) for one in trials] == [("a", 5), ("b", 1), ("b", 2)]


def test_a_setting_may_change_the_split(project: Path, images: jobs.Images) -> None:
    trials = expand(
        project,
        images,
        images=["all"],
        seeds=[1],
        settings={"a": {}, "b": {"split.train": 0.5}, "c": {"split.seed": 5}},
    )
    assert [one.split.train for one in trials] == [0.6, 0.5, 0.6]
    assert [one.split.seed for one in trials] == [42, 42, 5]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"sead": [1]}, "study.yaml: sead is not a known parameter"),
        ({"seeds": "1"}, "study.yaml: seeds: .* a valid list; given '1'"),
        ({"seeds": []}, "study.yaml: seeds: List should have at least 1 item"),
        ({"seeds": [1, 1]}, "study.yaml: seeds: each must be there once"),
        ({"images": [100, 100]}, "study.yaml: images: each must be there once"),
        ({"images": [0]}, r"study\.yaml: images\.0: each must be all, or a .* from 1; given 0$"),
        ({"images": ["al"]}, r"study\.yaml: images\.0: each must be all, or .*; given 'al'$"),
        ({"images": []}, "study.yaml: images: List should have at least 1 item"),
        ({"threads": 0}, "study.yaml: threads: Input should be greater than or equal to 1"),
        ({"settings": {}}, "study.yaml: settings: Dictionary should have at least 1 item"),
        ({"settings": {"A b": {}}}, "study.yaml: settings.A b"),
        ({"base": "none"}, "the base of plain must be one of the settings; it is none"),
        (
            {"settings": {"a": {"base": "b"}, "b": {"base": "a"}}},
            "a is a base of itself: a of b of a",
        ),
        ({"settings": {"a": {}, "b": {}}}, "study.yaml: settings a and b are the same"),
        (
            {"settings": {"a": {"architectures.lenet5.l3": 1}}},
            r"settings\.a: architectures\.lenet5\.l3 is not a known parameter; given 1",
        ),
        (
            {"settings": {"a": {"architectures.lenet5.optimizer.rate.x": 1}}},
            r"settings\.a: architectures\.lenet5\.optimizer\.rate\.x is not a known parameter",
        ),
        ({"settings": {"a": {L2: -1}}}, r"settings\.a: architectures\.lenet5\.l2: .*; given -1"),
        ({"settings": {"a": {L2: "x"}}}, r"settings\.a: architectures\.lenet5\.l2: .* number"),
        ({"settings": {"a": {"l2": 1}}}, r"settings\.a: l2 does not concern its training"),
        ({"settings": {"a": {"threads": 1}}}, r"settings\.a: threads does not concern"),
        ({"settings": {"a": {"seed": 1}}}, r"settings\.a: seed does not concern its training"),
        (
            {"settings": {"a": {"architectures.dense.l2": 1}}},
            r"settings\.a: architectures\.dense\.l2 does not concern its training",
        ),
        (
            {"architecture": "lenet6"},
            r"plain: expected an architecture \(dense, .*lenet6",
        ),
        ({"architecture": None}, r"settings\.plain: architecture is missing"),
        ({"architecture": "resnet34", "epochs": None}, "resnet34 is pretrained"),
        ({"images": [1025]}, "expected at most 1024 images, as many as there are .* given 1025"),
        ({"settings": {"a": {"split.train": 5000}}}, r"settings\.a: .* there are not so many"),
        (
            {"settings": {"a": {"architecture": "dense", "architectures.dense.dropout": 0.5}}},
            r"study\.yaml: settings\.a: .* dropout .* must be 0: it has no convolutions",
        ),
        (
            {
                "settings": {
                    "a": {
                        "architectures.lenet5.optimizer.learning_rate": {"from": 1e-5, "to": 1e-3}
                    }
                }
            },
            r"study\.yaml: settings\.a: .*learning_rate: from, to",
        ),
        ({"images": [1024, "all"]}, "images has 1024, which are all, and all"),
    ],
)
def test_bad_studies_are_told_by_key(
    project: Path, images: jobs.Images, content: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(PipelineError, match=complaint):
        expand(project, images, **content)


def test_a_name_that_comes_twice_is_refused(project: Path) -> None:
    path = write_study(project, "s") / "study.yaml"
    text = path.read_text().replace("  plain: {}\n", "  plain: {}\n  plain: {}\n")
    path.write_text(text)
    with pytest.raises(PipelineError, match=r"study\.yaml is not YAML: .*duplicate key"):
        study.read(PATH)


@pytest.mark.parametrize("name", ["regularization", "ladder", "claims"])
def test_the_committed_studies_are_possible(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    one = study.read(Path(f"studies/{name}/study.yaml"))
    content = config.read_yaml(config.PATH)
    for setting in one.settings:
        architecture = str(one.architecture_of(setting))
        values, settings = study.recipe(
            content, architecture, one.epochs, one.changes(setting), setting
        )
        assert settings == config.architecture(values, architecture)
