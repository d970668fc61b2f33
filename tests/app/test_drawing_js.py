"""The page's normalisation in JavaScript against the one in Python."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from app import drawing
from app.picture import decode
from bench import photos, strokes
from digits.errors import PipelineError
from tests.app.visitor import DIGITS

STATIC = Path(__file__).parents[2] / "app/static"

PLACEMENTS = [
    *strokes.PLACEMENTS.values(),
    strokes.Placement(0.95, (0.5, 0.5), 0.02),
    strokes.Placement(0.08, (0.9, 0.1), 0.01),
    strokes.Placement(0.6, (0.35, 0.6), 0.2),
]
COLOURS = [  # ink and paper, both with alpha
    ((0, 0, 0, 255), (255, 255, 255, 255)),
    ((255, 255, 255, 255), (0, 0, 0, 255)),
    ((0, 0, 0, 255), (0, 0, 0, 0)),
    ((255, 255, 255, 255), (255, 255, 255, 0)),
    ((20, 90, 200, 140), (250, 240, 210, 200)),
    ((240, 200, 40, 255), (60, 20, 80, 128)),
    ((120, 120, 120, 255), (140, 150, 160, 255)),  # blank
]


def golden() -> Iterator[Image.Image]:
    """Yield every digit in every placement, in colours, sizes and surroundings that take turns."""
    random = np.random.default_rng(0)
    for digit, lines in DIGITS.items():
        for number, placement in enumerate(PLACEMENTS):
            ink, ground = COLOURS[(digit + number) % len(COLOURS)]
            shape = strokes.draw(lines, placement).point(lambda level: 255 - level)
            picture = Image.new("RGBA", shape.size, ground)
            picture.paste(ink, mask=shape)
            yield picture
            width, height = random.integers(1, 400, 2).tolist()
            yield picture.resize((width, height), Image.Resampling.BILINEAR)
            noise = random.integers(-9, 10, (*shape.size, 4))
            yield Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def odd() -> Iterator[Image.Image]:
    """Yield pictures at the edges of what there can be."""
    random = np.random.default_rng(1)
    for width, height in ((1, 1), (1, 9), (9, 1), (2, 2), (19, 20), (1000, 3), (1500, 1200)):
        yield Image.new("RGBA", (width, height), (255, 255, 255, 255))
        yield Image.fromarray(random.integers(0, 256, (height, width, 4), dtype=np.uint8))
        opaque = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        yield Image.fromarray(opaque).convert("RGBA")
    blurred = Image.new("RGBA", (280, 280))
    ImageDraw.Draw(blurred).ellipse((50, 90, 180, 250), outline=(9, 9, 9, 255), width=30)
    yield blurred.filter(ImageFilter.GaussianBlur(20))
    ramp = np.arange(256, dtype=np.uint8)
    for ink in ((0, 0, 0), (255, 255, 255), (200, 60, 100)):  # every level of alpha
        levels = np.empty((256, 256, 4), np.uint8)
        levels[..., :3], levels[..., 3] = ink, ramp
        yield Image.fromarray(levels)
    lopsided = Image.new("RGBA", (90, 90), (255, 255, 255, 255))
    lopsided.paste((0, 0, 0, 255), (10, 10, 30, 80))
    lopsided.paste((0, 0, 0, 255), (30, 10, 80, 11))
    for turns in (None, *Image.Transpose):
        yield lopsided if turns is None else lopsided.transpose(turns)
    both = Image.new("RGBA", (90, 90), (100, 100, 100, 255))  # darker and lighter by the same
    both.paste((0, 0, 0, 255), (20, 20, 40, 70))
    both.paste((200, 200, 200, 255), (40, 20, 80, 40))
    yield both
    for contrast in range(28, 36):  # around the limit of what is blank
        picture = Image.new("RGBA", (30, 30), (100, 100, 100, 255))
        picture.paste((100 + contrast,) * 3, (10, 5, 20, 25))
        yield picture


def photographed() -> Iterator[Image.Image]:
    """Yield photographs of every kind, of a digit that is drawn here."""
    ink = 255 - np.asarray(strokes.draw(DIGITS[5], strokes.PLACEMENTS["large, centred"]).reduce(4))
    digits = np.pad(ink, ((1, 2), (1, 2)))[None, :28, :28]
    for number, kind in enumerate(photos.KINDS):
        count = 2 if kind == "two" else 1
        file = photos.photograph(digits.repeat(count, axis=0), kind, np.random.default_rng(number))
        yield decode(file).convert("RGBA")


@pytest.mark.parametrize("pictures", [golden, odd, photographed])
def test_javascript_gives_the_same_pixels(pictures: Callable[[], Iterator[Image.Image]]) -> None:
    cases = list(pictures())
    blank = 0
    for picture, javascript in zip(cases, strokes.normalise_in_javascript(cases), strict=True):
        try:
            expected = drawing.normalise(picture)
        except PipelineError:
            expected = np.zeros((28, 28), np.uint8)
            blank += 1
        np.testing.assert_array_equal(javascript, expected)
    assert 0 < blank < len(cases) - 10


def test_the_page_gets_784_bytes_or_null_for_a_blank_canvas() -> None:
    script = f"""
        import {{ readFileSync }} from "node:fs";
        const code = readFileSync({json.dumps(str(STATIC / "drawing.js"))}, "base64");
        const drawing = await import(`data:text/javascript;base64,${{code}}`);
        const rgba = new Uint8ClampedArray(4 * 9).fill(255);
        const blank = drawing.normalise(rgba, 3, 3);
        rgba.fill(0, 16, 19);
        const dot = drawing.normalise(rgba, 3, 3);
        console.log(JSON.stringify([drawing.PEN_WIDTH, blank, dot.constructor.name, dot.length]));
    """
    command = ["node", "--input-type=module", "--eval", script]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert json.loads(result.stdout) == [drawing.PEN_WIDTH, None, "Uint8Array", 784]
