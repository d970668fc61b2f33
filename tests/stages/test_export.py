"""Export of a small network that was really trained, and what every file of it then answers.

The data are noisy copies of ten patterns; image i has label i % 10. The network has what must
change on the way: dropout, which must end, and BatchNorm, which must use its averages.
"""

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest

from digits.evaluation import predictions
from digits.export import litert
from digits.io import read_json, write_json
from tests.stages.conftest import Stage
from tests.workspace import contents, run, write_data, write_params

FILES = {"architecture.json", "model.weights.h5", "model.keras", "float32.tflite"}
INT8 = "models/litert/lenet5.tflite"
CARD = "models/litert/lenet5.json"
MEAN, DEVIATION = 130.0, 75.0
LABELS = np.arange(400) % 10
SETS = {"train": range(200), "dev": range(200, 220), "test": [*range(180, 200), *range(220, 400)]}
UNSEEN = np.arange(220, 400)


def pixels() -> npt.NDArray[np.uint8]:
    """Return 400 images that are hard enough for a network to be unsure, and black to white."""
    random = np.random.default_rng(0)
    patterns = random.uniform(0, 255, (10, 28, 28))
    noisy = 0.25 * patterns[LABELS] + 0.75 * random.uniform(0, 255, (400, 28, 28))
    spread: npt.NDArray[np.float64] = (noisy - noisy.min()) / np.ptp(noisy) * 255
    return np.rint(spread).astype(np.uint8)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the stage reads; the network learned the first 200 images."""
    folder = tmp_path_factory.mktemp("inputs")
    export = {"architectures": ["lenet5"], "calibration_images": 100, "largest_drop": 0.02}
    write_params(folder, {"export": export, "threads": 1})
    images = ((pixels().astype(np.float64) - MEAN) / DEVIATION).astype(np.float32)
    write_data(folder, images, LABELS, SETS, MEAN, DEVIATION)
    write_json(folder / "metrics/lenet5.json", {"test": 0.9})
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(4, 5, strides=2, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    given = images[..., None]
    model.fit(given[:200], LABELS[:200], epochs=15, batch_size=20, shuffle=False, verbose=0)
    (folder / "models/lenet5").mkdir(parents=True)
    model.save(folder / "models/lenet5/model.keras")
    phases, answers = np.empty((0, 200, 10), np.float32), model.predict(given, verbose=0)
    predictions.write(folder / "data/predictions/lenet5.npz", answers, 1000, phases, [])
    return folder


@pytest.fixture(scope="module")
def exported(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "workspace"
    shutil.copytree(inputs, folder)
    assert run(folder, "stages.export", "lenet5")[0].startswith(f"{INT8}: test accuracy ")
    return folder


@pytest.fixture
def workspace(inputs: Path, tmp_path: Path) -> Path:
    """Return a workspace of one's own, with an export of an earlier day."""
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    (tmp_path / "models/export/lenet5").mkdir(parents=True)
    (tmp_path / "models/export/lenet5/model.keras").write_text("earlier")
    return tmp_path


def test_every_format_answers_raw_pixels_as_the_trained_network_does(exported: Path) -> None:
    folder = exported / "models/export/lenet5"
    assert {path.name for path in folder.iterdir()} == FILES
    images = pixels()[UNSEEN]
    trained = np.load(exported / "data/predictions/lenet5.npz")["probabilities"][UNSEEN]
    assert 0.6 < (trained.argmax(axis=1) == LABELS[UNSEEN]).mean() < 1  # it did learn

    whole = keras.models.load_model(folder / "model.keras", safe_mode=True)
    parts = keras.models.model_from_json((folder / "architecture.json").read_text())
    parts.load_weights(folder / "model.weights.h5")
    for model in (whole, parts):
        assert (model.input_shape, model.output_shape) == ((1, 28, 28, 1), (1, 10))
        for image, expected in zip(images[:5], trained, strict=False):
            np.testing.assert_allclose(model(image[None, ..., None])[0], expected, atol=1e-5)
    paths = folder / "float32.tflite", exported / INT8
    floats, int8 = (litert.run(path, images, threads=1) for path in paths)
    np.testing.assert_allclose(floats, trained, atol=1e-5)
    np.testing.assert_allclose(int8, trained, atol=0.1)

    measured = {one["name"]: one for one in read_json(exported / CARD)["formats"]}
    assert list(measured) == ["keras", "weights", "float32", "int8"]
    for name, answers in (("float32", floats), ("int8", int8)):
        right = answers.argmax(axis=1) == LABELS[UNSEEN]
        assert measured[name]["test_accuracy"] == round(right.mean(), 6)
    digits = np.load((exported / INT8).with_suffix(".npy"))
    np.testing.assert_array_equal(digits, int8.argmax(axis=1))


def test_card_tells_what_the_files_are_and_come_from(exported: Path) -> None:
    card = read_json(exported / CARD)
    assert card["name"] == "lenet5"
    assert card["labels"] == list(range(10))
    assert (card["input"]["shape"], card["output"]["shape"]) == ([1, 28, 28, 1], [1, 10])
    assert card["standardization"] == {"mean": MEAN, "deviation": DEVIATION}
    images = {"train": 200, "dev": 20, "test": 180, "test_as_published": 200}
    assert card["split"] == {"scheme": "resplit", "seed": 42, "images": images}
    assert card["data_set"]["name"] == "mnist"
    assert card["data_set"]["files"]["training_images"]["sha256"].startswith("440fcabf")
    assert card["metrics"] == {"test": 0.9}
    names = [*(f"export/lenet5/{name}" for name in FILES), "litert/lenet5.tflite"]
    files = {name: (exported / "models" / name).read_bytes() for name in names}
    assert card["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    packages = ("ai-edge-litert", "keras", "numpy", "tensorflow")
    assert card["versions"] == {package: version(package) for package in packages}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of TensorFlow's converter
def test_a_repetition_replaces_all_by_the_same_bytes(
    exported: Path, workspace: Path, stage: Stage
) -> None:
    stage("export", "lenet5")
    for folder in ("models/export/lenet5", "models/litert"):
        assert contents(workspace / folder) == contents(exported / folder)
    names = {path.name for path in (workspace / "models").iterdir()}
    assert names == {"export", "lenet5", "litert"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of TensorFlow's converter
def test_a_format_that_classifies_otherwise_is_not_exported(workspace: Path, stage: Stage) -> None:
    wrong = {"mean": 0.0, "deviation": DEVIATION}  # so that the formats see other pixels
    write_json(workspace / "data/standardized/statistics.json", wrong)
    _, errors = stage("export", "lenet5", status=1)
    last = errors.splitlines()[-1]
    assert last.startswith("export: keras classifies ")
    assert last.endswith(" images otherwise than the trained network; nothing was exported")
    assert (workspace / "models/export/lenet5/model.keras").read_text() == "earlier"
    assert {path.name for path in (workspace / "models").iterdir()} == {"export", "lenet5"}
