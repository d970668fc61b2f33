"""The bands of `make verify`: what they let pass, and what they notice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from digits.data import idx
from digits.data.dataset import Images
from studies import study
from studies.verify import __main__ as verify
from studies.verify import analysis
from tests.studies.conftest import ROOT

pytestmark = pytest.mark.usefixtures("in_root")

NETWORKS = ["dense", "lenet5", "lenet5_v1"]
LOCK = """
stages:
  download: {outs: [{path: data/raw, md5: aa.dir}]}
  convert: {outs: [{path: data/png, md5: bb.dir}]}
  resplit: {outs: [{path: data/split.csv, md5: cc}, {path: metrics/resplit.json, md5: dd}]}
  standardize: {outs: [{path: data/standardized, md5: ee.dir}]}
  train@dense: {outs: [{path: models/dense, md5: ff.dir}]}
"""


def runs(rng: np.random.Generator, count: int, shift: float = 0) -> pd.DataFrame:
    """Return runs of each network; ``shift``, in SDs, is of the losses and errors of the first."""
    rows = pd.DataFrame({"setting": np.repeat(NETWORKS, count)})
    moved = shift * (rows["setting"] == NETWORKS[0])

    def drawn() -> pd.Series:
        return pd.Series(0.02 * np.exp(0.05 * (rng.normal(size=len(rows)) + moved)))

    return rows.assign(train_loss=drawn(), test_loss=drawn(), test_accuracy=1 - drawn())


@pytest.mark.parametrize(
    ("shift", "least", "most"),
    [(0, 0, 0.02), (3, 0.98, 1), (-3, 0.98, 1)],
    ids=["sound", "worse", "better"],
)
def test_a_sound_computer_passes_and_a_shift_of_three_deviations_is_noticed(
    shift: float, least: float, most: float
) -> None:
    rng = np.random.default_rng(1)
    noticed = []
    for _ in range(300):
        old = analysis.analyse(study.read("verify"), runs(rng, 20), ROOT).summary
        found = analysis.judge(old, runs(rng, verify.NEW, shift))
        assert len(found) == len(NETWORKS) * len(analysis.FIGURES)
        noticed.append(not all(one["inside"] for one in found))
    assert least <= np.mean(noticed) <= most


@pytest.mark.mnist
def test_the_apps_network_is_held_against_what_is_committed(mnist: Path) -> None:
    parts = [idx.read_pair(*(mnist / name for name in idx.FILES[part])) for part in idx.FILES]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    sources = np.repeat([0, 1], [len(own) for _, own in parts]).astype(np.uint8)
    assert {row["verdict"] for row in verify.check_app(Images(pixels, labels, sources))} == {"ok"}
    # The mistake of one source: test pixels divided by 225, not 255.
    brighter = np.minimum(pixels.astype(float) * 255 / 225, 255).astype(np.uint8)
    digits, _ = verify.check_app(Images(brighter, labels, sources))
    assert digits["verdict"] == "DIFFERS"


def test_the_data_stages_are_held_against_the_lock() -> None:
    assert verify.outputs(LOCK) == {
        "data/raw": "aa.dir",
        "data/png": "bb.dir",
        "data/split.csv": "cc",
        "metrics/resplit.json": "dd",
        "data/standardized": "ee.dir",
    }
