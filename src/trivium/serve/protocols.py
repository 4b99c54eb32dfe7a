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
from trivium.transcripts.formats import as_srt, as_vtt
from trivium.transcripts.pieces import CuttingSettings, cut
from trivium.transcripts.recordings import heard, joined
from trivium.transcripts.transcript import Transcript

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


def verbose(transcript: Transcript, seconds: float, task: str) -> dict[str, Any]:
    """A transcript with its segments; what no system here measures is 0."""
    segments = [
        {"id": number, "seek": 0, "start": one.start_seconds, "end": one.end_seconds,
         "text": one.text, "tokens": [], "temperature": 0.0, "avg_logprob": 0.0,
         "compression_ratio": compression(one.text), "no_speech_prob": 0.0}
        for number, one in enumerate(transcript.segments)
    ]  # fmt: skip
    return {"task": task, "language": transcript.language, "duration": seconds,
            "text": transcript.text, "segments": segments,
            "usage": {"type": "duration", "seconds": math.ceil(seconds)}}  # fmt: skip


def compression(text: str) -> float:
    """How much shorter a text can be said: much, where it repeats itself."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


async def _written(request: Request, form: Spoken, ask: Ask, stream: bool = False) -> Response:
    """The text that a model makes of the sound in a form, as the form wants it."""
    collection: Collection = request.app.state.collection
    engine = collection.engine(form.model)
    engine.check(ask.method)
    samples = await collection.decoders.sound(await taken(form.file), request.state.held)
    seconds = seconds_of(samples)
    pieces = await collection.off(lambda: cut(samples, CuttingSettings()))
    texts = await engine.made(ask, heard(samples, pieces))
    made = joined(pieces, iter(texts), ask.to or ask.language)
    given = {"prompt": form.prompt, "temperature": form.temperature}
    ignored = ", ".join(name for name, value in given.items() if value)
    headers = {IGNORED: ignored} if ignored else {}
    if stream:
        return StreamingResponse(_events(made), headers=headers, media_type="text/event-stream")
    if form.response_format == "json":
        return JSONResponse({"text": made.text}, headers=headers)
    if form.response_format == "verbose_json":
        task = "transcribe" if ask.method == "transcribe" else "translate"
        return JSONResponse(verbose(made, seconds, task), headers=headers)
    write = {"srt": as_srt, "vtt": as_vtt}.get(form.response_format)
    return PlainTextResponse(write(made) if write else f"{made.text}\n", headers=headers)


def _events(transcript: Transcript) -> Iterator[str]:
    """A transcript as a stream, a piece for each segment with a text."""
    spoken = [one.text for one in transcript.segments if one.text]
    told: list[dict[str, str]] = [
        {"type": "transcript.text.delta", "delta": f"{transcript.between if place else ''}{text}"}
        for place, text in enumerate(spoken)
    ]
    for event in (*told, {"type": "transcript.text.done", "text": transcript.text}):
        yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


def _told(collection: Collection, engine: Engine) -> dict[str, Any]:
    able: Sequence[Method] = (
        "embed_speech", "embed_text", "embed_picture", "transcribe", "translate_speech"
    )  # fmt: skip
    return {"id": engine.name, "object": "model", "created": collection.since,
            "owned_by": "trivium", "system": engine.model.name,
            "checksum": engine.model.checksum,
            "can": [method for method in able if engine.can(method)],
            "languages": sorted({*getattr(engine.model, "languages", ())})}  # fmt: skip
