"""The server: the page, and the classifier behind ``POST /classify``."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app import body, drawing, protocol
from app.classifier import Classifier
from app.guard import Guard
from app.metrics import Metrics
from app.png import LARGEST_SIZE, Png
from digits.errors import PipelineError

STATIC = Path(__file__).parent / "static"
CLASSIFY = "/classify"
AT_ONCE = 512 * 512  # pixels; larger pictures are decoded in a thread; others need not wait
LEVELS = np.array([b"%3d," % level for level in range(256)])  # JSON, which allows the spaces
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not accept that method.",
}

Probability = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[int, Field(ge=0, le=255)]


class Answer(BaseModel):
    """The network's prediction for a picture."""

    digit: int = Field(ge=0, le=9, description="The most probable digit")
    probabilities: list[Probability] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9"
    )
    pixels: list[Level] = Field(
        min_length=784,
        max_length=784,
        description="The 28 x 28 picture the network saw, row by row, white (255) on black (0)",
    )


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="A sentence for people")


def create(folder: Path, hosts: frozenset[str] | None = None) -> ASGIApp:
    """Make the app.

    Args:
        folder: where the export stage wrote the network.
        hosts: the names that requests may call this server by; None for any.

    Raises:
        PipelineError: there is no network, or a damaged one.
    """
    classifier = Classifier(folder)  # in the event loop: a thread for it takes longer than it saves
    metrics = Metrics()
    side_lane = ThreadPoolExecutor(1)  # one thread, so that one large picture is in memory
    api = FastAPI(
        title="Draw a digit",
        version="1",
        description="A neural network that classifies handwritten digits.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Refusal, "description": "Anything else"}},
    )
    api.exception_handler(StarletteHTTPException)(refuse)

    @api.post(
        CLASSIFY,
        response_model=Answer,
        response_description="The digit",
        responses={status: {"model": Refusal, "description": why} for status, why in WHY.items()},
        openapi_extra={"requestBody": BODY},
    )
    async def classify(request: Request) -> Response:
        """Classify a handwritten digit.

        It may be dark on light, light on dark or on nothing, of any size, anywhere in the picture.
        """
        picture = Png(await body.read_png(request))
        if picture.width * picture.height <= AT_ONCE:
            pixels = normalised(picture)
        else:
            loop = asyncio.get_running_loop()
            pixels = await loop.run_in_executor(side_lane, normalised, picture)
        probabilities = classifier.probabilities(pixels)
        return Response(as_json(pixels, probabilities), media_type="application/json")

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
        return Response(metrics.text(), media_type=metrics.MEDIA_TYPE)

    api.add_route("/", partial(page, "index.html"))
    api.add_route("/docs", partial(page, "docs.html"))
    api.mount("/static", StaticFiles(directory=STATIC))
    gc.freeze()  # all this stays, so that collecting garbage need not look through it
    return Guard(ahead(api, classify), metrics, hosts)


def ahead(api: FastAPI, classify: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """Return the API, with pictures classified ahead of it.

    FastAPI's own part is 100 us, a quarter of what a drawing takes in all.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", CLASSIFY):
            await api(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await classify(request)
        except HTTPException as error:
            response = await refuse(request, error)
        await response(scope, receive, send)

    return app


BODY = {
    "required": True,
    "content": {
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}
WHY: dict[int | str, str] = {
    408: f"The body took more than {protocol.SECONDS} seconds",
    413: f"More than {body.MOST_BYTES:,} bytes, or {LARGEST_SIZE:,} pixels in width or height",
    415: "Neither a PNG nor a form",
    422: "No PNG, a damaged one, or a blank picture",
}


def normalised(picture: Png) -> NDArray[np.uint8]:
    """Return the digit in a picture, (28, 28), white on black.

    Raises:
        HTTPException: 422, the pixels are damaged, or all the same.
    """
    try:
        return drawing.normalise(picture.decode())
    except PipelineError as error:
        sentence = str(error)
        raise HTTPException(422, f"{sentence[0].upper()}{sentence[1:]}.") from None


def as_json(pixels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> bytes:
    """Return an `Answer`; a JSON library would take ten times as long for the pixels."""
    return b'{"digit":%d,"probabilities":%a,"pixels":[%b]}' % (
        probabilities.argmax(),
        probabilities.tolist(),
        LEVELS.take(pixels).tobytes()[:-1],
    )


async def page(name: str, _request: Request) -> Response:
    """Return a page of the app."""
    return FileResponse(STATIC / name)


async def refuse(_request: Request, error: StarletteHTTPException) -> Response:
    """Return the response to a request that was refused."""
    detail = SENTENCES.get(error.status_code, error.detail)
    return JSONResponse({"detail": detail}, error.status_code, error.headers)
