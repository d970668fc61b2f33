"""The server: the page, and the classifier behind ``POST /classify``."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from app import drawing, guard, picture
from app.classifier import Classifier, cards
from digits.errors import PipelineError

STATIC = Path(__file__).parent / "static"
AT_ONCE = 2  # pictures that are decoded, of up to 100 MB each
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not accept that method.",
}
WHY = {
    408: f"The body took more than {guard.SECONDS} seconds",
    413: f"More than {guard.MOST_BYTES:,} bytes, or {picture.LARGEST_SIZE:,} pixels on a side",
    415: "Neither a PNG, JPEG or WebP nor a form",
    422: "No picture, a damaged or blank one, or one with more than one digit",
}
PIXELS = "The 28 x 28 picture the network saw, row by row, white (255) on black (0)"
FILE = {"type": "string", "format": "binary"}
FORM = {"type": "object", "required": ["file"], "properties": {"file": FILE}}
CONTENT = {kind: {"schema": FILE} for kind in picture.MEDIA_TYPES}
BODY = {"required": True, "content": {**CONTENT, "multipart/form-data": {"schema": FORM}}}

Probability = Annotated[float, Field(ge=0, le=1, description="Of the digits 0 to 9 in turn")]
Level = Annotated[int, Field(ge=0, le=255)]

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every damaged form


class Answer(BaseModel):
    """The network's prediction for a picture."""

    digit: int = Field(ge=0, le=9, description="The most probable digit")
    probabilities: Annotated[list[Probability], Field(min_length=10, max_length=10)]
    pixels: list[Level] = Field(min_length=784, max_length=784, description=PIXELS)


class Prediction(BaseModel):
    """What one network predicts."""

    name: str = Field(description="Of the network, in params.yaml")
    accuracy: Probability = Field(description="Of the trained network, on the test images")
    regularization: list[str] = Field(description="The kinds it was trained with")
    digit: int = Field(ge=0, le=9)
    probability: Probability = Field(description="Of that digit")


class Comparison(BaseModel):
    """The predictions of all networks for a picture, those of the app's own first."""

    networks: list[Prediction]


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="A sentence for people")


def create(model: Path, hosts: frozenset[str] | None = None) -> ASGIApp:
    """Make the app, for ASGI, which answers only as ``hosts``; None: as any."""
    classifier = Classifier(model)  # for the event loop alone, where it takes 0.1 ms
    own, *rest = cards(model)
    others = [(card, Classifier(model.with_name(card["file"]))) for card in rest]
    pool = ThreadPoolExecutor(AT_ONCE)
    api = FastAPI(
        title="Draw a digit",
        version="1",
        description="A neural network that classifies handwritten digits.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Refusal, "description": "Anything else"}},
        exception_handlers=dict.fromkeys(
            (HTTPException, PipelineError, ClientDisconnect, Exception), refuse
        ),
    )
    described: dict[str, Any] = {
        "responses": {kind: {"model": Refusal, "description": why} for kind, why in WHY.items()},
        "openapi_extra": {"requestBody": BODY},
    }

    async def see(request: Request) -> NDArray[np.uint8]:
        data, loop = await read(request), asyncio.get_running_loop()
        # In one step, so that no decoded pictures wait.
        return await loop.run_in_executor(pool, lambda: drawing.normalize(picture.decode(data)))

    @api.post("/classify", response_description="The digit", **described)
    async def classify(request: Request) -> Answer:
        """Classify a handwritten digit.

        It may be dark on light, light on dark or on nothing, of any size, anywhere in the picture.
        """
        pixels = await see(request)
        probabilities = classifier.probabilities(pixels).tolist()
        digit = probabilities.index(max(probabilities))
        return Answer(digit=digit, probabilities=probabilities, pixels=pixels.ravel().tolist())

    @api.post("/compare", response_description="Their digits", **described)
    async def compare(request: Request) -> Comparison:
        """Classify a handwritten digit by every exported network."""
        pixels, found = await see(request), []
        for card, other in [(own, classifier), *others]:
            probabilities = other.probabilities(pixels).tolist()
            best = max(probabilities)
            found.append(Prediction(**card, digit=probabilities.index(best), probability=best))
        return Comparison(networks=found)

    @api.get("/healthz", response_description="Always the same")
    async def health() -> dict[str, str]:
        """Say that the server is up and its network loaded."""
        return {"status": "ok"}

    @api.get("/metrics", response_class=PlainTextResponse, response_description="The counts")
    async def numbers() -> Response:
        """Count the requests and their times, for Prometheus."""
        return Response(guard.counts(), media_type=CONTENT_TYPE_LATEST)

    api.add_route("/", lambda _: FileResponse(STATIC / "index.html"))
    api.add_route("/docs", lambda _: FileResponse(STATIC / "docs.html"))
    api.mount("/static", StaticFiles(directory=STATIC))
    return guard.guarded(api, hosts)


async def read(request: Request) -> bytes:
    """Return what is said to be a picture: the body, or the one file of the form that it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in picture.MEDIA_TYPES:
        return await request.body()
    if kind != "multipart/form-data":
        raise HTTPException(415, "Send PNG, JPEG or WebP, or multipart/form-data with one picture.")
    try:
        async with request.form(max_files=1, max_fields=0) as form:
            (file,) = (value for value in form.values() if isinstance(value, UploadFile))
            if file.content_type not in {None, *picture.MEDIA_TYPES}:
                raise HTTPException(415, "The Content-Type of the form's file is no picture's.")
            return await file.read()
    except (ValueError, HTTPException) as error:
        if getattr(error, "status_code", 400) != 400:  # Starlette's for a form that it refuses
            raise
        raise HTTPException(422, "Expected a form of one file and nothing else.") from None


async def refuse(_request: Request, error: Exception) -> Response:
    """Return the response to a request that was refused, failed, or was given up."""
    if isinstance(error, PipelineError):  # of a blank picture
        error = HTTPException(422, f"{str(error)[0].upper()}{str(error)[1:]}.")
    elif isinstance(error, ClientDisconnect):
        error = HTTPException(400)  # for the counts; nobody is there
    elif not isinstance(error, HTTPException):
        error = HTTPException(500, "The server has a defect; its log says where.")
    detail = SENTENCES.get(error.status_code, error.detail)
    return JSONResponse({"detail": detail}, error.status_code, error.headers)
