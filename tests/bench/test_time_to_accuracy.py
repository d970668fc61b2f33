import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from bench import measuring, time_to_accuracy
from digits.data import idx
from digits.errors import PipelineError
from studies.accuracy.recipes import load
from studies.accuracy.run import RUNS


def change(path: Path, **values: Any) -> None:
    """Set values of a YAML file, by dotted keys with __ for the dots."""
    yaml = YAML()
    content = yaml.load(path)
    for key, value in values.items():
        *parents, last = key.split("__")
        section = content
        for parent in parents:
            section = section[parent]
        section[last] = value
    yaml.dump(content, path)


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_every_short_training_is_held_against_the_articles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipes = tmp_path / "studies/accuracy/params.yaml"
    recipes.parent.mkdir(parents=True)
    shutil.copy(measuring.ROOT / "studies/accuracy/params.yaml", recipes)
    highest = load().chosen["champion"]
    change(recipes, base__epochs=1, seeds=[1, 2], **{f"recipes__{highest}__epochs": 1})
    change(tmp_path / "params.yaml", architectures__lenet5_v2__epochs=1)
    written: list[Any] = []
    monkeypatch.setattr(measuring, "write", lambda name, figures: written.append(figures))
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy"])
    run, found, articles = measuring.run, [], []

    def keep(command: Any, folder: Path, **environment: str) -> measuring.Used:
        used = run(command, folder, **environment)
        if command[0] == "studies.accuracy.run":
            with np.load(folder / RUNS / f"{command[1]}-{command[2]}.npz") as content:
                found.append(content["log_probabilities"].argmax(axis=1))
        if command[0] == "stages.evaluate":
            with np.load(folder / f"data/predictions/{command[1]}.npz") as content:
                articles.append(content["probabilities"][600:].argmax(axis=1))  # those of test
        return used

    monkeypatch.setattr(measuring, "run", keep)
    time_to_accuracy.main()

    first, _, last, (champion,) = written  # whatever ends it, what was measured before is there
    assert [figure["what"] for figure in first] == ["lenet5_v2 on test"]
    seconds, swift, article = last
    assert seconds["ratio"]["highest"] == pytest.approx(
        seconds["ours"]["highest"] / seconds["other"]["median"], rel=0.01
    )
    files = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    _, labels = idx.read_pair(*(tmp_path / "data/raw" / name for name in files))
    right = [100 * float((read == labels).mean()) for read in found]  # two swifts, a champion
    assert swift["ours"] == measuring.spread(right[:2])
    assert swift["mean"] == pytest.approx(np.mean(right[:2]), abs=0.001)
    (predicted,) = articles
    assert article["mean"] == pytest.approx(100 * (predicted == labels).mean(), abs=0.001)
    assert (champion["what"], champion["note"]) == ("champion, one training", highest)
    assert len(right) == 3


def test_what_is_not_timed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy", "champion", "swiftest"])
    with pytest.raises(PipelineError, match="no swiftest here; swift and champion are"):
        time_to_accuracy.main()
