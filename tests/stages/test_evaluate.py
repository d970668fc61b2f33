from pathlib import Path

import numpy as np
from PIL import Image

from digits.evaluation import predictions
from digits.evaluation.predictions import Step
from digits.io import read_json
from tests.stages.conftest import Stage
from tests.workspace import ROOT, run, write_data, write_params

LABELS = np.arange(40) % 10
WRONG = [3, 18, 20, 21, 30, 31, 32, 33]
SETS = {"train": range(20), "dev": range(20, 28), "test": [*range(16, 20), *range(28, 40)]}
STEPS = [Step("Input", (28, 28, 1), 0, ()), Step("Dense 10, softmax", (10,), 7850, (0,))]
# Six lines of a user's own, each of which would show in a picture.
USERS = """
axes.facecolor: black
font.size: 18
font.family: serif
lines.linewidth: 5
savefig.bbox: tight
text.color: red
"""


def test_stage_writes_the_figures_and_the_pictures_whatever_a_users_matplotlibrc_says(
    tmp_path: Path, stage: Stage
) -> None:
    write_params(tmp_path, {"datasets.mnist.bayes_error": 0.0025})
    pixels = np.random.default_rng(0).normal(size=(40, 28, 28)).astype(np.float32)
    write_data(tmp_path, pixels, LABELS, SETS)
    probabilities = np.eye(10)[(LABELS + np.isin(np.arange(40), WRONG)) % 10]
    path = tmp_path / "data/predictions/dense.npz"
    predictions.write(path, probabilities, 7850, np.empty((0, 20, 10)), STEPS)
    assert stage("evaluate", "dense") == (
        "dense: train 90.00%, dev 75.00%, test 66.67% (95 % interval 39.06% to 86.19%), "
        "bias +9.75%, variance +15.00%\n",
        "",
    )
    shown = ["bias", "dev", "test", "test_as_published", "test_loss", "train", "variance"]
    assert list(read_json(tmp_path / "metrics/dense.json")) == shown
    names = ("evaluate/dense/confusion", "evaluate/dense/errors", "networks/dense")
    paths = [tmp_path / "metrics/dense.json", *(tmp_path / f"plots/{name}.png" for name in names)]
    for path in paths[1:]:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 150
    content = [path.read_bytes() for path in paths]
    (tmp_path / "matplotlibrc").write_text(USERS)
    run(tmp_path, "stages.evaluate", "dense", env={"MATPLOTLIBRC": str(tmp_path)})
    assert [path.read_bytes() for path in paths] == content


def test_neither_evaluate_nor_compare_imports_tensorflow() -> None:
    output, _ = run(ROOT, "-c", "import stages.evaluate, stages.compare, sys; print(*sys.modules)")
    assert "stages.compare" in output.split()
    assert not {"tensorflow", "keras"} & set(output.split())
