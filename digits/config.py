"""The schema of params.yaml: what every key means and may hold. Unknown keys are refused.

A key that has a default here may be left out of params.yaml.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from digits.errors import PipelineError

PATH = Path("params.yaml")
TAGS = {  # that pydantic puts into a key's path to say which of several types it took it for
    "schedule": ("constant", "plateau", "one_cycle"),
    "learning_rate": ("number", "suggested", "by_group"),
}

Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Open = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Url = Annotated[str, Field(pattern=r"^https?://")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # lower-case hex
Threads = Annotated[int, Field(ge=1, le=1024)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=2**20)]


class Section(BaseModel):
    """What every section has in common: no unknown keys, no quiet conversions, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


AnySection = TypeVar("AnySection", bound=Section)


class SourceFile(Section):
    """One file of a data set: its name on the mirrors, its size, its SHA-256.

    ``plain`` is the SHA-256 of what the gzip holds; a folder of yours may have it unpacked.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    bytes: Count
    sha256: Sha256
    plain: Sha256 | None = None


class SourceFiles(Section):
    """The four IDX files of a data set (gzip)."""

    training_images: SourceFile
    training_labels: SourceFile
    testing_images: SourceFile
    testing_labels: SourceFile


class Dataset(Section):
    """Where a data set comes from: ``files`` at ``mirrors``, ``bundled`` with a package, a ``csv``.

    ``csv`` is where you put Kaggle's train.csv, ``sha256`` what tells it from any other file.
    ``bayes_error`` is the share of images that nobody can classify; the bias is measured from it.
    """

    bayes_error: Fraction = 0
    mirrors: list[Url] = []
    files: SourceFiles | None = None
    bundled: Literal["optdigits"] | None = None
    csv: Annotated[str, Field(min_length=1)] | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.files, self.bundled, self.csv)) != 1:
            raise ValueError("give either mirrors and files, or bundled, or csv")
        if self.mirrors and not self.files:
            raise ValueError("mirrors go with files")
        if self.sha256 and not self.csv:
            raise ValueError("sha256 goes with csv")
        return self


class Download(Section):
    """How patient the download is: attempts at each mirror, seconds without an answer."""

    attempts: Annotated[int, Field(ge=1, le=1000)]
    timeout: Annotated[float, Field(gt=0, le=86_400)]


class Split(Section):
    """How images are divided; ``train``, ``test`` and ``dev`` are counts, or fractions below 1.

    ``train`` and ``test`` are of all images, ``dev`` is of ``train``. With ``official`` the data
    set's own files decide, and only ``dev`` counts; a study may do without. ``seed`` draws the
    split and nothing else.
    """

    seed: Seed
    scheme: Literal["resplit", "official"]
    train: Positive
    test: Positive
    dev: Annotated[float, Field(ge=0)]

    @field_validator("train", "test", "dev")
    @classmethod
    def _whole_above_one(cls, size: float) -> float:
        if size >= 1 and size != int(size):
            raise ValueError("a count must be a whole number; a fraction must be below 1")
        return size


class Evaluate(Section):
    """How many misclassified images are drawn, and how many training images of each label."""

    errors_shown: Annotated[int, Field(ge=1, le=100)] = 9
    samples_shown: Annotated[int, Field(ge=1, le=100)] = 2


class Export(Section):
    """Which networks are exported, and what their int8 format must keep of the accuracy.

    ``calibration_images``: training images that teach int8 the range of every activation;
    ``largest_drop``: int8's accuracy on dev must be less than this below the trained network's.
    """

    architectures: Annotated[list[Name], Field(min_length=1)]
    calibration_images: Count = 500
    largest_drop: Annotated[float, Field(gt=0, le=1)] = 0.002


class ByGroup(Section):
    """Discriminative learning rates: geometric, ``from`` at the stem, ``to`` at the head."""

    lowest: Annotated[float, Field(gt=0, alias="from")]
    highest: Annotated[float, Field(gt=0, alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("from, the stem's rate, must not be above to, the head's")
        return self


def _kind_of_rate(value: object) -> str:
    if isinstance(value, dict | ByGroup):
        return "by_group"
    return "suggested" if isinstance(value, str) else "number"


# A number, what the range test suggests, or a rate for each layer group.
LearningRate = Annotated[
    Annotated[Positive, Tag("number")]
    | Annotated[Literal["suggested"], Tag("suggested")]
    | Annotated[ByGroup, Tag("by_group")],
    Discriminator(_kind_of_rate),
]


class Optimizer(Section):
    """An optimizer of Keras by its ``name``, such as adam, adamw or sgd.

    Other keys are arguments of its constructor, such as ``momentum``, ``weight_decay``,
    ``clipnorm`` or ``use_ema`` (a phase ends with the moving average of its weights; the curves are
    of the weights themselves). What is left out has Keras's default. In a schedule,
    ``learning_rate`` is the highest one.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | float | bool | None] = Field(init=False)

    name: Name
    learning_rate: LearningRate | None = None


class Constant(Section):
    """The learning rate stays as it is."""

    name: Literal["constant"] = "constant"


class Plateau(Section):
    """The rate is multiplied by ``factor`` after ``patience`` epochs without a lower dev loss."""

    name: Literal["plateau"]
    factor: Open
    patience: Count


class Momentum(Section):
    """Adam's ``beta_1`` in a cycle: ``highest`` at both ends, ``lowest`` where the rate peaks."""

    highest: Fraction
    lowest: Open

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("lowest must not be above highest")
        return self


class OneCycle(Section):
    """One rise and one fall of the rate (Smith and Topin 2017).

    From rate / ``start_divisor`` in a straight line up to the rate, for the first ``warmup`` share
    of the steps; then along a cosine down to rate / ``end_divisor``. ``momentum`` goes the other
    way; left out, it stays as it is.
    """

    name: Literal["one_cycle"]
    warmup: Open = 0.25
    start_divisor: Annotated[float, Field(ge=1)] = 25
    end_divisor: Annotated[float, Field(ge=1)] = 10_000
    momentum: Momentum | None = None


Schedule = Annotated[Constant | Plateau | OneCycle, Field(discriminator="name")]


class Phase(Section):
    """A part of a training with an optimizer of its own."""

    epochs: Epochs
    learning_rate: LearningRate
    schedule: Schedule = Constant()


class Augment(Section):
    """Random changes of a training image, each drawn uniformly from minus to plus the value.

    ``rotation`` and ``shear`` are in degrees; ``zoom`` is a share of the size and ``shift`` one of
    the image's size, both drawn for each axis by itself. ``erode`` and ``dilate`` are the most
    pixels that strokes lose and gain on either side. ``pen_strokes`` is the probability that a
    zero is slashed, a one gets a flag or a base, a seven a bar; 0 if the images are no digits.
    ``random_erasing`` is the probability that a rectangle turns black (cutout). ``mixup`` mixes
    each image and its label with another of the batch, by a share of Beta(mixup, mixup).
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 0
    zoom: Fraction = 0
    shift: Fraction = 0
    shear: Annotated[float, Field(ge=0, lt=90)] = 0
    erode: Share = 0
    dilate: Share = 0
    pen_strokes: Share = 0
    random_erasing: Share = 0
    mixup: Annotated[float, Field(ge=0, le=100)] = 0


class ImageNet(Section):
    """A safetensors file of ResNet-34 as PyTorch names its layers; ``sha256`` is of your copy."""

    url: Url = "https://huggingface.co/timm/resnet34.a1_in1k/resolve/main/model.safetensors"
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _somebody_vouches_for_it(self) -> Self:
        if self.url.startswith("http:") and self.sha256 is None:
            raise ValueError("an http url needs the file's sha256; https can do without")
        return self


class Letters(Section):
    """How a backbone learns letters: a tenth of ``images`` is held out, the rest is learned.

    ``learning_rate`` is the highest of one cycle over all ``epochs``.
    """

    images: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    epochs: Epochs = 3
    batch_size: BatchSize = 128
    learning_rate: Positive = 0.005
    schedule: OneCycle = OneCycle(name="one_cycle", end_divisor=100_000)


class RangeTest(Section):
    """The rates a range test goes through, and over how many batches it does.

    ``smoothing`` is the weight of what came before in the smoothed loss; ``divergence`` the
    multiple of the lowest smoothed loss at which the test ends.
    """

    lowest: Positive = 1e-6
    highest: Positive = 1
    batches: Annotated[int, Field(ge=10, le=100_000)] = 150
    smoothing: Fraction = 0.9
    divergence: Annotated[float, Field(gt=1)] = 4

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest must be below highest")
        return self


class Architecture(Section):
    """The recipe of one network: how it is built and trained.

    ``network`` is a module of digits/networks/, ``width`` multiplies its filters and hidden units.
    ``l2`` weighs the squared kernels; ``dropout`` follows the convolutions and ``dropout_head``
    comes before the last layer; ``label_smoothing`` is the share of a label that is spread over
    all classes; ``early_stopping`` is the number of epochs without a lower dev loss after which
    the best epoch's weights are taken, 0 for never. A network refuses what it has no place for.

    ``pretrained`` says where the backbone's weights come from: ``none`` (random), ``letters``
    (learned before, as ``letters`` says), ``imagenet`` (read as ``imagenet`` says), or a path to a
    Keras weights file of such a backbone. A learning rate of ``suggested`` is found by a range
    test, as ``range_test`` says. Training is in one go, by ``epochs``, ``schedule`` and
    ``optimizer.learning_rate``, or instead of these in ``phases``, named by what is trained. In
    the phase ``head`` the backbone's kernels and biases stay as they are; its BatchNorm learns.
    """

    network: Name
    width: Annotated[float, Field(gt=0, le=100)] = 1
    pretrained: Annotated[str, Field(pattern=r"^(none|letters|imagenet|.+\.weights\.h5)$")] = "none"
    epochs: Epochs | None = None
    batch_size: BatchSize
    scaling: Literal["standardized", "unit"] = "standardized"
    optimizer: Optimizer
    schedule: Schedule = Constant()
    phases: Annotated[dict[Literal["head", "all"], Phase], Field(min_length=1)] | None = None
    augment: Augment = Augment()
    l2: Annotated[float, Field(ge=0)] = 0
    dropout: Fraction = 0
    dropout_head: Fraction = 0
    batch_norm: bool = False
    label_smoothing: Fraction = 0
    early_stopping: Annotated[int, Field(ge=0)] = 0
    letters: Letters = Letters()
    imagenet: ImageNet = ImageNet()
    range_test: RangeTest = RangeTest()

    @model_validator(mode="after")
    def _one_go_or_phases(self) -> Self:
        one_go = {"epochs": self.epochs, "optimizer.learning_rate": self.optimizer.learning_rate}
        missing = [key for key, value in one_go.items() if value is None]
        if self.phases is None and missing:
            raise ValueError(f"{' and '.join(missing)} must be given, or else phases")
        given = [key for key in one_go if key not in missing]
        given += ["schedule"] if self.schedule != Constant() else []
        if self.phases is not None and given:
            raise ValueError(f"phases have their own {', '.join(given)}; take one of the two out")
        return self

    @model_validator(mode="after")
    def _one_choice_of_weights(self) -> Self:
        if self.early_stopping and (self.optimizer.model_extra or {}).get("use_ema"):
            raise ValueError(
                "early_stopping takes the best epoch's weights, optimizer.use_ema their average; "
                "take one of the two out"
            )
        return self

    @property
    def soft_labels(self) -> bool:
        """Whether a label is a probability of each class, and no longer one class."""
        return bool(self.label_smoothing or self.augment.mixup)

    @property
    def rates(self) -> list[Any]:
        """The learning rates of all phases: numbers, ``suggested``, `ByGroup`."""
        if self.phases is None:
            return [self.optimizer.learning_rate]
        return [phase.learning_rate for phase in self.phases.values()]


class Versions(Section):
    """The packages that compute, as requirements.lock pins them."""

    keras: str
    numpy: str
    tensorflow: str


class Params(Section):
    """The whole of params.yaml.

    ``seed`` decides weights, order, augmentation and dropout. ``threads`` are TensorFlow's, in and
    between operations; another number rounds differently, and so do other ``versions``.
    """

    seed: Seed
    threads: Threads
    versions: Versions
    dataset: str
    datasets: dict[str, Dataset]
    download: Download
    split: Split
    evaluate: Evaluate
    export: Export
    architectures: Annotated[dict[Name, Architecture], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for key, names, known in (
            ("dataset", [self.dataset], list(self.datasets)),
            ("export.architectures", self.export.architectures, list(self.architectures)),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(f"{key} must be one of {', '.join(known)}; found {name}")
        return self


def load(path: Path = PATH) -> Params:
    """Read and check the parameters. Raises PipelineError as `read_yaml` and `check` do."""
    return check(Params, read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML file, in YAML 1.2 as DVC reads and writes it; in 1.1, 5e-4 is a text.

    Raises PipelineError if the file is missing, or no YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run this in the project's top folder") from None
    except (YAMLError, ValueError, RecursionError) as error:  # an impossible date, no UTF-8, [[[[
        raise PipelineError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def check(kind: type[AnySection], content: Any, where: str) -> AnySection:
    """Return ``content`` as a section of the given kind.

    Raises PipelineError with ``where``, the key, what is expected and given, of every wrong entry.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise PipelineError("; ".join(_explain(where, e) for e in error.errors())) from None


def override(content: Any, changes: Mapping[str, Any], where: str) -> Any:
    """Return a copy of ``content`` with ``changes``, values by dotted keys, made to it.

    A mapping is replaced as a whole. Keys that are not there yet are added, for `check` to judge.
    Raises PipelineError if a key leads through something that is no mapping.
    """
    content = copy.deepcopy(content)
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {}) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise PipelineError(f"{where}: {key} is not a known parameter; given {value!r}")
        section[last] = copy.deepcopy(value)
    return content


def architecture(params: Params, name: str) -> Architecture:
    """Return the recipe of that architecture. Raises PipelineError if params.yaml has none."""
    try:
        return params.architectures[name]
    except KeyError:
        known = ", ".join(params.architectures)
        raise PipelineError(f"{PATH}: architectures has no {name}; it has {known}") from None


def _explain(path: str, error: Any) -> str:
    path_and_parents = zip(error["loc"], (None, *error["loc"]), strict=False)
    key = ".".join(
        str(part) for part, parent in path_and_parents if part not in TAGS.get(str(parent), ())
    )
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{path}: {key} is not a known parameter; given {error['input']!r}"
    if error["type"] == "missing":
        return f"{path}: {key} is missing"
    given = "" if not key else f"; given {error['input']!r}"
    return f"{path}: {key or 'the file'}: {reason}{given}"
