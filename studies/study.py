"""The schema of a study.yaml, and the trainings it stands for."""

import copy
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, model_validator

from digits import config, networks
from digits.config import Architecture, Epochs, Section, Seed
from digits.errors import PipelineError
from digits.training import layer_groups
from studies import jobs
from studies.trial import Trial, draw

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _all_or_count(value: Any) -> Any:
    if value != "all" and (type(value) is not int or value < 1):
        raise ValueError("each must be all, or a whole number from 1")
    return value


def _each_once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("each must be there once")
    return values


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_each_once)]
Number = Annotated[int | Literal["all"], PlainValidator(_all_or_count)]
Numbers = Annotated[list[Number], Field(min_length=1), AfterValidator(_each_once)]


class Setting(Section):
    """What is different in one setting: dotted keys of params.yaml, with values.

    ``base`` is the setting that it starts from and is held against, ``architecture`` the one it is
    about, ``seeds`` its own, where these are not the study's. From a base of another architecture
    nothing is taken.
    """

    model_config = ConfigDict(extra="allow")

    base: str | None = None
    architecture: str | None = None
    seeds: Seeds | None = None


class Study(Section):
    """What is compared: each of ``settings``, on each number of ``images``, with each seed.

    ``architecture`` and ``epochs`` are for settings that do not say otherwise; without ``epochs``
    params.yaml has it. ``images`` are training images, or ``all``. ``threads``, of TensorFlow, are
    those of one training: with fewer, more trainings run side by side.
    """

    architecture: str | None = None
    epochs: Epochs | None = None
    threads: Annotated[int, Field(ge=1, le=1024)]
    seeds: Seeds
    images: Numbers
    base: str | None = None
    settings: Annotated[dict[Name, Setting], Field(min_length=1)]

    @model_validator(mode="after")
    def _bases_are_settings(self) -> "Study":
        for name in self.settings:
            chain = [name]
            while (base := self.base_of(chain[-1])) is not None:
                if base not in self.settings:
                    raise ValueError(
                        f"the base of {chain[-1]} must be one of the settings; it is {base}"
                    )
                if base in chain:
                    raise ValueError(f"{name} is a base of itself: {' of '.join([*chain, base])}")
                chain.append(base)
        return self

    def base_of(self, name: str) -> str | None:
        """Return the setting that ``name`` is held against; None for the study's base itself."""
        return self.settings[name].base or (self.base if self.base != name else None)

    def architecture_of(self, name: str) -> str | None:
        """Return the architecture of a setting: its own, or the study's."""
        return self.settings[name].architecture or self.architecture

    def changes(self, name: str) -> dict[str, Any]:
        """Return all that a setting changes, its base's changes among it."""
        own, base = self.settings[name].model_extra or {}, self.base_of(name)
        if base is None or self.architecture_of(base) != self.architecture_of(name):
            return own
        return self.changes(base) | own


@dataclass(frozen=True)
class Configured:
    """A study whose every training is known to be possible.

    Attributes:
        study: as it was read.
        trials: in the order of settings, images, seeds.
        bayes_error: of params.yaml.
    """

    study: Study
    trials: list[Trial]
    bayes_error: float


def read(path: Path) -> Study:
    """Read a study.

    Raises:
        PipelineError: with file, key, what is expected and what is given.
    """
    return config.check(Study, config.read_yaml(path), str(path))


def expand(study: Study, path: Path, images: jobs.Images) -> Configured:
    """Check everything about a study that can be checked before a training.

    Raises:
        PipelineError: with ``path``, where it was read, setting, key, what is expected and given.
    """
    content = config.read_yaml(config.PATH)
    plain = config.check(config.Params, content, str(config.PATH))
    trials = list(_trials(path, study, content, images))
    first: dict[str, str] = {}
    for trial in trials:
        other = first.setdefault(jobs.identify(trial, images), trial.setting)
        if other != trial.setting:
            raise PipelineError(f"{path}: settings {other} and {trial.setting} are the same")
    return Configured(study, trials, plain.datasets[plain.dataset].bayes_error)


def _trials(path: Path, study: Study, content: Any, images: jobs.Images) -> Iterator[Trial]:
    train = functools.cache(lambda split: len(draw(images, split, None)["train"]))
    for name in study.settings:
        where = f"{path}: settings.{name}"
        chosen = study.architecture_of(name)
        if chosen is None:
            raise PipelineError(f"{where}: architecture is missing, here or for the whole study")
        values, settings = recipe(content, chosen, study.epochs, study.changes(name), where)
        for count in study.images:
            with _told(where):
                available = train(values.split)
            if count == available and "all" in study.images:
                raise PipelineError(f"{where}: images has {count}, which are all, and all")
            if count != "all" and count > available:
                raise PipelineError(
                    f"{where}: expected at most {available} images, as many as there are to train "
                    f"on, given {count}"
                )
            for seed in study.settings[name].seeds or study.seeds:
                number = None if count == "all" else count
                yield Trial(name, settings, values.split, number, seed, study.threads)


def recipe(
    content: Any, architecture: str, epochs: int | None, changes: dict[str, Any], where: str
) -> tuple[config.Params, Architecture]:
    """Return params.yaml's ``content`` with ``changes``, and of it how to train ``architecture``.

    Raises:
        PipelineError: the recipe is impossible, or not one that starts from random weights.
    """
    values = configure(content, architecture, epochs, changes, where)
    settings = config.architecture(values, architecture)
    if settings.pretrained != "none" or settings.first_to_ask:
        raise PipelineError(
            f"{where}: {architecture} is pretrained or asks for a suggested learning rate, which "
            "is the work of pipeline stages; a study trains from random weights at a given rate"
        )
    with _told(where):
        layer_groups.check(architecture, settings)
        networks.build(architecture, settings, mean=33, std=79)
    return values, settings


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say of a refusal where in the study it comes from."""
    try:
        yield
    except PipelineError as error:
        raise PipelineError(f"{where}: {error}") from None


def configure(
    content: Any, architecture: str, epochs: int | None, changes: dict[str, Any], where: str
) -> config.Params:
    """Return params.yaml's ``content`` with ``changes``, by dotted keys, made to it.

    Raises:
        PipelineError: a key does not exist or does not concern the training, or a value is wrong.
    """
    if architecture not in content["architectures"]:
        known = ", ".join(content["architectures"])
        raise PipelineError(f"{where}: expected an architecture ({known}), given {architecture}")
    content = copy.deepcopy(content)
    if epochs is not None:
        content["architectures"][architecture]["epochs"] = epochs
    for key, value in changes.items():
        if not key.startswith((f"architectures.{architecture}.", "split.")):
            raise PipelineError(
                f"{where}: {key} does not concern its training; keys begin with "
                f"architectures.{architecture}. or split.; given {value!r}"
            )
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise PipelineError(f"{where}: {key} is not a known parameter; given {value!r}")
        section[last] = value
    return config.check(config.Params, content, where)
