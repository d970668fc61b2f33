"""The server: the page, and the classifier behind ``POST /classify``."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from app import drawing, guard, metrics, picture
from app.classifier import Classifier
from digits.errors import PipelineError

STATIC = Path(__file__).parent / "static"
AT_ONCE = 2  # pictures that are decoded, of up to 60 MB each
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not accept that method.",
    500: "The server has a defect; its log says where.",
}
FILE = {"type": "string", "format": "binary"}
FORM = {"type": "object", "required": ["file"], "properties": {"file": FILE}}
BODY = {
    "required": True,
    "content": {
        **{kind: {"schema": FILE} for kind in picture.MEDIA_TYPES},
        "multipart/form-data": {"schema": FORM},
    },
}
WHY = {
    408: f"The body took more than {guard.SECONDS} seconds",
    413: f"More than {guard.MOST_BYTES:,} bytes, or {picture.LARGEST_SIZE:,} pixels on a side",
    415: "Neither a PNG, JPEG or WebP nor a form",
    422: "No picture, a damaged one, or a blank one",
}

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every damaged form


class Answer(BaseModel):
    """The network's prediction for a picture."""

    digit: int = Field(ge=0, le=9, description="The most probable digit")
    probabilities: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9"
    )
    pixels: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        min_length=784,
        max_length=784,
        description="The 28 x 28 picture the network saw, row by row, white (255) on black (0)",
    )


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="A sentence for people")


def create(folder: Path, hosts: frozenset[str] | None = None) -> guard.Guard:
    """Make the app, for ASGI.

    Args:
        folder: where the export stage wrote the network.
        hosts: the names that requests may call this server by; None for any.

    Raises:
        PipelineError: there is no network, or a damaged one.
    """
    classifier = Classifier(folder)  # for the event loop alone, where it takes 0.1 ms
    decoders = ThreadPoolExecutor(AT_ONCE)
    api = FastAPI(
        title="Draw a digit",
        version="1",
        description="A neural network that classifies handwritten digits.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Refusal, "description": "Anything else"}},
        exception_handlers={
            StarletteHTTPException: refuse,
            ClientDisconnect: refuse,
            Exception: refuse,  # and uvicorn logs it
        },
    )

    @api.post(
        "/classify",
        response_description="The digit",
        responses={status: {"model": Refusal, "description": why} for status, why in WHY.items()},
        openapi_extra={"requestBody": BODY},
    )
    async def classify(request: Request) -> Answer:
        """Classify a handwritten digit.

        It may be dark on light, light on dark or on nothing, of any size, anywhere in the picture.
        """
        data = await read(request)
        pixels = await asyncio.get_running_loop().run_in_executor(decoders, normalise, data)
        probabilities = classifier.probabilities(pixels)
        return Answer(
            digit=int(probabilities.argmax()),
            probabilities=probabilities.tolist(),
            pixels=pixels.ravel().tolist(),
        )

    @api.get("/healthz", response_description="Always the same")
    async def health() -> dict[str, str]:
        """Say that the server is up and its network loaded."""
        return {"status": "ok"}

    @api.get(
        "/metrics",
        response_class=Response,
        response_description="The counts",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def numbers() -> Response:
        """Count the requests and their times, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    api.add_route("/", partial(page, "index.html"))
    api.add_route("/docs", partial(page, "docs.html"))
    api.mount("/static", StaticFiles(directory=STATIC))
    return guard.Guard(api, hosts)


async def read(request: Request) -> bytes:
    """Return what is said to be a picture: the body, or the one file of the form that the body is.

    Raises:
        HTTPException: 415, it is said to be something else; 422, the form is another.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in picture.MEDIA_TYPES:
        return await request.body()
    if kind != "multipart/form-data":
        raise HTTPException(
            415,
            f"Send a picture as {', '.join(picture.MEDIA_TYPES)}, "
            "or as the one file of a multipart/form-data form.",
        )
    try:
        async with request.form(max_files=1, max_fields=0) as form:
            (file,) = (value for value in form.values() if isinstance(value, UploadFile))
            if file.content_type not in {None, *picture.MEDIA_TYPES}:
                raise HTTPException(415, "The Content-Type of the form's file is no picture's.")
            return await file.read()
    except (ValueError, StarletteHTTPException) as error:
        if getattr(error, "status_code", 400) != 400:  # Starlette's for a form that it refuses
            raise
        raise HTTPException(422, "Expected a form of one file and nothing else.") from None


def normalise(data: bytes) -> NDArray[np.uint8]:
    """Return the digit in a picture, (28, 28), white on black.

    Raises:
        HTTPException: 413 or 422 of `picture.decode`; 422, the pixels are all the same.
    """
    try:
        return drawing.normalise(picture.decode(data))
    except PipelineError as error:
        sentence = str(error)
        raise HTTPException(422, f"{sentence[0].upper()}{sentence[1:]}.") from None


async def page(name: str, _request: Request) -> Response:
    """Return a page of the app."""
    return FileResponse(STATIC / name)


async def refuse(_request: Request, error: Exception) -> Response:
    """Return the response to a request that was refused, failed, or was not waited for."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # for the counts; nobody is there
    known = error if isinstance(error, StarletteHTTPException) else StarletteHTTPException(500)
    detail = SENTENCES.get(known.status_code, known.detail)
    return JSONResponse({"detail": detail}, known.status_code, known.headers)
