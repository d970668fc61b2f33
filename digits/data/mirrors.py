"""Fetching a file from the first of several mirrors that gives it whole."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pooch
import requests
import urllib3
from tqdm import tqdm

from digits.config import Download, SourceFile
from digits.data import idx
from digits.errors import PipelineError
from digits.io import replacing

CHUNK = 2**14  # bytes
SLOWEST = 10_000  # bytes per second on average; a mirror that only drips is given up

pooch.get_logger().setLevel("WARNING")  # the progress bar says the same


class _MirrorError(Exception):
    """Why a mirror does not give a file, and will not if asked again."""


class _TemporaryMirrorError(_MirrorError):
    """Why a mirror did not give a file this time."""


def own(value: str | None) -> list[str]:
    """Return what MNIST_MIRROR names, as a list: a web address, or a folder's absolute path."""
    if not value:
        return []
    try:
        url = urlsplit(value)
    except ValueError as error:
        raise PipelineError(f"MNIST_MIRROR is neither URL nor folder: {error}") from None
    if url.scheme in {"http", "https"}:
        return [value]
    return [str(Path(unquote(url.path) if url.scheme == "file" else value).absolute())]


def fetch(source: SourceFile, mirrors: list[str], path: Path, patience: Download) -> str:
    """Fetch one file from the first mirror that gives it whole; return that mirror.

    Each mirror that fails is named on standard error, with its reason. One fails when it sends
    nothing for the timeout, or has sent less than ``SLOWEST`` makes of the time since twice that.

    ``mirrors`` are http or https URLs or absolute paths of local folders, in the order to ask them.
    In a folder, the content counts: the file may have another name, or be unpacked.
    The file appears at ``path`` whole or not at all. Raises PipelineError if no mirror gives it,
    with each one's reason, and OSError if it cannot be written.
    """
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{source.name}"
        try:
            _fetch_patiently(source, address, path, patience)
        except _MirrorError as error:
            if mirror.startswith("/") and _found(Path(mirror), source, path):
                return mirror
            failures.append(f"{address}: {error}")
            print(failures[-1], file=sys.stderr)
        else:
            return mirror
    raise PipelineError(
        f"no mirror gives {path.name}: {'; '.join(failures) or 'none is listed'}; set MNIST_MIRROR "
        "to the URL or folder of one that does, or try `make quickstart`, which needs no network"
    )


def _fetch_patiently(source: SourceFile, address: str, path: Path, patience: Download) -> None:
    """Try again while the failure may pass, with a pause of 1 s, 2 s, ... in between."""
    for attempt in range(1, patience.attempts + 1):
        try:
            return _fetch_once(source, address, path, patience.timeout)
        except _TemporaryMirrorError as error:
            if attempt == patience.attempts:
                raise _MirrorError(f"{error} (attempts: {attempt})") from None
            time.sleep(min(attempt, patience.timeout))


def _fetch_once(source: SourceFile, address: str, path: Path, timeout: float) -> None:
    """Have pooch save to a temporary file, compare the SHA-256 and move the file into place."""

    def save(address: str, temporary: str, _: object) -> None:
        chunks = _local(Path(address)) if address.startswith("/") else _remote(address, timeout)
        bar = tqdm(
            desc=source.name,
            total=source.bytes,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,  # where standard error is no terminal
        )
        with Path(temporary).open("wb") as file, bar:
            end = time.monotonic() + 2 * timeout
            for chunk in chunks:
                bar.update(file.write(chunk))
                end += len(chunk) / SLOWEST
                if time.monotonic() > end:
                    raise _TemporaryMirrorError(f"slower than {SLOWEST:,} bytes/s")
                if file.tell() > source.bytes:
                    raise _MirrorError(f"size: expected {source.bytes} bytes, found more")
            if file.tell() < source.bytes:
                raise _MirrorError(f"size: expected {source.bytes} bytes, found {file.tell()}")

    try:
        pooch.retrieve(address, source.sha256, path.name, path.parent, downloader=save)
        path.chmod(0o644)  # pooch leaves its temporary file's mode, which is for the owner alone
    except ValueError as error:
        raise _MirrorError(error) from None


def _found(folder: Path, source: SourceFile, path: Path) -> bool:
    """Write the file to ``path`` if one in the folder has its content, packed or not."""
    for one in sorted(folder.glob("*ubyte*")):
        if not one.is_file() or not os.access(one, os.R_OK) or one.stat().st_size > idx.MOST_BYTES:
            continue
        content = one.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest in {source.sha256, source.plain}:
            with replacing(path) as temporary:
                temporary.write_bytes(content if digest == source.sha256 else idx.packed(content))
            return True
    return False


def _local(path: Path) -> Iterator[bytes]:
    if path.exists() and not path.is_file():
        raise _MirrorError("no regular file")
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise _MirrorError(error.strerror) from None


def _remote(url: str, timeout: float) -> Iterator[bytes]:
    """Yield the file's own bytes, with any Content-Encoding left on: the hash is of these."""
    identity = {"Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=identity, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                yield chunk
    except requests.HTTPError as error:
        status = error.response.status_code
        passing = status >= 500 or status in {408, 429}
        kind = _TemporaryMirrorError if passing else _MirrorError
        raise kind(f"answered {status} {error.response.reason}") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TemporaryMirrorError(_root_cause(error)) from None


def _root_cause(error: BaseException) -> str:
    """Return the innermost message; requests and urllib3 wrap it in several of their own."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(error) or type(error).__name__
