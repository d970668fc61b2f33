"""Send the server bodies made to hurt: none may end in a defect, a crash or a wait for the others.

PNG, JPEG and WebP files whose parts are right by themselves (checksums, lengths) and wrong
together; bombs of pixels, texts, profiles, chunks and scans; odd EXIF; odd forms; megabytes; half
a body and silence. The same seed sends the same bodies. Meanwhile a well-behaved client asks on.
Linux only, which knows a process's peak of memory.

    python -m bench.server_hostile --bodies 20000
"""

import http.client
import json
import re
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from app.classifier import HELP, MODEL
from bench.server_load import running
from digits.errors import PipelineError, command_line, run_stage

AT_ONCE = 3  # connections
SLOWEST = 1  # second, of a good request meanwhile
GROWTH = 200  # megabytes of the server's memory
SIGNATURE = b"\x89PNG\r\n\x1a\n"
Case = tuple[bytes, str]  # the body and its Content-Type


def main() -> None:
    """Start the server, attack it, and say how it took that."""
    parser = command_line("bench.server_hostile", __doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    parser.add_argument("--bodies", type=int, default=20_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="another one sends others")
    arguments = parser.parse_args()
    with running(arguments.model) as (port, server):
        before, began = peak_memory(server.pid), time.monotonic()
        statuses, good, slowest = attack(port, arguments.bodies, arguments.seed)
        told = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
        print(f"{arguments.bodies:,} bodies in {time.monotonic() - began:.0f} s, answered {told}")
        print(f"{good:,} good requests meanwhile, all answered rightly, slowest {slowest:.2f} s")
        after = peak_memory(server.pid)
        print(f"peak of memory: {before:.0f} MB before, {after:.0f} MB after")
    if slowest >= SLOWEST or after - before >= GROWTH:
        raise PipelineError(
            f"expected good requests within {SLOWEST} s and less than {GROWTH} MB more memory"
        )


def attack(port: int, bodies: int, seed: int) -> tuple[Counter[int], int, float]:
    """Send hostile bodies to the server at a port of this machine, and good requests meanwhile.

    Returns how often it answered with which status, how many good requests there were, and the
    seconds that the slowest took. Raises PipelineError for an answer that should be another.
    """
    expected, seconds = ask(port, GOOD), []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [pool.submit(send, port, number, seed) for number in range(bodies)]
        while not all(answer.done() for answer in answers[-AT_ONCE:]):
            began = time.monotonic()
            if expected[0] != 200 or ask(port, GOOD) != expected:
                raise PipelineError("a good request got another answer than it should")
            seconds.append(time.monotonic() - began)
            time.sleep(0.01)
    statuses = Counter(answer.result() for answer in answers)
    return statuses, len(seconds), max(seconds, default=0)


def send(port: int, number: int, seed: int) -> int:
    """Send one hostile body, check the answer, and return its status."""
    chance, right = Random(f"{seed}/{number}"), {200, 413, 415, 422}  # noqa: S311
    if number % 100 == 99:  # half a body and silence
        right = {408}
        status, content = ask(port, GOOD[:-1], more=1)
    else:
        status, content = ask(port, *KINDS[number % len(KINDS)](chance))
    fields = {"digit", "probabilities", "pixels"} if status == 200 else {"detail"}
    if status not in right or set(json.loads(content)) != fields:
        raise PipelineError(f"body {number} of seed {seed} got {status}, {content[:200]!r}")
    return status


def ask(port: int, body: bytes, kind: str = "image/png", more: int = 0) -> tuple[int, bytes]:
    """Announce a body and ``more`` bytes, send it; return status and body of the answer."""
    headers = {"Content-Type": kind, "Content-Length": str(len(body) + more)}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/classify", body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def peak_memory(pid: int) -> float:
    """Return the most memory that a process has had, in megabytes."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def picture(size: int = 280, mode: str = "L") -> Image.Image:
    """Return a 7, white on black."""
    image = Image.new("L", (size, size))
    corners = [(0.3 * size, 0.25 * size), (0.7 * size, 0.25 * size), (0.45 * size, 0.8 * size)]
    ImageDraw.Draw(image).line(corners, 255, max(1, size // 14), joint="curve")
    return image.convert(mode)


def speckled(size: int, blot: int) -> Image.Image:
    """Return a square blot in the middle, and a dot at every second pixel."""
    levels = np.full((size, size), 255, np.uint8)
    levels[2:-2:2, 2:-2:2] = 0
    middle = slice((size - blot) // 2, (size + blot) // 2)
    levels[middle, middle] = 0
    return Image.fromarray(levels)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the file of an image."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG, with its length and checksum."""
    checksum = zlib.crc32(kind + content).to_bytes(4)
    return struct.pack(">I4s", len(content), kind) + content + checksum


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """Return the first chunk of a PNG."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def zeros(size: int, kind: bytes = b"IDAT", before: bytes = b"") -> bytes:
    """Return a chunk that inflates to so many zeros."""
    return chunk(kind, before + zlib.compress(bytes(size), 9))


GOOD = encoded(picture(mode="RGB"))
PLAIN, PIXELS = header(28, 28), zeros(812)
FAKE = chunk(b"tEXt", struct.pack(">II", 1, 1))  # a text as long as a size
FRAME = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 28, 28, 0, 0, 1, 1, 0, 0))
BOMBS = [
    [header(50_000, 50_000), zeros(10**8)],
    [PLAIN, header(50_000, 50_000), zeros(10**8)],
    [FAKE, header(2500, 2500), zeros(2500 * 2501)],
    [PLAIN, zeros(10**8)],
    [header(2000, 2000, 16, 6), zeros(2000 * 16_001)],
    [header(2000, 2000, 16, 6, 1), zeros(2000 * 16_050)],
    [PLAIN, zeros(2**22, b"iCCP", b"a\0\0"), PIXELS],
    [PLAIN, zeros(2**22, b"iTXt", b"a\0\1\0\0\0"), PIXELS],
    [PLAIN, *[zeros(2**19, b"zTXt", b"a\0\0")] * 900, PIXELS],
    [PLAIN, PIXELS, *[zeros(2**19, b"zTXt", b"a\0\0")] * 900],
    [PLAIN, *[chunk(b"IDAT", b"")] * 80_000, PIXELS],
    [PLAIN, chunk(b"acTL", struct.pack(">II", 2**31, 0)), PIXELS],
    [header(28, 28, 8, 3), chunk(b"PLTE", bytes(900_000)), PIXELS],
    [header(0, 0), PIXELS],
    [encoded(speckled(2000, 100))[8:-12]],  # all its chunks but the last
]


def bomb(chance: Random) -> Case:
    """Return a PNG that is much larger inside, or slow, as it is or rearranged."""
    parts = [*chance.choice(BOMBS), chunk(b"IEND", b"")]
    return SIGNATURE + rearranged(chance, parts, 0.5), "image/png"


def scans(chance: Random) -> Case:
    """Return a progressive JPEG with up to 70,000 scans of 14 bytes, each of four megapixels."""
    body = encoded(Image.new("L", (2000, 2000)), "JPEG", progressive=True, quality=1)
    *_, scan = re.findall(rb"\xff\xda[^\xff]+", body[:-2])
    return body[:-2] + scan * chance.choice((10, 40, 1000, 70_000)) + body[-2:], "image/jpeg"


def assembled(chance: Random) -> Case:
    """Return a PNG of any header and random pixels, with chunks that belong there or do not."""
    colour, depths = chance.choice(((0, "1248G"), (2, "8G"), (3, "1248"), (4, "8G"), (6, "8G")))
    top = header(20, 20, int(chance.choice(depths), 17), colour, chance.randrange(2))
    pixels = zlib.compress(bytes(chance.choices(range(5), k=chance.choice((9999, 99)))))
    more = [
        chunk(b"tRNS", chance.randbytes(chance.choice((2, 6, 200)))),
        chunk(b"eXIf", exif(chance)),
        chunk(b"acTL", struct.pack(">II", chance.randrange(4), 0)) + FRAME,
        chunk(b"fdAT", bytes(4) + pixels),
        chunk(chance.choice((b"gAMA", b"cHRM", b"pHYs", b"iCCP", b"iTXt")), pixels[:32]),
        FAKE,
    ]
    chance.shuffle(more)
    first = [top, chunk(b"PLTE", chance.randbytes(768)), *more[: chance.randrange(4)]]
    middle = [chunk(b"IDAT", part) for part in (pixels[:40], pixels[40:])]
    parts = [*first, *middle, *more[: chance.randrange(2)], chunk(b"IEND", b"")]
    return SIGNATURE + rearranged(chance, parts, 0.3), "image/png"


def saved(chance: Random) -> Case:
    """Return a picture in any format and mode, with odd EXIF, maybe cut, changed or rearranged."""
    kind, split, modes = chance.choice(FORMATS)
    options: dict[str, Any] = {"exif": b"Exif\0\0" + exif(chance)} if chance.random() < 0.7 else {}
    image = picture(chance.choice((28, 100, 300)), chance.choice(modes))
    if kind == "JPEG":
        options |= {"progressive": chance.random() < 0.5, "quality": chance.choice((1, 100))}
    elif chance.random() < 0.3:
        options |= {"save_all": True, "append_images": [image.rotate(90)] * 3}
    body = rearranged(chance, re.split(split, encoded(image, kind, **options)), 0.7)
    if kind == "JPEG":  # one segment more
        content = chance.choice((b"MPF\0", b"ICC_PROFILE\0\1\1", b"Adobe\0")) + exif(chance)
        mark = chance.choice((0xFFE2, 0xFFED, 0xFFEE))
        body = body[:2] + struct.pack(">HH", mark, len(content) + 2) + content + body[2:]
    elif kind == "WEBP" and chance.random() < 0.5:  # another size of the canvas
        canvas = chance.choice((1999, 16_382, 2**24 - 1)).to_bytes(3, "little") * 2
        body = body[:24] + canvas + body[30:]
    return body, f"image/{kind.lower()}"


def exif(chance: Random) -> bytes:
    """Return EXIF with an orientation, maybe more tags of random types and values, maybe cut."""
    order, mark = chance.choice((("<", b"II*\0"), (">", b"MM\0*")))
    tags = [(0x112, 3, 1, chance.randrange(10) << (16 if order == ">" else 0))]
    for _ in range(chance.choice((0, 0, 3))):
        name = chance.choice((0x112, 0x8769, 0xB001, 0xB002, chance.randrange(2**16)))
        count = chance.choice((1, 2, 9, 2**32 - 1))
        tags.append((name, chance.randrange(14), count, chance.randrange(200)))
    entries = b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
    content = mark + struct.pack(order + "IH", 8, len(tags)) + entries + bytes(60)
    return content[: chance.choice((999, 999, chance.randrange(99)))]


def other(chance: Random) -> Case:
    """Return an odd form, noise after a picture's first bytes, megabytes, or another type."""
    if chance.random() < 0.5:
        file = b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + GOOD
        parts = chance.choices((file, b'name="f"\r\n\r\nvalue'), k=chance.randrange(4))
        parts = [b"--x\r\nContent-Disposition: form-data; %b\r\n" % part for part in parts]
        boundary = chance.choice(("x", "x", "x", "", '"', "x" * 300, "\xff", "x; charset=utf-16"))
        body = rearranged(chance, [*parts, b"--x--\r\n"], 0.5)
        return body, f"multipart/form-data; boundary={boundary}"
    start = chance.choice((b"", SIGNATURE, b"\xff\xd8\xff\xe0", b"RIFF\xff\xff\xff\xffWEBPVP8 "))
    size = chance.choice((0, chance.randrange(5000), 2**20 - 20, 2**22))
    kind = chance.choice(("image/png", "image/jpeg", "", "text/html", "\xc3\xa9"))
    return start + chance.randbytes(size), kind


def rearranged(chance: Random, parts: list[bytes], often: float) -> bytes:
    """Join parts; some are repeated, dropped, cut, changed or replaced by another before that."""
    parts = list(parts)
    while chance.random() < often:
        place, another = chance.randrange(len(parts)), chance.choice(parts)
        part, at = parts[place], chance.randrange(len(parts[place]) + 1)
        changed = part[:at] + chance.randbytes(1) + part[at + 1 :]
        parts[place : place + 1] = chance.choice(
            ([part, part], [b""], [part[:at]], [changed], [another], [another, part])
        )
    return b"".join(parts)


FORMATS = [
    ("PNG", rb"(?=....(?:IDAT|PLTE|tRNS|eXIf|fcTL|IEND))", ("1", "L", "LA", "P", "RGBA", "I;16")),
    ("JPEG", rb"(?=\xff[\xc0-\xfe])", ("L", "RGB", "CMYK")),
    ("WEBP", rb"(?=VP8|ANMF|EXIF)", ("RGB", "RGBA")),
]
KINDS: list[Callable[[Random], Case]] = [bomb, scans, assembled, saved, saved, other]


if __name__ == "__main__":
    run_stage("server_hostile", main)
