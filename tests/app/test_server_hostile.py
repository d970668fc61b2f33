"""Bodies made to hurt: none may end in a defect, a crash, or a wait for everybody else.

``HOSTILE_BODIES=10000 pytest tests/app/test_server_hostile.py`` sends more, no two alike.
"""

import os
import random
import socket
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.serving import TYPE, Answer, Server, form, picture, png, receive

BODIES = int(os.environ.get("HOSTILE_BODIES", "500"))
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GOOD = png(picture())
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
Case = tuple[bytes, dict[str, str]]


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    values = (width, height, depth, colour, 0, 0, interlace)
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *values))


def assembled(*chunks: bytes) -> bytes:
    return b"".join([SIGNATURE, *chunks, chunk(b"IEND", b"")])


def data(size: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(size), 9))


MEGABYTE = zlib.compress(bytes(2**20 - 1), 9)  # of zeros; a kilobyte of these
BOMBS = {
    "pixels": assembled(header(50_000, 50_000), data(10**8)),
    "a second header": assembled(header(28, 28), header(50_000, 50_000), data(10**8)),
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


def noise(chance: random.Random) -> Case:
    return chance.choice((b"", SIGNATURE)) + chance.randbytes(chance.randrange(5000)), TYPE


def cut_short(chance: random.Random) -> Case:
    return GOOD[: chance.randrange(len(GOOD))], TYPE


def bytes_changed(chance: random.Random) -> Case:
    """Change bytes anywhere in a PNG; mostly the checksums tell."""
    body = bytearray(png(picture(chance.choice((28, 100)), chance.choice(MODES))))
    for _ in range(chance.randint(1, 5)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body), TYPE


def chunks_changed(chance: random.Random) -> Case:
    """Change, drop, repeat or swap chunks of a PNG, with checksums that fit."""
    body = png(picture(chance.choice((28, 100)), chance.choice(MODES)))
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
    return SIGNATURE + b"".join(chunk(kind, bytes(content)) for kind, content in chunks), TYPE


def rows_changed(chance: random.Random) -> Case:
    """Change bytes of the pixels before they are compressed: filters that do not exist."""
    side = chance.randint(1, 60)
    rows = chance.randbytes(chance.randrange(2 * side * (side + 1)))
    return assembled(header(side, side), chunk(b"IDAT", zlib.compress(rows))), TYPE


def bomb(chance: random.Random) -> Case:
    return chance.choice(list(BOMBS.values())), TYPE


def another_type(chance: random.Random) -> Case:
    types = [
        "",
        "image/jpeg",
        "text/html",
        "image/png, image/png",
        "*/*",
        "é".encode().decode("l1"),
    ]
    return GOOD, {"Content-Type": chance.choice(types)}


def huge(chance: random.Random) -> Case:
    return SIGNATURE + bytes(chance.randint(2**20 - 8, 2**22)), TYPE


def empty(chance: random.Random) -> Case:
    return b"", chance.choice((TYPE, form()[1]))


def odd_form(chance: random.Random) -> Case:
    body, headers = form(*[GOOD] * chance.randrange(3), fields=chance.randrange(3))
    changed = bytearray(body)
    for _ in range(chance.randrange(4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    boundaries = ("x", "y", "", '"', "x" * 300, "\xff", "x; charset=utf-16", "x; charset=\xe9")
    boundary = chance.choice(boundaries) if chance.random() < 0.5 else "x"
    headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
    return bytes(
        changed[: chance.choice((len(changed), chance.randrange(len(changed) + 1)))]
    ), headers


KINDS: list[Callable[[random.Random], Case]] = [
    noise,
    cut_short,
    bytes_changed,
    chunks_changed,
    rows_changed,
    bomb,
    another_type,
    huge,
    empty,
    odd_form,
]


def check(answer: Answer) -> None:
    assert answer.status in {200, 400, 413, 415, 422}, answer
    content = answer.json()
    if answer.status == 200:
        assert len(content["pixels"]) == 784
    else:
        assert set(content) == {"detail"}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_at_once(server: Server, name: str) -> None:
    began = time.monotonic()
    check(server.ask("/classify", BOMBS[name]))
    assert time.monotonic() < began + 1


def test_hostile_bodies_get_an_answer_and_hurt_nobody(model: Path) -> None:
    chance = random.Random(6)
    slow: list[socket.socket] = []
    with Server(model) as server:
        expected = server.ask("/classify", GOOD).body
        for name in BOMBS:  # so that memory once taken and kept does not count
            server.ask("/classify", BOMBS[name])
        before = memory(server)
        for number in range(BODIES):
            kind = KINDS[number % len(KINDS)]
            body, headers = kind(chance)
            check(server.ask("/classify", body, headers))
            if number % 10 == 0:
                assert server.ask("/classify", GOOD).body == expected
            if number % 100 == 0:
                length = b"Content-Length: %d\r\n" % chance.randint(2, 2**20)
                slow.append(server.connect(HEAD + length + b"\r\n" + SIGNATURE[:1]))
            if number % 100 == 50:  # hangs up in the middle
                server.connect(HEAD + b"Content-Length: 999\r\n\r\n" + GOOD[:500]).close()
        for connection in slow:
            with connection:
                assert receive(connection).status == 408
        assert server.ask("/classify", GOOD).body == expected
        assert memory(server) < before + 20 * 2**20
        assert server.end() == 0
    assert server.complaints.count("\n") <= 1, server.complaints


HEAD = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def memory(server: Server) -> int:
    """Return how many bytes of the server's are in memory; 0 where /proc does not tell."""
    path = Path(f"/proc/{server.process.pid}/statm")
    pages = int(path.read_text().split()[1]) if path.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
