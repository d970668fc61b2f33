import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import modify_yaml

from digits import config
from digits.errors import PipelineError
from tests.workspace import ROOT

PARAMS = config.read_yaml(ROOT / "params.yaml")
MNIST, BUNDLED = "datasets.mnist", "datasets.optdigits"
DENSE, RESNET = "architectures.dense", "architectures.resnet34"
RATE = f"{RESNET}.phases.all.learning_rate"
CYCLE = f"{RESNET}.phases.head.schedule.momentum"
AVERAGED = {"name": "adam", "learning_rate": 1.0, "use_ema": True}
EARLY_EMA = PARAMS["architectures"]["dense"] | {"early_stopping": 3, "optimizer": AVERAGED}


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(PipelineError) as caught:
        config.check(config.Params, config.override(PARAMS, changes, "here"), "here")
    return str(caught.value)


def test_the_parameters_of_the_project_load() -> None:
    values = config.load(ROOT / "params.yaml")
    assert (values.dataset, values.split.train) == ("mnist", 48000)
    dense = config.architecture(values, "dense")
    assert (dense.batch_size, dense.l2, dense.augment) == (128, 0, config.Augment())
    with pytest.raises(PipelineError, match=r"architectures has no alexnet; it has dense, convnet"):
        config.architecture(values, "alexnet")


def test_the_versions_are_those_that_requirements_lock_pins() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert dict(re.findall(r"^(keras|numpy|tensorflow)==(\S+)", lock, re.M)) == PARAMS["versions"]


def test_dvc_changes_one_line_of_the_parameters(tmp_path: Path) -> None:
    source, path = ROOT / "params.yaml", tmp_path / "params.yaml"
    shutil.copy(source, path)
    with modify_yaml(path) as content:
        content["architectures"]["lenet5_v2"]["l2"] = 0
    pairs = zip(*(one.read_text().splitlines() for one in (source, path)), strict=True)
    assert [pair for pair in pairs if len(set(pair)) > 1] == [("    l2: 0.0005", "    l2: 0")]


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        # The project's types: what is strict, bounded, a pattern, a choice, finite or missing.
        ("seeds", 1, "{} is not a known parameter; given 1"),
        ("seed", "42", "{}: Input should be a valid integer; given '42'"),
        ("seed", 2**31, "{}: Input should be less than 2147483648; given 2147483648"),
        (f"{MNIST}.mirrors", ["ftp://a/"], "{}.0: String should match pattern '^https?://'; given"),
        (f"{MNIST}.files.testing_images.name", "../a.gz", "{}: String should match pattern"),
        ("download.timeout", float("inf"), "{}: Input should be a finite number"),
        ("split.scheme", "kaggle", "{}: Input should be 'resplit' or 'official'; given"),
        (DENSE, None, "{}: Input should be a valid dictionary"),
        (f"{DENSE}.optimizer.momentum", "0.9", "{}.float: Input should be a valid number; given"),
        (f"{DENSE}.schedule", {"name": "cosine"}, "{}: Input tag 'cosine' found using 'name'"),
        (f"{DENSE}.epochs.all", 5, "{} is not a known"),
        (f"{RESNET}.phases.body", {}, "{}.[key]: Input should be 'head' or 'all'; given 'body'"),
        (RATE, {"from": 0.01}, "{}.to is missing"),
        (RATE, "sugested", "{}: Input should be 'suggested'; given 'sugested'"),
        # Its own validators.
        ("dataset", "emnist", "the file: {} must be one of mnist, fashion_mnist, optdigits, "),
        ("export.architectures", ["lenet"], "the file: {} must be one of dense"),
        (f"{MNIST}.files", None, f"{MNIST}: give either mirrors and files, or bundled"),
        (f"{BUNDLED}.csv", "a.csv", f"{BUNDLED}: give either mirrors and files, "),
        (f"{BUNDLED}.sha256", 64 * "0", f"{BUNDLED}: sha256 goes with csv; given"),
        (f"{BUNDLED}.mirrors", ["https://a"], f"{BUNDLED}: mirrors go with files; given"),
        ("split.train", 48000.5, "{}: a count must be a whole number; a fraction must"),
        (f"{DENSE}.epochs", None, f"{DENSE}: epochs must be given, or else"),
        (DENSE, EARLY_EMA, "{}: early_stopping takes the best epoch's weights, optimizer.use_ema"),
        (f"{RESNET}.phases", None, f"{RESNET}: epochs and optimizer.learning_rate must be given"),
        (f"{RESNET}.epochs", 5, f"{RESNET}: phases have their own epochs; take one of the two out"),
        (RATE, {"from": 0.01, "to": 0.001}, "{}: from, the stem's rate, must not be above to"),
        (f"{CYCLE}.lowest", 0.99, f"{CYCLE}: lowest must not be above highest"),
        (f"{RESNET}.range_test", {"highest": 1e-7}, "{}: lowest must be below highest"),
        (f"{RESNET}.imagenet", {"url": "http://a/b"}, "{}: an http url needs the file's sha256; h"),
    ],
)
def test_a_wrong_entry_is_told_by_key(key: str, value: Any, complaint: str) -> None:
    message = refusal({key: value})
    assert f"here: {complaint.format(key)}" in message
    assert "\n" not in message


def test_every_wrong_entry_is_listed() -> None:
    wrong = {"split.train": 0, "split.test": -1, "split.deb": 0.1}
    assert len(refusal(wrong).split("; here: ")) == 3


def test_changes_are_made_to_a_copy_and_replace_mappings_as_a_whole() -> None:
    content = {"a": {"b": {"c": 1, "d": 2}}}
    changed = config.override(content, {"a.b": {"c": 3}, "a.e.f": 4}, "here")
    assert changed == {"a": {"b": {"c": 3}, "e": {"f": 4}}}
    assert content == {"a": {"b": {"c": 1, "d": 2}}}


def test_numbers_are_read_as_dvc_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("[5e-4, 5.0E-04, 0.0005]")
    assert config.read_yaml(path) == [0.0005] * 3


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"seed: [1", "is not YAML: while parsing a flow sequence"),
        (b"seed: \xff\xfe", "is not YAML: 'utf-8' codec can't decode"),
        (b"seed: 2024-13-45", "is not YAML: month must be in 1..12"),
        (b"[" * 1000, "is not YAML: maximum recursion depth exceeded"),
        (b"seed: 1\nseed: 2", 'found duplicate key "seed"'),
        (b"- seed", ": the file: Input should be a valid dictionary or instance of Params"),
        (b"42: 1", "42"),
        (None, " is missing; run this in the project's top folder"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PipelineError, match=rf"^{path}.*{re.escape(complaint)}.*\Z"):  # in one line
        config.load(path)
