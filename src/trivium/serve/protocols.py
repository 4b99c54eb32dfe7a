"""The protocols of OpenAI's clients: transcriptions, translations, embeddings, models."""

import base64
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from trivium.serve.engine import Ask, Engine, Method
from trivium.serve.media import seconds_of, taken
from trivium.serve.refusal import Refusal, responses
from trivium.serve.served import Collection

router = APIRouter(prefix="/v1")
Format = Literal["json", "text", "srt", "vtt", "verbose_json"]
Language = Annotated[str, Field(max_length=32, description="Language of what is said, as hi.")]
Name = Annotated[str, Field(max_length=512, description="A name that /v1/models gives.")]
IGNORED = "X-Trivium-Ignored"  # names what a client asked for and no system here does
ERRORS = responses(400, 401, 404, 408, 413, 415, 422, 429, 503)


class Spoken(BaseModel):
    """A form with a sound in it."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile = Field(description="wav, flac, ogg, mp3, webm or mp4.")
    model: Name
    language: Language = ""
    prompt: Annotated[str, Field(max_length=4_096)] = ""
    response_format: Format = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0


class Transcribed(Spoken):
    """What a transcription is asked with."""

    stream: bool = False
    timestamp_granularities: Annotated[
        list[Literal["segment"]],
        Field(alias="timestamp_granularities[]", max_length=2),
    ] = []


class Translated(Spoken):
    """What a translation is asked with; OpenAI's is always into English."""

    to: Language = "en"


class Wish(BaseModel):
    """What an embedding is asked with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"model": "world-speechclip", "input": ["a red star", "two white boats"]}
        },
    )

    model: Name
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    user: Annotated[str, Field(max_length=512)] = ""

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        """Refuse tokens and what is no text, before a list of a million of them is looked at."""
        texts = value if isinstance(value, list) else [value]
        if texts and isinstance(texts[0], int | float | list):
            first = f"{texts[0]!r:.40}"
            raise ValueError(f"{first} is a token of another model's vocabulary; send texts")
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(
                f"{len(texts)} inputs, and not every one is a text that says something"
            )
        return value


@router.post("/audio/transcriptions", responses=ERRORS)
async def transcribe(request: Request, form: Annotated[Transcribed, Form()]) -> Response:
    """What is said in a sound.

    `curl http://127.0.0.1:8000/v1/audio/transcriptions -F file=@said.wav -F model=NAME`
    """
    return await _written(request, form, Ask("transcribe", form.language), form.stream)


@router.post("/audio/translations", responses=ERRORS)
async def translate(request: Request, form: Annotated[Translated, Form()]) -> Response:
    """What is said in a sound, in English or another language.

    `curl http://127.0.0.1:8000/v1/audio/translations -F file=@said.wav -F model=NAME -F to=en`
    """
    return await _written(request, form, Ask("translate_speech", form.language, form.to))


@router.post("/embeddings", responses=ERRORS)
async def embeddings(request: Request, wish: Wish) -> Response:
    """Vectors of texts, of unit length."""
    collection: Collection = request.app.state.collection
    engine = collection.engine(wish.model)
    texts = [wish.input] if isinstance(wish.input, str) else wish.input
    if len(texts) > collection.settings.max_texts:
        most = collection.settings.max_texts
        raise Refusal(413, f"input has {len(texts):,} texts; at most {most:,} are embedded")
    made = await engine.made(Ask("embed_text"), texts)
    vectors = shortened(np.stack(made), wish.dimensions)
    data = [
        {"object": "embedding", "index": place, "embedding": encoded(vector, wish.encoding_format)}
        for place, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}  # tokens are not counted
    return JSONResponse({"object": "list", "data": data, "model": engine.name, "usage": usage})


@router.get("/models", responses=responses(401, 503))
async def models(request: Request) -> Response:
    """The models, and what each can do."""
    collection: Collection = request.app.state.collection
    told = [_told(collection, engine) for engine in collection.engines.values()]
    return JSONResponse({"object": "list", "data": told})


@router.get("/models/{name:path}", responses=responses(401, 404, 422, 503))
async def model(request: Request, name: str) -> Response:
    """A model: what it can do, and its card, which says what it knows."""
    collection: Collection = request.app.state.collection
    engine = collection.engine(name)
    return JSONResponse(_told(collection, engine) | {"card": engine.model.readme})


def encoded(vector: Any, form: Literal["float", "base64"]) -> str | list[float]:
    """A vector as numbers, or as the bytes of little-endian float32 in base64."""
    little = np.asarray(vector, "<f4")
    return base64.b64encode(little.tobytes()).decode() if form == "base64" else little.tolist()


def shortened(vectors: Any, dimensions: int | None) -> Any:
    """The first numbers of vectors (N, D), of unit length again."""
    width = vectors.shape[1]
    if dimensions is None or dimensions == width:
        return vectors
    if dimensions > width:
        raise Refusal(400, f"dimensions is {dimensions:,}; the vectors have {width:,}")
    kept = vectors[:, :dimensions]
    return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)


def clock(seconds: float, point: str) -> str:
    """A time of subtitles: 00:01:02,500."""
    whole = round(seconds * 1_000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1_000:02}{point}{rest % 1_000:03}"


def subtitles(text: str, seconds: float, form: Literal["srt", "vtt"]) -> str:
    """A text as one subtitle that lasts as long as the sound."""
    line = " ".join(text.split()).replace("-->", "→")
    if form == "srt":
        return f"1\n{clock(0, ',')} --> {clock(seconds, ',')}\n{line}\n\n"
    return f"WEBVTT\n\n{clock(0, '.')} --> {clock(seconds, '.')}\n{line}\n\n"


def verbose(text: str, seconds: float, language: str, task: str) -> dict[str, Any]:
    """A text as one segment; what no system here measures is 0."""
    data = text.encode()
    ratio = len(data) / len(zlib.compress(data)) if data else 0.0
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": [],
               "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": ratio,
               "no_speech_prob": 0.0}  # fmt: skip
    return {"task": task, "language": language, "duration": seconds, "text": text,
            "segments": [segment],
            "usage": {"type": "duration", "seconds": math.ceil(seconds)}}  # fmt: skip


async def _written(request: Request, form: Spoken, ask: Ask, stream: bool = False) -> Response:
    """The text that a model makes of the sound in a form, as the form wants it."""
    collection: Collection = request.app.state.collection
    engine = collection.engine(form.model)
    engine.check(ask.method)
    samples = await collection.decoders.sound(await taken(form.file), request.state.held)
    seconds = seconds_of(samples)
    [text] = await engine.made(ask, [samples])
    given = {"prompt": form.prompt, "temperature": form.temperature}
    ignored = ", ".join(name for name, value in given.items() if value)
    headers = {IGNORED: ignored} if ignored else {}
    if stream:
        return StreamingResponse(_events(text), headers=headers, media_type="text/event-stream")
    if form.response_format in ("srt", "vtt"):
        return PlainTextResponse(
            subtitles(text, seconds, form.response_format),
            headers=headers,
        )
    if form.response_format == "text":
        return PlainTextResponse(f"{text}\n", headers=headers)
    if form.response_format == "json":
        return JSONResponse({"text": text}, headers=headers)
    task = "transcribe" if ask.method == "transcribe" else "translate"
    return JSONResponse(verbose(text, seconds, ask.to or ask.language, task), headers=headers)


def _events(text: str) -> Iterator[str]:
    """A text as a stream: systems here write a whole at once, so there is one piece."""
    for event in (
        {"type": "transcript.text.delta", "delta": text},
        {"type": "transcript.text.done", "text": text},
    ):
        yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


def _told(collection: Collection, engine: Engine) -> dict[str, Any]:
    able: Sequence[Method] = (
        "embed_speech", "embed_text", "embed_picture", "transcribe", "translate_speech"
    )  # fmt: skip
    return {"id": engine.name, "object": "model", "created": collection.since,
            "owned_by": "trivium", "system": engine.model.name,
            "checksum": engine.model.checksum,
            "can": [method for method in able if engine.can(method)]}  # fmt: skip
