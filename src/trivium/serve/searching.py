"""Search, items and vectors of all kinds: what no other protocol has."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from trivium.errors import TriviumError
from trivium.report import media_kind
from trivium.serve.engine import Ask, Method
from trivium.serve.media import taken, trimmed
from trivium.serve.protocols import ERRORS, Language, encoded
from trivium.serve.refusal import Refusal, responses
from trivium.serve.served import Collection

router = APIRouter()
Kind = Literal["speech", "text", "picture"]
Text = Annotated[str, StringConstraints(max_length=100_000, pattern=r"\S")]
Library = Annotated[
    str, Field(max_length=512, description="Name of a library; absent, all of them.")
]
# In a filter only these words may stand before a bracket: functions could take any memory.
WORDS = ("and", "or", "not", "in", "cast")
SANDBOX = "default-src 'none'; sandbox"  # an item that a browser opens alone does nothing


class Queried(BaseModel):
    """A form with one of text, speech and image."""

    model_config = ConfigDict(extra="forbid")

    text: Text | None = Field(None, description="Search with words.")
    speech: UploadFile | None = Field(None, description="Search with a sound.")
    image: UploadFile | None = Field(None, description="Search with a picture.")
    language: Language = ""
    trim: bool = Field(False, description="Leave out the silence before and after a sound.")
    library: Library | None = None
    k: Annotated[int, Field(ge=1, description="How many to find.")] = 10
    of: Kind | None = Field(None, description="Find items of this kind only.")
    where: Annotated[str, Field(max_length=1_000)] | None = Field(
        None, description="Find only what matches, as language = 'hi' and seconds < 5."
    )


class Things(BaseModel):
    """A form with things of one kind, each under the same name."""

    model_config = ConfigDict(extra="forbid")

    text: list[Text] = []
    speech: list[UploadFile] = []
    image: list[UploadFile] = []
    language: Language = ""
    model: Annotated[str, Field(max_length=512)] | None = None
    encoding_format: Literal["float", "base64"] = "float"


@router.post("/search", responses=ERRORS)
async def search(request: Request, form: Annotated[Queried, Form()]) -> Response:
    """The items nearest to a text, a sound or a picture, best first.

    `curl http://127.0.0.1:8000/search -F text="a red star" -F of=picture -F k=3`

    `curl http://127.0.0.1:8000/search -F speech=@said.webm -F language=hi`
    """
    collection: Collection = request.app.state.collection
    given = {"text": form.text, "speech": form.speech, "image": form.image}
    kind = _one_of(given)
    if form.k > collection.settings.max_found:
        raise Refusal(413, f"k is {form.k:,}; at most {collection.settings.max_found:,} are found")
    if form.where is not None:
        check_filter(form.where)
    libraries = collection.chosen(form.library)
    check = collection.engine_of(next(iter(libraries.values()))).check
    ask, things = await _decoded(request, kind, [given[kind]], form.language, check)
    thing = trimmed(things[0]) if form.trim and kind == "speech" else things[0]
    try:
        found = await collection.found(ask, thing, libraries, form.k, form.of, form.where)
    except TriviumError as error:
        raise Refusal(422, str(error), "invalid_value") from error
    hits = [hit.as_dict() | {"library": name} for name, hit in found]
    return JSONResponse({"object": "list", "data": hits})


@router.get("/items/{id_:path}/media", responses=responses(401, 404, 422, 503))
async def media(
    request: Request, id_: str, library: Annotated[str | None, Query(max_length=512)] = None
) -> Response:
    """The sound or the picture of an item, from where it lies."""
    collection: Collection = request.app.state.collection
    owner, hit = await collection.item(id_, library)
    try:
        data = await collection.off(lambda: owner.media(hit))
    except TriviumError as error:
        raise Refusal(404, f"what {id_!r} was made of is not there any more", "gone") from error
    if data is None:
        raise Refusal(404, f"{id_!r} is a text, which /items/{id_} shows", "no_media")
    request.state.held.add(len(data))
    shown = {"Content-Security-Policy": SANDBOX}
    return Response(data, media_type=media_kind(data), headers=shown)


@router.get("/items/{id_:path}", responses=responses(401, 404, 422, 503))
async def item(
    request: Request, id_: str, library: Annotated[str | None, Query(max_length=512)] = None
) -> Response:
    """What is known of an item."""
    collection: Collection = request.app.state.collection
    owner, hit = await collection.item(id_, library)
    return JSONResponse(hit.item | {"library": owner.path.resolve().name})


@router.get("/libraries", responses=responses(401, 503))
async def libraries(request: Request) -> Response:
    """The libraries, their models, and how many items of each kind and language they hold."""
    collection: Collection = request.app.state.collection
    told = []
    for name, library in collection.libraries.items():
        facts = await collection.off(library.facts)
        names = ("source", "kind", "language", "items", "seconds")
        told.append({"id": name, "model": collection.engine_of(library).name,
                     "items": len(library),
                     "holds": [dict(zip(names, fact, strict=True)) for fact in facts]})  # fmt: skip
    return JSONResponse({"object": "list", "data": told})


@router.post("/embed", responses=ERRORS)
async def embed(request: Request, form: Annotated[Things, Form()]) -> Response:
    """Vectors of texts, sounds or pictures, in their order.

    `curl http://127.0.0.1:8000/embed -F image=@one.png -F image=@two.png`
    """
    collection: Collection = request.app.state.collection
    engine = collection.engine(form.model)
    given: dict[str, Sequence[Any]] = {
        "text": form.text, "speech": form.speech, "image": form.image
    }  # fmt: skip
    kind = _one_of(given)
    ask, things = await _decoded(request, kind, given[kind], form.language, engine.check)
    vectors = await engine.made(ask, things)
    return JSONResponse({
        "model": engine.name, "kind": kind, "width": len(vectors[0]),
        "data": [encoded(vector, form.encoding_format) for vector in vectors],
    })  # fmt: skip


def check_filter(where: str) -> None:
    """Refuse a filter with a function in it, or with what could hide one."""
    # A quote ends what it began, and hides the others; quotes stay, as those of "repeat"(...).
    plain = re.sub(r"(['\"`])(?:(?!\1).|\1\1)*\1", r"\1\1", where, flags=re.DOTALL)
    called = (word for word in re.findall(r"([\w.\"`]+)\s*\(", plain) if word.lower() not in WORDS)
    hidden = re.search(r"\\|--|/\*|\$|;", where)
    wrong = hidden.group() if hidden else next(called, None)
    if wrong is not None:
        raise Refusal(
            422, f"the filter holds {wrong!r}; comparisons, and, or, not, in, like, is null and "
            "cast are allowed, functions are not", "invalid_value",
        )  # fmt: skip


def _one_of(given: Mapping[str, Any]) -> str:
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        told = " and ".join(named) or "nothing"
        raise Refusal(422, f"{told} is given; give one of text, speech, image", "invalid_value")
    return named[0]


async def _decoded(
    request: Request,
    kind: str,
    given: Sequence[Any],
    language: str,
    check: Callable[[Method], None],
) -> tuple[Ask, list[Any]]:
    """What the model is asked, and the things that it is asked of."""
    collection: Collection = request.app.state.collection
    held, decoders = request.state.held, collection.decoders
    if kind == "text":
        ask = Ask("embed_text", language)
        check(ask.method)
        return ask, list(given)
    ask = Ask("embed_speech", language) if kind == "speech" else Ask("embed_picture")
    check(ask.method)
    decode = decoders.sound if kind == "speech" else decoders.picture
    things: list[np.ndarray[Any, Any]] = []
    for file in given:
        things.append(await decode(await taken(file), held))  # noqa: PERF401
    return ask, things
