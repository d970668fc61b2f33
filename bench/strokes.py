"""Replay real pen strokes as if drawn on the page; the exported network predicts their classes.

    python -m bench.strokes unipen-digits.json.gz

The file is gzipped JSON: a list of {"label": 0 to 9, "source": text whose first three letters name
the donor, "strokes": [[[x, y], ...], ...]}, y pointing down, in any unit. Every digit is drawn in
three placements on a canvas like the page's, and normalized in Python, as the server does it, and
in JavaScript, as the browser does it. Ends with exit status 1 if a figure misses its bound.
"""

import gzip
import struct
import subprocess
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from tqdm import tqdm

from app import drawing
from app.classifier import HELP, MODEL, Classifier
from bench import measuring
from digits.errors import PipelineError, command_line, run_stage

TABLE = measuring.ROOT / "bench/strokes.md"
UNPACKED = 2**28  # bytes at most
CANVAS = 100  # pixels on each side
FINER = 8  # drawn so much larger, then averaged, as a browser smooths edges
BATCH = 100  # digits a worker has at a time
REFUSED = -1  # in place of a class

Coordinate = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Stroke = Annotated[list[Point], Field(min_length=1, max_length=10_000)]


class Digit(BaseModel):
    """One digit as it was written."""

    model_config = ConfigDict(strict=True, frozen=True)

    label: Annotated[int, Field(ge=0, le=9)]
    source: Annotated[str, Field(min_length=3, max_length=1000)]
    strokes: Annotated[list[Stroke], Field(min_length=1, max_length=100)]


DIGITS = TypeAdapter(Annotated[list[Digit], Field(min_length=1, max_length=100_000)])


class Placement(NamedTuple):
    """How a digit lies on the canvas, in shares of the canvas's side."""

    size: float  # longer side of the digit, from the middle of the line
    middle: tuple[float, float]  # from the left, from above
    pen: float  # width of the line


PLACEMENTS = {
    "large, centred": Placement(0.70, (0.5, 0.5), drawing.PEN_WIDTH),
    "medium, centred": Placement(0.45, (0.5, 0.5), drawing.PEN_WIDTH),
    "small, above, thin": Placement(0.30, (0.5, 0.25), drawing.PEN_WIDTH * 5 / 9),
}


def main() -> None:
    """Measure with the digits in the file named on the command line."""
    parser = command_line("bench.strokes", __doc__, path="the strokes, .json.gz")
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    arguments = parser.parse_args()
    table = measure(read(Path(arguments.path)), Classifier(arguments.model))
    print(text := report(table))
    if arguments.model == MODEL:
        measuring.keep(TABLE, text)
    if missed := misses(table):
        raise PipelineError("; ".join(missed))


def read(path: Path) -> list[Digit]:
    """Read strokes. Raises PipelineError if the file is missing, damaged, too large or wrong."""
    try:
        with gzip.open(path) as file:
            content = file.read(UNPACKED + 1)
        if len(content) > UNPACKED:
            raise PipelineError(f"{path}: expected at most {UNPACKED:,} bytes unpacked, found more")
        return DIGITS.validate_json(content)
    except (OSError, EOFError, zlib.error) as error:
        raise PipelineError(f"{path}: expected a gzip file, whole: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        given = repr(first["input"])[:60]
        raise PipelineError(f"{path}: {where}: {first['msg']}; given {given}") from None


def measure(digits: Sequence[Digit], classifier: Classifier) -> pd.DataFrame:
    """Draw, normalize and classify every digit in every placement.

    Returns a row for each picture: ``label``, ``donor``, ``placement``, the classes ``predicted``
    after the normalization in Python and ``javascript`` after the other, or ``REFUSED``, and
    ``difference``, the mean one between the pixels of the two in grey levels.
    """
    python, javascript = normalized(digits)
    rows = [(one.label, one.source[:3], name) for one in digits for name in PLACEMENTS]
    table = pd.DataFrame(rows, columns=["label", "donor", "placement"])
    for name, images in (("predicted", python), ("javascript", javascript)):
        table[name] = [
            classifier.probabilities(image).argmax() if image.any() else REFUSED for image in images
        ]
    return table.assign(difference=np.abs(python.astype(int) - javascript).mean(axis=(1, 2)))


def normalized(digits: Sequence[Digit]) -> NDArray[np.uint8]:
    """Return the images of digits, each in all placements, (2, n, 28, 28), first Python's.

    They are blank where a picture is refused.
    """
    starts = tqdm(range(0, len(digits), BATCH))
    both_ways = joblib.delayed(_normalized)
    batches = joblib.Parallel(-1)(both_ways(digits[start : start + BATCH]) for start in starts)
    return np.concatenate(batches, axis=1)


def _normalized(digits: Sequence[Digit]) -> NDArray[np.uint8]:
    pictures = [draw(digit.strokes, place) for digit in digits for place in PLACEMENTS.values()]
    python = np.zeros((len(pictures), drawing.SIZE, drawing.SIZE), np.uint8)
    for image, picture in zip(python, pictures, strict=True):
        with suppress(PipelineError):
            image[:] = drawing.normalize(picture)
    return np.stack([python, normalize_in_javascript(pictures)])


def draw(strokes: Sequence[Sequence[Point]], placement: Placement) -> Image.Image:
    """Return a canvas, 100x100 in mode L, with black strokes with round ends on white."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    side = CANVAS * FINER
    scale = placement.size * side / (max(high - low) or 1)  # a dot has no size
    radius = placement.pen * side / 2
    canvas = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(canvas)
    for stroke in strokes:
        path = (np.array(stroke) - (low + high) / 2) * scale + np.array(placement.middle) * side
        pen.line(path.ravel().tolist(), fill=0, width=round(2 * radius))
        for x, y in path:
            pen.circle((x, y), radius, fill=0)
    return canvas.reduce(FINER)


def normalize_in_javascript(pictures: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """Return what app/static/drawing.js makes of pictures, (n, 28, 28); zeros for a blank one.

    Raises PipelineError if there is no Node.js to run it.
    """
    frames = (struct.pack("<II", *one.size) + one.convert("RGBA").tobytes() for one in pictures)
    command = ["node", str(Path(__file__).with_name("normalize.mjs"))]
    try:
        result = subprocess.run(command, input=b"".join(frames), stdout=subprocess.PIPE, check=True)  # noqa: S603
    except FileNotFoundError:
        raise PipelineError("node is not on the PATH; expected Node.js 18 or later") from None
    return np.frombuffer(result.stdout, np.uint8).reshape(-1, drawing.SIZE, drawing.SIZE)


def report(table: pd.DataFrame) -> str:
    """Write the accuracies by placement and donor, the commonest errors, and the `figures`."""
    accuracies = pd.DataFrame()
    for donor, rows in [("all", table), *table.groupby("donor")]:
        accuracies[f"{donor} ({len(rows) // len(PLACEMENTS):,})"] = accuracy(rows)
    accuracies.loc["mean"] = accuracies.mean()
    wrong = table[table["predicted"] != table["label"]]
    predicted = wrong["predicted"].astype(str).replace(str(REFUSED), "none (refused)")
    errors = (wrong["label"].astype(str) + " as " + predicted).value_counts()
    commonest = ", ".join(f"{error}: {count}" for error, count in errors.head(12).items())
    lines = [
        "Classified correctly in percent, by placement and donor (digits):\n",
        accuracies.to_markdown(floatfmt=".2f"),
        f"\nCommonest errors in {len(table):,} pictures: {commonest}.\n",
        *(f"- {name}: {value:.3f}" for name, value, *_ in figures(table)),
    ]
    return "\n".join(lines)


def misses(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each of the `figures` that misses its bound."""
    return [
        f"{name}: expected at {kind} {bound}, found {value:.3f}"
        for name, value, kind, bound in figures(table)
        if (value < bound if kind == "least" else value > bound)
    ]


def figures(table: pd.DataFrame) -> list[tuple[str, float, str, float]]:
    """Return what has a bound: two accuracies, and how Python and JavaScript agree."""
    accuracies = accuracy(table)
    same = 100 * (table["predicted"] == table["javascript"]).mean()
    return [
        ("mean accuracy in percent", accuracies.mean(), "least", 97.0),
        ("points from the worst placement to the best", np.ptp(accuracies), "most", 0.5),
        ("same class in percent", same, "least", 99.9),
        ("grey levels apart", table["difference"].mean(), "most", 1.0),
    ]


def accuracy(table: pd.DataFrame) -> pd.Series:
    """Return the percentage predicted rightly in each placement."""
    right = table["predicted"] == table["label"]
    return 100 * right.groupby(table["placement"], sort=False).mean()


if __name__ == "__main__":
    run_stage("strokes", main)
