"""The schema of params.yaml: what every key means and may hold. Unknown keys are refused."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

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
TAGS = {  # that pydantic puts into a key's path to say which of several forms it took it for
    "schedule": ("constant", "plateau", "one_cycle"),
    "learning_rate": ("number", "suggested", "spread"),
}

Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[float, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # lower-case hex


class Section(BaseModel):
    """What every section has in common: no unknown keys, no quiet conversions, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


AnySection = TypeVar("AnySection", bound=Section)


class SourceFile(Section):
    """One file of a data set: its name on the mirrors, its size, its SHA-256."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    bytes: Count
    sha256: Sha256


class SourceFiles(Section):
    """The four IDX files of a data set (gzip)."""

    training_images: SourceFile
    training_labels: SourceFile
    testing_images: SourceFile
    testing_labels: SourceFile


class Dataset(Section):
    """Where a data set comes from: ``files`` at ``mirrors``, ``bundled`` with a package, a ``csv``.

    ``csv`` is where you put Kaggle's train.csv, ``sha256`` what tells it from any other file.
    """

    mirrors: list[Annotated[str, Field(pattern=r"^https?://")]] = []
    files: SourceFiles | None = None
    bundled: Literal["optdigits"] | None = None
    csv: Annotated[str, Field(min_length=1)] | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Dataset":
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
    set's own files decide, and only ``dev`` counts.
    """

    scheme: Literal["resplit", "official"]
    train: Size
    test: Size
    dev: Size

    @field_validator("train", "test", "dev")
    @classmethod
    def _whole_above_one(cls, size: float) -> float:
        if size >= 1 and size != int(size):
            raise ValueError("a count must be a whole number; a fraction must be below 1")
        return size


class Evaluate(Section):
    """``bayes_error``: the error nobody can avoid, subtracted from the train error to give bias."""

    bayes_error: Fraction
    errors_shown: Annotated[int, Field(ge=1, le=100)]


class Published(Section):
    """Accuracies a source reports, in [0, 1]."""

    train: Share | None = None
    dev: Share | None = None
    test: Share | None = None


class Compare(Section):
    """What the comparison shows beside our figures, and how many sample images it draws."""

    samples_shown: Annotated[int, Field(ge=1, le=100)]
    published: dict[str, Published]


class Export(Section):
    """Which network is exported, and what its int8 form must keep of the accuracy.

    ``calibration_images``: training images that teach int8 the range of every activation;
    ``largest_drop``: int8's accuracy must be less than this below the trained network's.
    """

    architecture: str
    calibration_images: Count
    largest_drop: Annotated[float, Field(gt=0, le=1)]


class Spread(Section):
    """Learning rates by layer group, geometric: ``from`` at the stem, ``to`` at the head."""

    lowest: Annotated[float, Field(gt=0, alias="from")]
    highest: Annotated[float, Field(gt=0, alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> "Spread":
        if self.lowest > self.highest:
            raise ValueError("from, the stem's rate, must not be above to, the head's")
        return self


def _kind_of_rate(value: object) -> str:
    if isinstance(value, dict | Spread):
        return "spread"
    return "suggested" if isinstance(value, str) else "number"


# A number, what the range test suggests, or a spread.
LearningRate = Annotated[
    Annotated[Positive, Tag("number")]
    | Annotated[Literal["suggested"], Tag("suggested")]
    | Annotated[Spread, Tag("spread")],
    Discriminator(_kind_of_rate),
]


class Optimizer(Section):
    """A Keras optimizer with its defaults; in a schedule, the rate is the highest one."""

    name: Literal["adam", "rmsprop", "adadelta"]
    learning_rate: LearningRate | None = None


class Constant(Section):
    """The learning rate stays as it is."""

    name: Literal["constant"]


class Plateau(Section):
    """The rate is multiplied by ``factor`` after ``patience`` epochs without a lower dev loss."""

    name: Literal["plateau"]
    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Count


class Momentum(Section):
    """Adam's ``beta_1`` in a cycle: ``highest`` at both ends, ``lowest`` where the rate peaks."""

    highest: Fraction
    lowest: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _in_order(self) -> "Momentum":
        if self.lowest > self.highest:
            raise ValueError("lowest must not be above highest")
        return self


class OneCycle(Section):
    """One rise and one fall of the rate (Smith and Topin 2017).

    From rate / ``start_divisor`` in a straight line up to the rate, for the first ``warmup`` share
    of the steps; then along a cosine down to rate / ``end_divisor``. ``momentum`` goes the other
    way; null leaves it as it is.
    """

    name: Literal["one_cycle"]
    warmup: Annotated[float, Field(gt=0, lt=1)]
    start_divisor: Annotated[float, Field(ge=1)]
    end_divisor: Annotated[float, Field(ge=1)]
    momentum: Momentum | None


Schedule = Annotated[Constant | Plateau | OneCycle, Field(discriminator="name")]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=2**20)]


class Phase(Section):
    """A part of a training with an optimizer of its own.

    With ``trainable: head`` the kernels and biases of the body stay as they are; its BatchNorm
    still learns, and its averages move.
    """

    epochs: Epochs
    schedule: Schedule
    learning_rate: LearningRate
    trainable: Literal["head", "all"]


class Augment(Section):
    """Random changes of a training image, each drawn uniformly from minus to plus the figure.

    ``rotation`` and ``slant`` in degrees; ``zoom`` as a share of the size, ``shift`` as a share of
    the image's side, both drawn for each axis by itself. Lines become thinner by up to ``thin``
    and thicker by up to ``thick`` pixels on either side. ``variants`` is the probability that a
    zero is slashed, a one gets a flag or a base, a seven a bar; 0 if the images are no digits.
    """

    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: Fraction
    shift: Fraction
    slant: Annotated[float, Field(ge=0, lt=90)]
    thin: Share
    thick: Share
    variants: Share


class Architecture(Section):
    """How one network is built and trained.

    ``network`` is a module of digits/networks/. ``l2`` weighs the squared kernels; ``dropout``
    follows the convolutions and ``dropout_head`` comes before the last layer; ``early_stopping``
    is the number of epochs without a lower dev loss after which the best epoch's weights are
    taken, 0 for never. A network refuses what it has no place for.

    ``pretrained`` says where the body's weights come from: ``none`` (random), ``glyphs`` (letters,
    learned by the pretrain stage), ``imagenet``, or a path to a Keras weights file of such a body.
    Training is in one go, by ``epochs``, ``schedule`` and ``optimizer.learning_rate``, or instead
    of these in ``phases``.
    """

    network: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    pretrained: Annotated[str, Field(pattern=r"^(none|glyphs|imagenet|.+\.weights\.h5)$")]
    epochs: Epochs | None = None
    batch_size: BatchSize
    scaling: Literal["standardized", "unit"]
    optimizer: Optimizer
    schedule: Schedule | None = None
    phases: Annotated[list[Phase], Field(min_length=1)] | None = None
    augment: Augment
    l2: Annotated[float, Field(ge=0)]
    dropout: Fraction
    dropout_head: Fraction
    batch_norm: bool
    early_stopping: Annotated[int, Field(ge=0)]

    @property
    def plan(self) -> list[Phase]:
        """The phases; a training in one go is one phase with everything trainable."""
        if self.phases is not None:
            return self.phases
        return [
            Phase.model_construct(
                epochs=self.epochs,
                schedule=self.schedule,
                learning_rate=self.optimizer.learning_rate,
                trainable="all",
            )
        ]

    @property
    def first_to_ask(self) -> Phase | None:
        """The first phase that wants a rate suggested, if any; all that do get the same."""
        return next((phase for phase in self.plan if phase.learning_rate == "suggested"), None)

    @model_validator(mode="after")
    def _one_go_or_phases(self) -> "Architecture":
        one_go = {
            "epochs": self.epochs,
            "schedule": self.schedule,
            "optimizer.learning_rate": self.optimizer.learning_rate,
        }
        missing = [key for key, value in one_go.items() if value is None]
        if self.phases is not None and len(missing) < len(one_go):
            given = ", ".join(key for key in one_go if key not in missing)
            raise ValueError(f"phases have their own {given}; take one of the two out")
        if self.phases is None and missing:
            raise ValueError(f"{' and '.join(missing)} must be given, or else phases")
        return self

    @model_validator(mode="after")
    def _momentum_is_adams(self) -> "Architecture":
        cycles = [phase.schedule for phase in self.plan if isinstance(phase.schedule, OneCycle)]
        if self.optimizer.name != "adam" and any(cycle.momentum for cycle in cycles):
            raise ValueError(
                f"schedule.momentum is for optimizer.name adam; here it is {self.optimizer.name}"
            )
        return self


class ImageNet(Section):
    """A safetensors file of ResNet-34 as PyTorch names its layers."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    sha256: Sha256 | None

    @model_validator(mode="after")
    def _somebody_vouches_for_it(self) -> "ImageNet":
        if self.url.startswith("http:") and self.sha256 is None:
            raise ValueError("an http url needs the file's sha256; https can do without")
        return self


class Pretrain(Section):
    """How a body learns letters: a tenth of ``images`` is held out, the rest is learned.

    ``learning_rate`` is the highest of one cycle over all ``epochs``. ``imagenet`` says where the
    weights of ResNet-34 are that ``pretrained: imagenet`` asks for; ``sha256`` is what tells your
    copy from any other, null for any.
    """

    images: Annotated[int, Field(ge=100, le=10_000_000)]
    epochs: Epochs
    batch_size: BatchSize
    learning_rate: Positive
    schedule: OneCycle
    imagenet: ImageNet


class RangeTest(Section):
    """The rates a range test goes through, and over how many batches it does.

    ``smoothing`` is the weight of what came before in the smoothed loss; ``divergence`` the
    multiple of the lowest smoothed loss at which the test ends.
    """

    lowest: Positive
    highest: Positive
    batches: Annotated[int, Field(ge=10, le=100_000)]
    smoothing: Fraction
    divergence: Annotated[float, Field(gt=1)]

    @model_validator(mode="after")
    def _in_order(self) -> "RangeTest":
        if self.lowest >= self.highest:
            raise ValueError("lowest must be below highest")
        return self


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    threads: Annotated[int, Field(ge=1, le=1024)]
    dataset: str
    datasets: dict[str, Dataset]
    download: Download
    split: Split
    evaluate: Evaluate
    compare: Compare
    export: Export
    pretrain: Pretrain
    lr_find: RangeTest
    architectures: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Architecture],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _dataset_is_described(self) -> "Params":
        if self.dataset not in self.datasets:
            raise ValueError(
                f"dataset must be one of {', '.join(self.datasets)}; it is {self.dataset}"
            )
        return self

    @model_validator(mode="after")
    def _letters_are_learned_with_adams_momentum(self) -> "Params":
        for name, architecture in self.architectures.items():
            learns, kind = architecture.pretrained == "glyphs", architecture.optimizer.name
            if learns and kind != "adam" and self.pretrain.schedule.momentum:
                raise ValueError(
                    "pretrain.schedule.momentum is for optimizer.name adam; "
                    f"architectures.{name}, pretrained on glyphs, has {kind}"
                )
        return self

    @model_validator(mode="after")
    def _published_figures_are_of_architectures(self) -> "Params":
        if unknown := self.compare.published.keys() - self.architectures.keys():
            raise ValueError(
                f"compare.published has {', '.join(sorted(unknown))}, architectures has not"
            )
        return self

    @model_validator(mode="after")
    def _exported_is_an_architecture(self) -> "Params":
        if self.export.architecture not in self.architectures:
            raise ValueError(
                f"export.architecture must be one of {', '.join(self.architectures)}; "
                f"it is {self.export.architecture}"
            )
        return self


def load(path: Path = PATH) -> Params:
    """Read and check the parameters.

    Raises:
        PipelineError: for every wrong entry the file, the key, what is expected, what is given.
    """
    return check(Params, read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML file, in YAML 1.2 as DVC reads and writes it; in 1.1, 5e-4 is a text.

    Raises:
        PipelineError: the file is missing, or no YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; run this in the project's top folder") from None
    except (YAMLError, ValueError, RecursionError) as error:  # an impossible date, no UTF-8, [[[[
        raise PipelineError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def check(kind: type[AnySection], content: Any, where: str) -> AnySection:
    """Return ``content`` as a section of the given kind.

    Raises:
        PipelineError: for every wrong entry ``where``, the key, what is expected, what is given.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise PipelineError("; ".join(_explain(where, e) for e in error.errors())) from None


def architecture(params: Params, name: str) -> Architecture:
    """Return the settings of the architecture called ``name``.

    Raises:
        PipelineError: params.yaml has no such architecture.
    """
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
