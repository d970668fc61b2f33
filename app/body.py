"""Reading the body of a request within limits of size."""

import logging
from collections.abc import AsyncGenerator

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

MOST_BYTES = 2**20

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every damaged form


async def read_png(request: Request) -> bytes:
    """Return what is said to be a PNG: the body, or the one file of the form that the body is.

    Raises:
        HTTPException: 415, it is said to be something else; 413 or 422 as below.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "image/png":
        return await read(request)
    if media_type == "multipart/form-data":
        return await read_form(request)
    raise HTTPException(
        415, "Send a PNG picture, as image/png or as the one file of a multipart/form-data form."
    )


async def read(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: 413, it is too large.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise _too_large()
    return b"".join(chunks)


async def read_form(request: Request) -> bytes:
    """Return the one file of a form.

    Raises:
        HTTPException: 413 as above; 415, the file is no PNG; 422, it is no such form.
    """
    content = await read(request)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield content

    try:
        form = await MultiPartParser(request.headers, stream(), max_files=1, max_fields=0).parse()
        (file,) = (value for _, value in form.multi_items() if isinstance(value, UploadFile))
    except (MultiPartException, ValueError):
        raise HTTPException(422, "Expected a form of one file and nothing else.") from None
    if file.content_type not in {None, "image/png"}:
        raise HTTPException(415, "The Content-Type of the form's file is not image/png.")
    return await file.read()


def _too_large() -> HTTPException:
    return HTTPException(413, f"The body is too large; the limit is {MOST_BYTES:,} bytes.")
