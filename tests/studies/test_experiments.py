"""Experiments of DVC, grouped by what differs but the seed."""

from typing import Any

import pytest

from digits.errors import PipelineError
from studies import analysis, experiments
from studies.experiments import Experiment

L2 = "architectures.lenet5.l2"


def experiment(l2: float, seed: int, test: float = 0.9, **changes: Any) -> Experiment:
    params = {"seed": seed, L2: l2, "architectures.lenet5.epochs": 3, "dataset": "mnist"} | changes
    measured = {"train": 0.95, "dev": 0.9, "test": test, "bias": 0.05, "variance": 0.05}
    return Experiment(f"l2-{l2}-{seed}", params, {"lenet5": measured}, {"data/split.csv": "a"})


def test_experiments_that_differ_in_the_seed_alone_are_one_setting() -> None:
    found = [experiment(l2, seed, 0.9 - l2 + seed / 1000) for l2 in (0, 0.1) for seed in (1, 2, 3)]
    changed = experiments.differing(found)
    assert changed == [L2]
    assert experiments.architecture_of(changed) == "lenet5"
    table = experiments.tabulate(found, changed, "lenet5", 1000)
    assert table["setting"].tolist() == ["l2=0"] * 3 + ["l2=0.1"] * 3
    described = analysis.describe(table, [("l2=0.1", "l2=0")])
    (test,) = [one for one in described["differences"] if one["metric"] == "test_accuracy"]
    assert (test["mean"], test["low"], test["high"]) == pytest.approx((-0.1, -0.1, -0.1))
    assert experiments.warnings(table, found, changed) == []


def test_what_speaks_against_a_comparison_is_said() -> None:
    found = [experiment(0, 1), experiment(0, 2), experiment(0.1, 1, dataset="optdigits")]
    found[0].data["data/split.csv"] = "b"
    changed = experiments.differing(found)
    told = experiments.warnings(
        experiments.tabulate(found, changed, "lenet5", 1000), found, changed
    )
    assert told == [
        "l2=0.1, dataset=optdigits has one seed, so no interval; add seeds: -S 'seed=range(1,6)'",
        "more than a recipe differs: dataset",
        "the experiments were trained on different data",
        "differences are paired by seed; not every setting has seed 2",
    ]


def test_it_must_be_clear_whose_metrics_are_compared() -> None:
    with pytest.raises(PipelineError, match=r"found \['dense', 'lenet5'\]; --architecture says"):
        experiments.architecture_of([L2, "architectures.dense.l2"])
    with pytest.raises(PipelineError, match=r"has no metrics/dense\.json"):
        experiments.tabulate([experiment(0, 1)], [], "dense", 1000)


def test_an_experiment_counts_once_it_has_ended_well() -> None:
    def shown(name: str, executor: dict[str, str] | None, **metrics: Any) -> dict[str, Any]:
        """Return an experiment as `dvc exp show --json` has it."""
        params = {"params.yaml": {"data": {"seed": 1, "architectures": {"lenet5": {"l2": 0}}}}}
        state = {"name": name, "data": {"params": params, "metrics": metrics, "deps": {}}}
        return {"revs": [state], "executor": executor}

    measured = {"metrics/lenet5.json": {"data": {"test": 0.9}}}
    entries = [
        shown("at once", None, **measured),
        shown("queued", {"state": "success"}, **measured),
        shown("running", {"state": "running"}, **{"metrics/lenet5.json": {"error": {}}}),
        {"revs": [{"name": "broken", "data": None}], "executor": {"state": "failed"}},
    ]
    found = experiments.finished([{"rev": "workspace"}, {"experiments": entries}])
    assert [one.name for one in found] == ["at once", "queued"]
    assert found[0].params == {"seed": 1, L2: 0}
    assert found[0].metrics == {"lenet5": {"test": 0.9}}
