import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench import measuring, time_to_accuracy


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
    change(recipes, base__epochs=1, seeds=[1, 2])
    change(tmp_path / "params.yaml", architectures__lenet5_v2__epochs=1)
    written: list[Any] = []
    monkeypatch.setattr(measuring, "write", lambda name, figures: written.append(figures))
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy"])
    time_to_accuracy.main()

    first, _, last = written  # whatever ends it, what was measured before is there
    assert [figure["what"] for figure in first] == ["lenet5_v2 on test"]
    seconds, swift, article = last
    assert seconds["ratio"]["highest"] == pytest.approx(
        seconds["ours"]["highest"] / seconds["other"]["median"], rel=0.01
    )
    for figure in (swift, article):  # of 100 images, hardly learned
        assert 0 <= figure["ours"]["lowest"] <= figure["ours"]["highest"] <= 100
    low, high = (swift["ours"][name] for name in ("lowest", "highest"))
    assert swift["wanted"] == f"mean >= 99.41; mean {(low + high) / 2:.2f}"
