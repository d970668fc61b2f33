"""Send the server bodies made to hurt: none may end in a defect, a crash or a wait for the others.

Random bytes, cut short, changed, repacked and wrongly typed PNGs, decompression bombs, odd forms,
nothing, megabytes, half a body and silence, half a body and a hang-up; no two runs of a number
alike, the same number always the same. Meanwhile a well-behaved client asks on and on.

    python -m bench.server_hostile --bodies 10000
"""

import http.client
import json
import random
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from app.classifier import MODEL
from bench import measuring
from bench.server_load import running, usage
from digits.errors import PipelineError, run_stage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
AT_ONCE = 8  # connections
PATIENCE = 30  # seconds for an answer
PNG_TYPE = "image/png"
HEAD = (
    b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nContent-Type: %b\r\n\r\n"
)
Random = random.Random
Case = tuple[bytes, str]  # the body and its Content-Type


def main() -> None:
    """Start the server, attack it, and say how it took that."""
    parser = measuring.parser("server_hostile", __doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the export stage")
    parser.add_argument("--bodies", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="another one sends others")
    arguments = parser.parse_args()
    with running(arguments.model) as port:
        attack(port, arguments.bodies // 10, -1)  # memory once taken and kept does not count
        before = usage(port)[1]
        began = time.monotonic()
        statuses, good, slowest = attack(port, arguments.bodies, arguments.seed)
        told = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
        print(f"{arguments.bodies:,} bodies in {time.monotonic() - began:.0f} s, answered {told}")
        print(f"{good:,} good requests meanwhile, all answered rightly, slowest {slowest:.2f} s")
        print(f"memory: {before:.1f} MB before, {usage(port)[1]:.1f} MB after")


def attack(port: int, bodies: int, seed: int) -> tuple[Counter[str], int, float]:
    """Send hostile bodies to the server at a port of this machine, and good requests meanwhile.

    Returns:
        How often it answered with which status, how many good requests there were, and the
        seconds that the slowest of them took.

    Raises:
        PipelineError: an answer was none, or not what it should be.
    """
    expected = ask(port, GOOD, PNG_TYPE)
    if expected[0] != 200:
        raise PipelineError(f"a good request got {expected}")
    good, slowest = 0, 0.0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [pool.submit(send, port, number, seed) for number in range(bodies)]
        while not all(answer.done() for answer in answers[-AT_ONCE:]):
            began = time.monotonic()
            if ask(port, GOOD, PNG_TYPE) != expected:
                raise PipelineError("a good request got another answer than before")
            good, slowest = good + 1, max(slowest, time.monotonic() - began)
            time.sleep(0.01)
    return Counter(answer.result() for answer in answers), good, slowest


def send(port: int, number: int, seed: int) -> str:
    """Send one hostile body, check the answer, and return its status."""
    right = {200, 400, 413, 415, 422}
    match number % 100:
        case 98:
            status, content = ask(port, GOOD[:-1], PNG_TYPE, announced=len(GOOD))
            right = {408}
        case 99:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(HEAD % (len(GOOD), PNG_TYPE.encode()) + GOOD[:500])
            return "hung up"
        case _:
            kind = KINDS[number % len(KINDS)]
            status, content = ask(port, *kind(Random(f"{seed}/{number}")))
    fields = {"digit", "probabilities", "pixels"} if status == 200 else {"detail"}
    if status not in right or set(json.loads(content)) != fields:
        raise PipelineError(f"body {number} of seed {seed} got {status}, {content[:200]!r}")
    return str(status)


def ask(
    port: int, body: bytes, content_type: str, announced: int | None = None
) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status and body of the answer.

    Raises:
        PipelineError: there is no answer.
    """
    head = HEAD % (len(body) if announced is None else announced, content_type.encode("latin-1"))
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(head + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise PipelineError(f"no answer to {len(body):,} bytes: {error!r}") from None


def picture(size: int = 280, mode: str = "L") -> Image.Image:
    """Return a 7, white on black."""
    image = Image.new("L", (size, size))
    corners = [(0.3 * size, 0.25 * size), (0.7 * size, 0.25 * size), (0.45 * size, 0.8 * size)]
    ImageDraw.Draw(image).line(corners, 255, max(1, size // 14), joint="curve")
    return image.convert(mode)


def png(image: Image.Image, **options: Any) -> bytes:
    """Return the PNG of an image."""
    file = BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG, with its length and checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """Return the first chunk of a PNG."""
    values = (width, height, depth, colour, 0, 0, interlace)
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *values))


def assembled(*chunks: bytes) -> bytes:
    """Return a PNG of these chunks."""
    return b"".join([SIGNATURE, *chunks, chunk(b"IEND", b"")])


def data(size: int) -> bytes:
    """Return a chunk that inflates to so many zeros."""
    return chunk(b"IDAT", zlib.compress(bytes(size), 9))


GOOD = png(picture(mode="RGB"))
MEGABYTE = zlib.compress(bytes(2**20 - 1), 9)  # of zeros; a kilobyte of these
BOMBS = {
    "pixels": assembled(header(50_000, 50_000), data(10**8)),
    "a second header": assembled(header(28, 28), header(50_000, 50_000), data(10**8)),
    "a text before the header": assembled(
        chunk(b"tEXt", struct.pack(">II", 1, 1)), header(2500, 2500), data(2500 * 2501)
    ),
    "data beyond the pixels": assembled(header(28, 28), data(10**8)),
    "as many pixels as allowed": assembled(header(2000, 2000, 16, 6), data(2000 * 16_001)),
    "interlaced pixels": assembled(header(2000, 2000, 16, 6, 1), data(2000 * 16_050)),
    "rows": assembled(header(1, 4_000_000), data(8_000_000)),
    "texts": assembled(header(28, 28), chunk(b"zTXt", b"a\0\0" + MEGABYTE) * 900, data(812)),
    "profiles": assembled(header(28, 28), chunk(b"iCCP", b"a\0\0" + MEGABYTE) * 900, data(812)),
    "texts after the pixels": assembled(
        header(28, 28), data(812), chunk(b"iTXt", b"a\0\1\0\0\0" + MEGABYTE) * 900
    ),
    "chunks": assembled(header(28, 28), chunk(b"IDAT", b"") * 80_000, data(812)),
    "frames": assembled(header(28, 28), chunk(b"acTL", struct.pack(">II", 2**31, 0)), data(812)),
    "palette": assembled(header(28, 28, 8, 3), chunk(b"PLTE", bytes(900_000)), data(812)),
    "transparency": assembled(header(28, 28), chunk(b"tRNS", bytes(900_000)), data(812)),
    "no size": assembled(header(0, 0), data(812)),
    "a size below zero": assembled(header(2**32 - 1, 2**32 - 1), data(812)),
    "an unknown colour": assembled(header(28, 28, 3, 5), data(812)),
    "no header": assembled(data(812)),
    "no pixels": assembled(header(28, 28)),
    "nothing": assembled(),
    "a length beyond the end": SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"IHDR") + bytes(100),
}


def any_png(chance: Random) -> bytes:
    """Return a good PNG of some size and mode."""
    return png(picture(chance.choice((28, 100)), chance.choice(MODES)))


def bytes_changed(chance: Random) -> Case:
    """Change bytes anywhere in a PNG; mostly the checksums tell."""
    body = bytearray(any_png(chance))
    for _ in range(chance.randint(1, 5)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body), PNG_TYPE


def chunks_changed(chance: Random) -> Case:
    """Change, drop, repeat or rename chunks of a PNG, with checksums that fit."""
    body = any_png(chance)
    chunks, at = [], len(SIGNATURE)
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        chunks.append((kind, bytearray(body[at + 8 : at + 8 + length])))
        at += 12 + length
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(chunks))
        kind, content = chunks[place]
        match chance.randrange(5):
            case 0 if content:
                content[chance.randrange(len(content))] = chance.randrange(256)
            case 1:
                del content[chance.randrange(len(content) + 1) :]
            case 2:
                chunks.insert(chance.randrange(len(chunks)), (kind, bytearray(content)))
            case 3:
                chunks[place] = (chance.choice((b"IDAT", b"PLTE", b"tRNS", b"acTL")), content)
            case 4 if len(chunks) > 1:
                del chunks[place]
    return SIGNATURE + b"".join(chunk(kind, bytes(content)) for kind, content in chunks), PNG_TYPE


def rows_changed(chance: Random) -> Case:
    """Return random pixels, too many or too few, after filters that may not exist."""
    size = chance.randint(1, 60)
    rows = chance.randbytes(chance.randrange(2 * size * (size + 1)))
    return assembled(header(size, size), chunk(b"IDAT", zlib.compress(rows))), PNG_TYPE


def odd_form(chance: Random) -> Case:
    """Return a form with files and fields too many, changed bytes, an odd boundary, or no end."""
    file = b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + GOOD
    parts = [file] * chance.randrange(3) + [b'name="f"\r\n\r\nvalue'] * chance.randrange(3)
    form = bytearray(
        b"".join(b"--x\r\nContent-Disposition: form-data; %b\r\n" % part for part in parts)
        + b"--x--\r\n"
    )
    for _ in range(chance.randrange(4)):
        form[chance.randrange(len(form))] = chance.randrange(256)
    end = chance.choice((len(form), chance.randrange(len(form) + 1)))
    boundaries = ("y", "", '"', "x" * 300, "\xff", "x; charset=utf-16", "x; charset=\xe9")
    boundary = chance.choice(boundaries) if chance.random() < 0.5 else "x"
    return bytes(form[:end]), f"multipart/form-data; boundary={boundary}"


TYPES = ("", "image/jpeg", "text/html", "image/png, image/png", "*/*", "\xc3\xa9")  # of no PNG
KINDS: list[Callable[[Random], Case]] = [
    lambda chance: (  # noise
        chance.choice((b"", SIGNATURE)) + chance.randbytes(chance.randrange(5000)),
        PNG_TYPE,
    ),
    lambda chance: (GOOD[: chance.randrange(len(GOOD))], PNG_TYPE),  # cut short
    bytes_changed,
    chunks_changed,
    rows_changed,
    lambda chance: (chance.choice(list(BOMBS.values())), PNG_TYPE),
    lambda chance: (GOOD, chance.choice(TYPES)),
    lambda chance: (SIGNATURE + bytes(chance.randint(2**20 - 8, 2**22)), PNG_TYPE),  # huge
    lambda chance: (b"", chance.choice((PNG_TYPE, "multipart/form-data; boundary=x"))),
    odd_form,
]


if __name__ == "__main__":
    run_stage("server_hostile", main)
