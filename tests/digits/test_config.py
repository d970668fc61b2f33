import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import modify_yaml

from digits import config
from digits.errors import PipelineError

ROOT = Path(__file__).parents[2]
PARAMS = config.read_yaml(ROOT / "params.yaml")
RESNET = "architectures.resnet34"
DENSE = PARAMS["architectures"]["dense"]


def checked(changes: dict[str, Any]) -> config.Params:
    return config.check(config.Params, config.override(PARAMS, changes, "here"), "here")


def refusal(path: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        config.load(path)
    return str(caught.value)


def test_the_parameters_of_the_project_load() -> None:
    values = config.load(ROOT / "params.yaml")
    assert (values.dataset, values.split.train) == ("mnist", 48000)
    dense = config.architecture(values, "dense")
    assert (dense.batch_size, dense.l2, dense.augment) == (128, 0, config.Augment())
    with pytest.raises(PipelineError, match=r"architectures has no alexnet; it has dense, convnet"):
        config.architecture(values, "alexnet")
    with pytest.raises(ValueError, match="frozen"):
        values.seed = 1


def test_the_versions_are_those_that_requirements_lock_pins() -> None:
    pins = re.findall(
        r"^(keras|numpy|tensorflow)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M
    )
    assert dict(pins) == PARAMS["versions"]


def test_dvc_changes_one_line_of_the_parameters(tmp_path: Path) -> None:
    before = (ROOT / "params.yaml").read_text().splitlines()
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    with modify_yaml(path) as content:
        content["architectures"]["lenet5_v2"]["l2"] = 0
    pairs = zip(before, path.read_text().splitlines(), strict=True)
    assert [pair for pair in pairs if len(set(pair)) > 1] == [("    l2: 0.0005", "    l2: 0")]


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("seeds", 1, "seeds is not a known parameter; given 1"),
        ("seed", -1, "seed: Input should be greater than or equal to 0; given -1"),
        ("seed", "42", "seed: Input should be a valid integer; given '42'"),
        ("seed", 2**31, "seed: Input should be less than 2147483648; given 2147483648"),
        ("threads", True, "threads: Input should be a valid integer; given True"),
        ("threads", 2**40, "threads: Input should be less than or equal to 1024; given 1099511627"),
        ("versions", {"keras": "3.15.1", "numpy": "2.4.6"}, "versions.tensorflow is missing"),
        ("dataset", "emnist", "the file: dataset must be one of mnist, fashion_mnist, optdigits, "),
        (
            "datasets.mnist.mirrors",
            ["ftp://a/"],
            "datasets.mnist.mirrors.0: String should match pattern '^https?://'; given 'ftp://a/'",
        ),
        (
            "datasets.mnist.files.training_images.sha256",
            "440F",
            "datasets.mnist.files.training_images.sha256: String should match pattern",
        ),
        (
            "datasets.mnist.files.training_images.name",
            "../train.gz",
            "datasets.mnist.files.training_images.name: String should match pattern",
        ),
        ("datasets.mnist.files", None, "datasets.mnist: give either mirrors and files, or bundled"),
        ("datasets.mnist.bayes_error", 1, "datasets.mnist.bayes_error: Input should be less than"),
        ("datasets.optdigits.csv", "a.csv", "datasets.optdigits: give either mirrors and files, "),
        ("datasets.optdigits.sha256", 64 * "0", "datasets.optdigits: sha256 goes with csv; given"),
        (
            "datasets.optdigits.mirrors",
            ["https://127.0.0.1/"],
            "datasets.optdigits: mirrors go with files; given",
        ),
        ("download.timeout", 0, "download.timeout: Input should be greater than 0; given 0"),
        ("download.timeout", float("inf"), "download.timeout: Input should be a finite number"),
        ("split.scheme", "kaggle", "split.scheme: Input should be 'resplit' or 'official'; given"),
        ("split.train", 48000.5, "split.train: a count must be a whole number; a fraction must"),
        ("export.architectures", ["lenet"], "the file: export.architectures must be one of dense"),
        ("architectures.dense", None, "architectures.dense: Input should be a valid dictionary"),
        ("architectures.constant", {}, "architectures.constant.network is missing"),
        ("architectures.Le-Net", {}, "architectures.Le-Net.[key]: String should match pattern"),
        ("architectures.dense.droput", 0.5, "architectures.dense.droput is not a known parameter"),
        (
            "architectures.dense",
            {**DENSE, "early_stopping": 3, "optimizer": {**DENSE["optimizer"], "use_ema": True}},
            "architectures.dense: early_stopping takes the best epoch's weights, optimizer.use_ema",
        ),
        ("architectures.dense.width", 0, "architectures.dense.width: Input should be greater than"),
        ("architectures.dense.epochs", None, "architectures.dense: epochs must be given, or else"),
        (
            "architectures.dense.batch_norm",
            "no!",
            "architectures.dense.batch_norm: Input should be",
        ),
        (
            "architectures.dense.optimizer.momentum",
            "0.9",
            "architectures.dense.optimizer.momentum.float: Input should be a valid number; given",
        ),
        (
            "architectures.lenet5_v1.schedule.factor",
            1,
            "architectures.lenet5_v1.schedule.factor: Input should be less than 1; given 1",
        ),
        (
            "architectures.dense.schedule",
            {"name": "cosine"},
            "architectures.dense.schedule: Input tag 'cosine' found using 'name' does not match",
        ),
        ("architectures.dense.epochs.all", 5, "architectures.dense.epochs.all is not a known"),
        (
            f"{RESNET}.phases.body",
            {"epochs": 1, "learning_rate": 1},
            f"{RESNET}.phases.body.[key]: Input should be 'head' or 'all'; given 'body'",
        ),
        (f"{RESNET}.phases.all.epochs", 0, f"{RESNET}.phases.all.epochs: Input should be greater"),
        (
            f"{RESNET}.phases.all.learning_rate",
            {"from": 0.01, "to": 0.001},
            f"{RESNET}.phases.all.learning_rate: from, the stem's rate, must not be above to",
        ),
        (
            f"{RESNET}.phases.all.learning_rate",
            {"from": 0.01},
            f"{RESNET}.phases.all.learning_rate.to is missing",
        ),
        (
            f"{RESNET}.phases.head.learning_rate",
            "sugested",
            f"{RESNET}.phases.head.learning_rate: Input should be 'suggested'; given 'sugested'",
        ),
        (
            f"{RESNET}.phases.head.schedule.momentum.lowest",
            0.99,
            f"{RESNET}.phases.head.schedule.momentum: lowest must not be above highest",
        ),
        (f"{RESNET}.phases", {}, f"{RESNET}.phases: Dictionary should have at least 1 item"),
        (f"{RESNET}.phases", None, f"{RESNET}: epochs and optimizer.learning_rate must be given"),
        (f"{RESNET}.epochs", 5, f"{RESNET}: phases have their own epochs; take one of the two out"),
        (f"{RESNET}.pretrained", "glyphs", f"{RESNET}.pretrained: String should match pattern"),
        (f"{RESNET}.letters.images", 10, f"{RESNET}.letters.images: Input should be greater than"),
        (
            f"{RESNET}.range_test.highest",
            1e-7,
            f"{RESNET}.range_test: lowest must be below highest",
        ),
        (
            f"{RESNET}.imagenet.url",
            "http://example.org/model",
            f"{RESNET}.imagenet: an http url needs the file's sha256; https can do without",
        ),
    ],
)
def test_a_wrong_entry_is_told_by_key(key: str, value: Any, complaint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        checked({key: value})
    assert f"here: {complaint}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_wrong_entry_is_listed() -> None:
    with pytest.raises(PipelineError) as caught:
        checked({"split.train": 0, "split.test": -1, "split.deb": 0.1})
    assert len(str(caught.value).split("; here: ")) == 3


def test_changes_are_made_to_a_copy_and_replace_mappings_as_a_whole() -> None:
    content = {"a": {"b": {"c": 1, "d": 2}}}
    changed = config.override(content, {"a.b": {"c": 3}, "a.e.f": 4}, "here")
    assert changed == {"a": {"b": {"c": 3}, "e": {"f": 4}}}
    assert content == {"a": {"b": {"c": 1, "d": 2}}}


@pytest.mark.parametrize("number", ["5e-4", "5.0E-04", "0.0005"])
def test_numbers_are_read_as_dvc_writes_them(tmp_path: Path, number: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"l2: {number}")
    assert config.read_yaml(path) == {"l2": 0.0005}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"seed: [1", "is not YAML: while parsing a flow sequence"),
        (b"seed: \xff\xfe", "is not YAML: 'utf-8' codec can't decode"),
        (b"seed: 2024-13-45", "is not YAML: month must be in 1..12"),
        (b"[" * 5000, "is not YAML: maximum recursion depth exceeded"),
        (b"seed: 1\nseed: 2", 'found duplicate key "seed"'),
        (b"- seed", ": the file: Input should be a valid dictionary or instance of Params"),
        (b"42: 1", "42"),
        (None, " is missing; run this in the project's top folder"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert complaint in message
    assert "\n" not in message
