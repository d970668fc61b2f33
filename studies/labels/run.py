"""Find doubtful labels among all images, and estimate the error that nobody can avoid.

Reads studies/labels/study.yaml, params.yaml and data/png/. Writes in studies/labels/ doubtful.csv
(the images that confidently are another digit than their label says), probabilities.npz (what the
networks read: log_probabilities, float16 (n, 10), natural logarithms, by id), summary.json and
sheet.png, and brings the figures in docs/labels.md up to date. A run that was stopped goes on from
checkpoints/studies/, or where STUDY_STORE says; with the package ray, trainings run side by side.
"""

import argparse
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from digits import config
from digits.config import Architecture, Count, Epochs, Plateau, Section
from digits.errors import PipelineError, run_stage
from digits.evaluation import figures, statistics
from digits.io import replacing, write_csv, write_json
from digits.training import determinism
from studies import engine, jobs, workspace
from studies.label_errors import LABEL_ERRORS
from studies.labels import confident
from studies.labels.fold import Fold, left_out
from studies.study import Seeds, recipe

STUDY = Path("studies/labels")
PAGE = Path("docs/labels.md")
TESTING = 1  # the source of `jobs.Images` that LABEL_ERRORS count


class Labels(Section):
    """What reads the images: ``architecture`` with dotted ``changes`` of params.yaml.

    Each of ``folds`` parts of the images is read by a network trained on the others, with each of
    ``seeds``. ``shown`` of the doubtful images are drawn.
    """

    architecture: str
    changes: dict[str, Any]
    epochs: Epochs
    threads: Annotated[int, Field(ge=1, le=1024)]
    folds: Annotated[int, Field(ge=2, le=100)]
    seeds: Seeds
    shown: Count

    @model_validator(mode="after")
    def _changes_concern_the_training(self) -> "Labels":
        prefix = f"architectures.{self.architecture}."
        for key in self.changes:
            if not key.startswith(prefix):
                raise ValueError(f"expected changes that begin with {prefix}, given {key}")
        return self


def main() -> None:
    """Train what is missing, then put everything together."""
    argparse.ArgumentParser(
        prog="python -m studies.labels.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    path = STUDY / "study.yaml"
    study = config.check(Labels, config.read_yaml(path), str(path))
    images = workspace.read_images()
    determinism.pin(0, study.threads)  # before the check, which builds the network
    settings = read_recipe(study, path)
    probabilities = read_all(study, settings, images)
    table = confident.doubtful(images.labels, probabilities)
    summary = describe(images, probabilities, table)
    logarithms = np.log(np.maximum(probabilities, statistics.SMALLEST_PROBABILITY))
    with replacing(STUDY / "probabilities.npz") as temporary:
        np.savez_compressed(temporary, log_probabilities=logarithms.astype(np.float16))
    write_csv(STUDY / "doubtful.csv", table.round(6))
    write_json(STUDY / "summary.json", summary)
    figures.save(STUDY / "sheet.png", draw(images, table.head(study.shown)))
    workspace.put_into_page(PAGE, markdown(summary), f"dvc repro {STUDY}/dvc.yaml")
    written = "doubtful.csv, probabilities.npz, summary.json, sheet.png"
    print(f"{markdown(summary)}\n\n{STUDY}: wrote {written}")


def read_recipe(study: Labels, path: Path) -> Architecture:
    """Return how the networks are trained.

    Raises:
        PipelineError: the recipe is impossible, or depends on dev, of which there is none.
    """
    content = config.read_yaml(config.PATH)
    _, settings = recipe(content, study.architecture, study.epochs, study.changes, str(path))
    if isinstance(settings.schedule, Plateau) or settings.early_stopping:
        raise PipelineError(
            f"{path}: changes must lead to a schedule other than plateau and early_stopping 0: "
            "both act on dev, and no image that is read may have an influence"
        )
    return settings


def read_all(study: Labels, settings: Architecture, images: jobs.Images) -> NDArray[np.float64]:
    """Return the probabilities, (n, 10), by networks that never saw an image; mean of seeds."""
    folds = [
        Fold(settings, number, study.folds, seed, study.threads)
        for seed in study.seeds
        for number in range(study.folds)
    ]
    jobs_by_identity = {jobs.identify(fold, images): fold for fold in folds}
    total = np.zeros((len(images.labels), 10))
    for identity, result in engine.run(jobs_by_identity, images, workspace.store()):
        fold = jobs_by_identity[identity]
        rows = left_out(images.labels, fold.number, fold.folds, fold.seed)
        total[rows] += result["probabilities"]
    return total / len(study.seeds)


def describe(
    images: jobs.Images, probabilities: NDArray[np.float64], table: pd.DataFrame
) -> dict[str, Any]:
    """Return the shares that bracket the Bayes error, and the counts by label and digit.

    Returns:
        images; doubtful: how many confidently are another digit; ``doubtful_share``: of all, with
        the ends of its 95 % interval (Wilson: of counting alone); ``bayes_error``: its estimate,
        `confident.noise`;
        ``misread``: the share of images that the networks misread, which no Bayes error exceeds;
        ``expected_error``: the mean of one minus the highest probability, the error that the
        networks expect of themselves; ``joint``: images by label and confident digit;
        ``unconfirmed``, of the test images whose label people did not confirm: how many there are,
        their share with its interval, how many are among the doubtful, how many are misread.
    """
    labels = images.labels
    wrong = probabilities.argmax(axis=1) != labels
    testing = np.flatnonzero(images.sources == TESTING)
    unconfirmed = testing[[number for number in LABEL_ERRORS if number < len(testing)]]
    share = statistics.wilson_interval(len(unconfirmed), len(testing))
    low, high = statistics.wilson_interval(len(table), len(labels))
    joint = confident.joint(labels, probabilities)
    return {
        "images": len(labels),
        "doubtful": len(table),
        "doubtful_share": round(len(table) / len(labels), 6),
        "doubtful_share_low": round(low, 6),
        "doubtful_share_high": round(high, 6),
        "bayes_error": round(confident.noise(joint, labels), 6),
        "misread": round(float(wrong.mean()), 6),
        "expected_error": round(float(1 - probabilities.max(axis=1).mean()), 6),
        "joint": joint.tolist(),
        "unconfirmed": {
            "images": len(unconfirmed),
            "share": round(len(unconfirmed) / len(testing), 6),
            "share_low": round(share[0], 6),
            "share_high": round(share[1], 6),
            "doubtful": int(np.isin(unconfirmed, table["id"]).sum()),
            "misread": int(wrong[unconfirmed].sum()),
        },
    }


def draw(images: jobs.Images, table: pd.DataFrame) -> Figure:
    """Show the images with their label, what the networks take them for, and how surely."""
    titles = [
        f"label {row.label}\n{row.suggested}? {row.suggested_probability:.0%}"
        for row in table.itertuples()
    ]
    return figures.images(images.pixels[table["id"].to_numpy()], titles)


def markdown(summary: dict[str, Any]) -> str:
    """Write the shares as a table."""
    people = summary["unconfirmed"]
    table = pd.DataFrame(
        [
            ("images", f"{summary['images']:,}"),
            ("confidently another digit than the label says", f"{summary['doubtful']:,}"),
            (
                "their share, %",
                f"{percent(summary['doubtful_share'])} "
                f"[{percent(summary['doubtful_share_low'])}, "
                f"{percent(summary['doubtful_share_high'])}]",
            ),
            ("the estimate of the Bayes error, %", percent(summary["bayes_error"])),
            ("misread out of sample, %", percent(summary["misread"])),
            ("expected by the networks themselves, %", percent(summary["expected_error"])),
            ("test images whose label people did not confirm", people["images"]),
            (
                "their share of the test images, %",
                f"{percent(people['share'])} [{percent(people['share_low'])}, "
                f"{percent(people['share_high'])}]",
            ),
            ("of them confidently another digit", people["doubtful"]),
            ("of them misread out of sample", people["misread"]),
        ],
        columns=["", "figure"],
    )
    return str(table.to_markdown(index=False, disable_numparse=True, colalign=["left", "right"]))


def percent(share: float) -> str:
    """Write a share in percent with three decimals."""
    return f"{100 * share:.3f}"


if __name__ == "__main__":
    run_stage("labels", main)
