"""Wrong labels are found by networks that never saw them, and the shares follow."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits.data.dataset import Images
from digits.errors import PipelineError
from studies import runs, study
from studies.labels import analysis, confident
from tests.studies.conftest import write_study


def test_the_shares_follow_from_probabilities() -> None:
    labels = np.tile(np.arange(10), 300).astype(np.uint8)
    images = Images(np.zeros((3000, 28, 28), np.uint8), labels, labels * 0 + 1)
    probabilities = np.full((3000, 10), 0.01)
    probabilities[np.arange(3000), labels] = 0.91
    probabilities[0] = np.where(np.arange(10) == 6, 0.955, 0.005)  # surely a 6
    probabilities[947] = 0.1  # a label that people did not confirm; it could be any digit
    probabilities[1621] = np.where(np.arange(10) == 8, 0.955, 0.005)  # one that surely is an 8
    table = confident.doubtful(labels, probabilities)
    summary = analysis.describe(images, probabilities, table)
    assert list(table["id"]) == [0, 1621]
    assert summary["bayes_error"] == pytest.approx(2 / 3000, abs=1e-6)
    assert summary["misclassified"] == pytest.approx(3 / 3000, abs=1e-6)
    assert summary["doubtful_share_low"] < 2 / 3000 < summary["doubtful_share_high"]
    assert summary["expected_error"] == pytest.approx(0.09, abs=1e-3)
    people = summary["unconfirmed"]
    assert (people["images"], people["doubtful"], people["misclassified"]) == (7, 1, 2)
    assert "| 0.067 [0.018, 0.243] |" in analysis.markdown(summary)


def test_images_that_all_networks_take_for_another_digit_are_doubtful(
    project: Path, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    how: Any = {"images": ["all"], "folds": 3, "sets": ["test"], "keep": "probabilities"}
    folder = write_study(project, "labels", settings={"held_out": {}}, **how)
    one = study.read("labels")
    taken = images.labels.copy()
    taken[[10, 300]] = 5, 1
    sure = np.where(taken == images.labels, 0.9 + 0.02 * (np.arange(1797) % 2), 0.955)[:, None]
    probabilities = np.where(np.arange(10) == taken[:, None], sure, (1 - sure) / 9)
    (folder / "runs").mkdir()
    rows = []
    for run in runs.expand(one, "labels", images):
        kept = np.log(probabilities[run.rows(images)["test"]]).astype(np.float16)
        np.savez(folder / f"runs/{run.name}.npz", test_log_probabilities=kept)
        rows.append({"setting": run.setting, "fold": run.fold, "seed": run.seed})
    table = pd.DataFrame(rows).assign(data=images.digest[:12])
    found = analysis.analyse(one, table, folder)
    doubtful = pd.read_csv(StringIO(found.tables["doubtful.csv"]))
    assert sorted(zip(doubtful["id"], doubtful["suggested"], strict=True)) == [(10, 5), (300, 1)]
    assert (found.summary["images"], found.summary["doubtful"]) == (1797, 2)
    assert len(found.figures["sheet.png"].axes) == 4
    with pytest.raises(PipelineError, match="are in no finished fold"):
        analysis.analyse(one, table[table["fold"] > 0], folder)
