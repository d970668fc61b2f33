"""Make pictures of digits on paper as a phone takes them; the app's network classifies them.

    python -m bench.photos data/raw unipen-digits.json.gz

Half of the digits are MNIST's test images, half are recorded pen strokes (`bench.strokes --help`).
Each kind of picture has a defect of its own; all have a paper and an ink of some grey, the digit
anywhere in some size, and JPEG's. Counts how many of each kind are classified correctly, wrongly,
or refused. Exit status 1: less than 95 % of those with one digit are correct, or of those with two
refused.
"""

from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tqdm import tqdm

from app import drawing, picture
from app.classifier import HELP, MODEL, Classifier
from bench import measuring, strokes
from digits.data import idx
from digits.errors import PipelineError, command_line, run_stage

TABLE = measuring.ROOT / "bench/photos.md"
KINDS = (
    *("clean", "noise", "blur", "ruled", "squared", "gradient", "vignette", "shadow"),
    *("table", "frame", "turned", "two"),
)
COUNT = 200  # pictures of each kind
AT_LEAST = 95  # % of the pictures
ROTATE_270 = 8  # EXIF's: to be turned to the left
Light = NDArray[np.float64]
Digits = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]  # white on black


def main() -> None:
    """Measure with the digits in the folder named on the command line."""
    raw, pens = "folder with MNIST's testing files", "recorded pen strokes, .json.gz"
    parser = command_line("bench.photos", __doc__, raw=raw, strokes=pens)
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    arguments = parser.parse_args()
    images, labels = idx.read_pair(*(Path(arguments.raw) / name for name in idx.FILES["testing"]))
    scanned = list(zip(images, labels.tolist(), strict=True))
    place, recorded = strokes.PLACEMENTS["large, centred"], strokes.read(Path(arguments.strokes))
    drawn = [(255 - np.asarray(strokes.draw(one.strokes, place)), one.label) for one in recorded]
    classifier = Classifier(arguments.model)
    found = {kind: Counter(correct=0, wrong=0, refused=0) for kind in KINDS}
    for kind in tqdm(KINDS):
        rng = np.random.default_rng(1)
        for number in range(COUNT):
            source = (scanned, drawn)[number % 2]
            chosen = rng.choice(len(source), 1 + (kind == "two"), replace=False)
            shown, expected = zip(*(source[one] for one in chosen), strict=True)
            found[kind][outcome(photograph(shown, kind, rng), [*expected], classifier)] += 1
    table = pd.DataFrame(found).T
    one_digit = 100 * table.drop("two").mean() / COUNT
    shares = ", ".join(f"{share:.1f} % {name}" for name, share in one_digit.items())
    print(text := f"{table.to_markdown()}\n\nOf the pictures with one digit: {shares}.")
    if arguments.model == MODEL:
        measuring.keep(TABLE, text)
    if min(one_digit["correct"], 100 * table["refused"]["two"] / COUNT) < AT_LEAST:
        raise PipelineError(f"expected at least {AT_LEAST} % correct, of two digits refused")


def outcome(file: bytes, labels: list[int], classifier: Classifier) -> str:
    """Classify a picture of digits with these labels; two cannot be correct."""
    try:
        pixels = drawing.normalize(picture.decode(file))
    except PipelineError:
        return "refused"
    return "correct" if [classifier.probabilities(pixels).argmax()] == labels else "wrong"


def photograph(digits: Digits, kind: str, rng: np.random.Generator) -> bytes:
    """Return a JPEG of one of `KINDS` with digits in a row on paper."""
    width, height = (640, 480) if rng.random() < 0.5 else (480, 640)
    light = np.full((height, width), rng.uniform(190, 250))
    if kind in ("ruled", "squared"):
        step, depth = rng.integers(24, 48), rng.uniform(0.75, 0.92)
        for start in range(2):
            light[start::step] *= depth
            light[:, start::step] *= depth if kind == "squared" else 1
    share = rng.uniform(0.2, 0.35) if len(digits) > 1 else rng.uniform(0.2, 0.55)
    write(light, digits, share * min(width, height), rng)
    if kind == "table":
        light = on_table(light, rng)
    if kind == "frame":  # a scanner's
        wide = round(rng.uniform(0.015, 0.05) * min(light.shape))
        edges = light[:wide], light[-wide:], light[:, :wide], light[:, -wide:]
        for number in rng.permutation(4)[: rng.integers(1, 5)]:
            edges[number][:] = rng.uniform(0, 60)
    light *= shade(kind, light.shape, rng)
    light += rng.normal(0, rng.uniform(8, 14) if kind == "noise" else 2.5, light.shape)
    image = Image.fromarray(light.clip(0, 255).astype(np.uint8))
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 4)))
    exif, file = Image.Exif(), BytesIO()
    if kind == "turned":
        image, exif[0x112] = image.transpose(Image.Transpose.ROTATE_270), ROTATE_270
    image.convert("RGB").save(file, "JPEG", quality=int(rng.uniform(40, 90)), exif=exif)
    return file.getvalue()


def write(light: Light, digits: Digits, size: float, rng: np.random.Generator) -> None:
    """Write digits of that size, in pixels, anywhere on a paper, in a row."""
    height, width = light.shape
    pen = Image.new("L", (width, height))
    left = rng.uniform(0.1 * width, 0.9 * width - 1.1 * size * len(digits))
    top = rng.uniform(0.1 * height, 0.9 * height - size)
    for digit in map(Image.fromarray, digits):
        cut = digit.crop(digit.getbbox())
        scale = size / max(cut.size)
        larger = cut.resize((round(cut.width * scale) + 1, round(cut.height * scale) + 1))
        pen.paste(255, (round(left), round(top)), larger)
        left += 1.1 * size
    light *= 1 - np.asarray(pen) / 255 * (1 - rng.uniform(0.15, 0.5))


def on_table(light: Light, rng: np.random.Generator) -> Light:
    """Lay a paper on a dark table, a little askew."""
    height, width = light.shape
    share, angle = rng.uniform(0.65, 0.85), rng.uniform(-8, 8)
    size = round(width * share), round(height * share)
    sheet = Image.fromarray(light.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    sheet = sheet.convert("LA").rotate(angle, Image.Resampling.BILINEAR, expand=True)
    table = Image.new("L", (width, height), round(rng.uniform(20, 80)))
    corner = (width - sheet.width) // 2, (height - sheet.height) // 2
    table.paste(sheet.getchannel("L"), corner, sheet.getchannel("A"))
    return np.asarray(table).astype(float)


def shade(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Light:
    """Return the share of the light that falls on each pixel."""
    down, across = (axis / size - 0.5 for axis, size in zip(np.indices(shape), shape, strict=True))
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * across + np.sin(angle) * down
    if kind == "gradient":  # to half
        return np.asarray(1 - 0.5 * (along - along.min()) / np.ptp(along))
    if kind == "vignette":
        return np.asarray(1 - 0.9 * (down**2 + across**2))
    if kind == "shadow":
        edge, soft = rng.uniform(-0.1, 0.3), rng.uniform(0.004, 0.05)
        return np.asarray(1 - 0.5 / (1 + np.exp(-(along - edge) / soft)))
    return np.ones(shape)


if __name__ == "__main__":
    run_stage("photos", main)
