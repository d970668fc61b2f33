"""The schema of a study.yaml, and the recipes it stands for."""

import graphlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, model_validator

from digits import config
from digits.config import Architecture, Count, Epochs, Name, Params, Section, Seed, Share, Threads
from digits.errors import PipelineError

STUDIES = Path("studies")
Set = Literal[
    "train",
    "running",
    "dev",
    "test",
    "test_as_published",
    "divided_by_225",
    "own_statistics",
    "small",
    "dev_tta",
    "test_tta",
]


def _all_or_count(value: Any) -> Any:
    if value != "all" and (type(value) is not int or value < 1):
        raise ValueError("each must be all, or a whole number from 1")
    return value


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("each must be there once")
    return values


Once = AfterValidator(_each_once)
Seeds = Annotated[list[Seed], Field(min_length=1), Once]
Number = Annotated[int | Literal["all"], PlainValidator(_all_or_count)]
Numbers = Annotated[list[Number], Field(min_length=1), Once]
Keep = Literal["correct", "rounded", "probabilities"]
Sets = Annotated[list[Set], Field(min_length=1), Once]


class Small(Section):
    """How test images are shrunk: to between ``lowest`` and ``highest`` of their size."""

    lowest: Annotated[Share, Field(gt=0)]
    highest: Annotated[Share, Field(gt=0)]
    seed: Seed

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("lowest must not be above highest")
        return self


class Setting(Section):
    """What is different in one setting: dotted keys of params.yaml, with values.

    ``base`` is the setting that it starts from and is compared with, ``architecture`` the one it is
    about, ``seeds``, ``sets`` and ``keep`` its own, where these are not the study's. From a base of
    another architecture nothing is taken. With ``watch: test``, the curves are of the test images,
    as in some articles, and nothing may act on them.
    """

    model_config = ConfigDict(extra="allow")

    base: str | None = None
    architecture: str | None = None
    seeds: Seeds | None = None
    sets: Sets | None = None
    keep: Keep | None = None
    watch: Literal["dev", "test"] = "dev"


class Study(Section):
    """What is compared: each of ``settings``, on each number of ``images``, with each seed.

    ``architecture`` and ``epochs`` are for settings that do not say otherwise; without ``epochs``
    params.yaml has it. ``images`` are training images, or ``all``. With ``folds``, all images are
    divided into so many parts by each seed, and each part in turn is test and the others train.
    With ``disjoint``, the first seed, 1, learns the first so many images, 2 the next, and so on.
    ``threads``, of TensorFlow, are those of one training: with fewer, more run side by side.
    ``sets`` are measured: ``running`` is the mean over the last epoch, which Keras prints;
    ``divided_by_225`` and ``own_statistics`` are test images scaled as two articles did; ``_tta``
    is test-time augmentation, ``small`` are test images shrunk and moved as ``small`` says.
    ``keep`` is what runs/ has of every image: whether it is ``correct``; that and its
    probabilities ``rounded`` to 1/255; or ``probabilities`` alone.

    ``factors`` say what it takes to leave one out. A setting with ``cross: full`` stands for one
    setting for each of their combinations, named by the initials of those that are in; with
    ``cross: half``, for every second one: those without an even number of factors.
    """

    dataset: str
    architecture: str | None = None
    epochs: Epochs | None = None
    threads: Threads
    seeds: Seeds
    images: Numbers = Field(default=["all"])
    disjoint: bool = False
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    sets: Sets = Field(default=["train", "dev", "test"])
    small: Small | None = None
    keep: Keep = "correct"
    shown: Count = 30
    base: str | None = None
    factors: dict[Name, dict[str, Any]] = Field(default={})
    settings: Annotated[dict[Name, Setting], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _crossed(cls, content: Any) -> Any:
        try:
            factors = content.get("factors", {})
            settings: dict[str, Any] = {}
            for name, setting in content["settings"].items():
                crossed = _cross(name, setting, factors)
                _each_once([*settings, *crossed])
                settings |= crossed
        except (AttributeError, KeyError, TypeError):
            return content  # of other types than the fields below allow
        return content | {"settings": settings}

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        _each_once([name[0] for name in self.factors])
        for name, base in self.pairs:
            if base not in self.settings:
                raise ValueError(f"the base of {name} must be one of the settings; it is {base}")
        try:
            graphlib.TopologicalSorter({name: [base] for name, base in self.pairs}).prepare()
        except graphlib.CycleError as error:
            chain = list(reversed(error.args[1]))
            raise ValueError(f"{chain[0]} is a base of itself: {' of '.join(chain)}") from None
        return self

    def base_of(self, name: str) -> str | None:
        """Return the setting that ``name`` is compared with; None for the study's base itself."""
        return self.settings[name].base or (self.base if self.base != name else None)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Settings, each with the one that it is compared with."""
        return [(name, base) for name in self.settings if (base := self.base_of(name))]

    def architecture_of(self, name: str) -> str | None:
        """Return the architecture of a setting: its own, or its base's, or the study's."""
        setting = self.settings[name]
        if setting.architecture or not setting.base:
            return setting.architecture or self.architecture
        return self.architecture_of(setting.base)

    def changes(self, name: str) -> dict[str, Any]:
        """Return all that a setting changes, its base's changes among it."""
        own, base = self.settings[name].model_extra or {}, self.base_of(name)
        if base is None or self.architecture_of(base) != self.architecture_of(name):
            return own
        return self.changes(base) | own


def _cross(
    name: str, setting: dict[str, Any], factors: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the settings that one with ``cross`` stands for; any other as it is."""
    kind = setting.get("cross")
    if kind is None:
        return {name: setting}
    if kind not in ("full", "half"):
        raise ValueError(f"cross of {name} must be full or half; it is {kind!r}")
    own = {key: value for key, value in setting.items() if key != "cross"}
    found = {}
    for present in itertools.product((True, False), repeat=len(factors)):
        if kind == "half" and present.count(False) % 2:
            continue
        initials = "".join(factor[0] for factor in itertools.compress(factors, present))
        changes = own
        for factor, is_in in zip(factors, present, strict=True):
            changes = changes if is_in else changes | factors[factor]
        found[f"{name}_{initials or 'none'}"] = changes
    return found


def read(name: str) -> Study:
    """Read the study.yaml of a study.

    Raises PipelineError with file, key, what is expected and what is given; or there is no such.
    """
    path = STUDIES / name / "study.yaml"
    if not path.is_file():
        known = ", ".join(sorted(one.parent.name for one in STUDIES.glob("*/study.yaml")))
        raise PipelineError(f"studies/ has no {name} with a study.yaml; it has {known}")
    return config.check(Study, config.read_yaml(path), str(path))


def recipes(study: Study, name: str) -> Iterator[tuple[str, Params, Architecture]]:
    """Yield every setting of the study called ``name``, with its parameters and its recipe.

    Raises PipelineError with file, setting, key, what is expected and what is given.
    """
    content = config.read_yaml(config.PATH)
    for setting in study.settings:
        where = f"{STUDIES / name}/study.yaml: settings.{setting}"
        chosen = study.architecture_of(setting) or "none"
        known = content["architectures"]
        if chosen not in known:
            raise PipelineError(
                f"{where}: expected an architecture ({', '.join(known)}), given {chosen}"
            )
        changes = study.changes(setting)
        for key, value in changes.items():
            if not key.startswith((f"architectures.{chosen}.", "split.")):
                raise PipelineError(
                    f"{where}: {key} does not concern its training; keys begin with "
                    f"architectures.{chosen}. or split.; given {value!r}"
                )
        if study.epochs is not None:
            changes = {f"architectures.{chosen}.epochs": study.epochs} | changes
        whole = config.override(content, changes, where)
        values = config.check(Params, whole, where)
        yield setting, values, values.architectures[chosen]
