from pathlib import Path
from typing import Any

import pytest
import yaml

from digits import config
from digits.errors import PipelineError

REPOSITORY = Path(__file__).parents[2]


def changed(folder: Path, key: str, value: Any) -> Path:
    """Write params.yaml with one entry set to ``value``, or taken out if that is ``...``."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    *parents, last = key.split(".")
    section = content
    for parent in parents:
        section = section[int(parent) if isinstance(section, list) else parent]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        config.load(path)
    return str(caught.value)


def test_the_parameters_of_the_project_load() -> None:
    settings = config.load(REPOSITORY / "params.yaml")
    assert settings.dataset == "mnist"
    assert settings.split.train == 48000
    files = settings.datasets["mnist"].files
    assert files is not None
    assert files.training_images.bytes == 9912422


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("seeds", 1, "seeds is not a known parameter; given 1"),
        ("seed", ..., "seed is missing"),
        ("seed", -1, "seed: Input should be greater than or equal to 0; given -1"),
        ("seed", "42", "seed: Input should be a valid integer; given '42'"),
        ("seed", 2**31, "seed: Input should be less than 2147483648; given 2147483648"),
        ("threads", True, "threads: Input should be a valid integer; given True"),
        ("threads", 0, "threads: Input should be greater than or equal to 1; given 0"),
        (
            "dataset",
            "emnist",
            "the file: dataset must be one of mnist, fashion_mnist, optdigits, kaggle; it is "
            "emnist",
        ),
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
        (
            "datasets.mnist.files",
            ...,
            "datasets.mnist: give either mirrors and files, or bundled",
        ),
        ("download.timeout", 0, "download.timeout: Input should be greater than 0; given 0"),
        ("download.timeout", float("inf"), "download.timeout: Input should be a finite number"),
        ("split.scheme", "kaggle", "split.scheme: Input should be 'resplit' or 'official'; given"),
        ("split.train", 48000.5, "split.train: a count must be a whole number; a fraction must"),
        ("split.dev", 0, "split.dev: Input should be greater than 0; given 0"),
        ("datasets.mnist.bayes_error", 1, "datasets.mnist.bayes_error: Input should be less than"),
        (
            "architectures.dense.droput",
            0.5,
            "architectures.dense.droput is not a known parameter; given 0.5",
        ),
        (
            "architectures.dense.epochs",
            ...,
            "architectures.dense: epochs must be given, or else phases",
        ),
        (
            "architectures.dense.optimizer.name",
            "sgd",
            "architectures.dense.optimizer.name: Input should be 'adam', 'rmsprop' or 'adadelta'",
        ),
        (
            "architectures.dense.schedule.patience",
            2,
            "architectures.dense.schedule.patience is not a known parameter; given 2",
        ),
        (
            "architectures.lenet5_v1.schedule.factor",
            1,
            "architectures.lenet5_v1.schedule.factor: Input should be less than 1; given 1",
        ),
        (
            "architectures.dense.schedule.name",
            "cosine",
            "architectures.dense.schedule: Input tag 'cosine' found using 'name' does not match",
        ),
        (
            "architectures.dense.schedule",
            {},
            "architectures.dense.schedule: Unable to extract tag using discriminator 'name'",
        ),
        (
            "architectures.dense.batch_norm",
            "no!",
            "architectures.dense.batch_norm: Input should be a valid boolean; given 'no!'",
        ),
        (
            "architectures.resnet34.phases.0.trainable",
            "body",
            "architectures.resnet34.phases.0.trainable: Input should be 'head' or 'all'; given",
        ),
        (
            "architectures.resnet34.phases.1.epochs",
            0,
            "architectures.resnet34.phases.1.epochs: Input should be greater than or equal to 1;",
        ),
        (
            "architectures.resnet34.phases.1.learning_rate",
            {"from": 0.01, "to": 0.001},
            "architectures.resnet34.phases.1.learning_rate: from, the stem's rate, must not be",
        ),
        (
            "architectures.resnet34.phases.1.learning_rate",
            {"from": 0.01},
            "architectures.resnet34.phases.1.learning_rate.to is missing",
        ),
        (
            "architectures.resnet34.phases.1.learning_rate",
            0,
            "architectures.resnet34.phases.1.learning_rate: Input should be greater than 0; given",
        ),
        (
            "architectures.resnet34.phases.0.learning_rate",
            "sugested",
            "architectures.resnet34.phases.0.learning_rate: Input should be 'suggested'; given",
        ),
        (
            "architectures.resnet34.phases.0.schedule.momentum.lowest",
            0.99,
            "architectures.resnet34.phases.0.schedule.momentum: lowest must not be above highest",
        ),
        (
            "architectures.resnet34.optimizer.name",
            "rmsprop",
            "architectures.resnet34: schedule.momentum is for optimizer.name adam; here it is",
        ),
        (
            "architectures.resnet34.phases",
            [],
            "architectures.resnet34.phases: List should have at least 1 item",
        ),
        (
            "architectures.resnet34.phases",
            ...,
            "architectures.resnet34: epochs and schedule and optimizer.learning_rate must be given",
        ),
        (
            "architectures.resnet34.epochs",
            5,
            "architectures.resnet34: phases have their own epochs; take one of the two out",
        ),
        (
            "architectures.resnet34.pretrained",
            "letters",
            "architectures.resnet34.pretrained: String should match pattern",
        ),
        (
            "pretrain.imagenet.url",
            "http://example.org/model",
            "pretrain.imagenet: an http url needs the file's sha256; https can do without",
        ),
        ("pretrain.images", 10, "pretrain.images: Input should be greater than or equal to 100"),
        ("lr_find.highest", 1e-7, "lr_find: lowest must be below highest"),
        ("architectures.dense", None, "architectures.dense: Input should be a valid dictionary"),
        ("architectures.constant", {}, "architectures.constant.network is missing"),
        (
            "architectures.dense.epochs",
            10**21,
            "architectures.dense.epochs: Input should be less than or equal to 100000; given",
        ),
        ("threads", 2**40, "threads: Input should be less than or equal to 1024; given 1099511627"),
        (
            "architectures.dense.batch_size",
            2**40,
            "architectures.dense.batch_size: Input should be less than or equal to 1048576; given",
        ),
        (
            "download.timeout",
            1e300,
            "download.timeout: Input should be less than or equal to 86400; given 1e+300",
        ),
        (
            "datasets.optdigits.mirrors",
            ["https://127.0.0.1/"],
            "datasets.optdigits: mirrors go with files; given",
        ),
        (
            "datasets.optdigits.csv",
            "train.csv",
            "datasets.optdigits: give either mirrors and files, or bundled, or csv; given",
        ),
        ("datasets.optdigits.sha256", 64 * "0", "datasets.optdigits: sha256 goes with csv; given"),
        (
            "export.architecture",
            "lenet",
            "the file: export.architecture must be one of dense, convnet, convnet_dropout, lenet5, "
            "lenet5_v1, lenet5_v2, lenet5_pen, resnet34; it is lenet",
        ),
        ("export.calibration_images", 0, "export.calibration_images: Input should be greater than"),
        ("export.largest_drop", 0, "export.largest_drop: Input should be greater than 0; given 0"),
    ],
)
def test_a_wrong_entry_is_told_by_key(tmp_path: Path, key: str, value: Any, complaint: str) -> None:
    path = changed(tmp_path, key, value)
    message = refusal(path)
    assert f"{path}: {complaint}" in message
    assert "\n" not in message


@pytest.mark.parametrize("number", ["5e-4", "5.0E-04", "0.0005"])
def test_numbers_are_read_as_dvc_writes_them(tmp_path: Path, number: str) -> None:
    path = changed(tmp_path, "architectures.dense.l2", "NUMBER")
    path.write_text(path.read_text().replace("NUMBER", number))
    assert config.load(path).architectures["dense"].l2 == 0.0005


def test_an_architecture_must_be_a_module_name(tmp_path: Path) -> None:
    path = changed(tmp_path, "architectures.Le-Net", {})
    assert f"{path}: architectures.Le-Net" in refusal(path)


def test_every_wrong_entry_is_listed(tmp_path: Path) -> None:
    path = changed(tmp_path, "split", {"scheme": "resplit", "train": 0.8, "test": -1, "deb": 0.1})
    parts = refusal(path).split(f"; {path}: ")
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"seed: [1", "is not YAML: while parsing a flow sequence"),
        (b"seed: \xff\xfe", "is not YAML: 'utf-8' codec can't decode"),
        (b"seed: 2024-13-45", "is not YAML: month must be in 1..12"),
        (b"[" * 5000, "is not YAML: maximum recursion depth exceeded"),
        (b"seed: 1\nseed: 2", 'found duplicate key "seed"'),
        (b"", ": the file: Input should be a valid dictionary or instance of Params"),
        (b"- seed", ": the file: Input should be a valid dictionary or instance of Params"),
        (b"42: 1", "42"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert complaint in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert refusal(path) == f"{path} is missing; run this in the project's top folder"


def test_settings_cannot_be_changed_later() -> None:
    settings = config.load(REPOSITORY / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 1


def test_an_architecture_is_found_by_name() -> None:
    settings = config.load(REPOSITORY / "params.yaml")
    assert config.architecture(settings, "lenet5").batch_size == 64


def test_an_unknown_architecture_is_told_with_the_known_ones() -> None:
    settings = config.load(REPOSITORY / "params.yaml")
    with pytest.raises(PipelineError, match=r"architectures has no alexnet; it has dense, convnet"):
        config.architecture(settings, "alexnet")


def test_a_training_in_one_go_is_one_phase_of_everything() -> None:
    settings = config.load(REPOSITORY / "params.yaml").architectures
    (phase,) = settings["lenet5_v1"].plan
    assert (phase.epochs, phase.learning_rate, phase.trainable) == (30, 0.001, "all")
    assert phase.schedule == settings["lenet5_v1"].schedule
    assert settings["resnet34"].plan == settings["resnet34"].phases


def test_letters_are_learned_with_the_architectures_optimizer(tmp_path: Path) -> None:
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    settings = content["architectures"]["resnet34"]
    settings["optimizer"]["name"] = "adadelta"
    for phase in settings["phases"]:
        phase["schedule"]["momentum"] = None
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    assert "pretrain.schedule.momentum is for optimizer.name adam; architectures.resnet34, pre" in (
        refusal(path)
    )
    content["pretrain"]["schedule"]["momentum"] = None
    path.write_text(yaml.safe_dump(content))
    assert config.load(path).architectures["resnet34"].optimizer.name == "adadelta"
