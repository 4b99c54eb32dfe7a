"""`trivium library ...`, `trivium search` and `trivium embed`: index anything, find it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.library.library import Hit, Library
    from trivium.library.sources import Skipped
    from trivium.models.towers.networks import Kind

SHOWN_SKIPPED = 10

app = typer.Typer(no_args_is_help=True, help="Index speech, texts and pictures; look at an index.")
Model = Annotated[str, typer.Argument(help="A model's name, a checkpoint folder, or a run.")]
SourceFolder = Annotated[
    Path, typer.Argument(help="A corpus, or a folder of sounds, pictures and .txt files.")
]
Folder = Annotated[Path, typer.Argument(metavar="LIBRARY", help="The library's folder.")]
Of = Annotated[str, typer.Option(help="Kinds to embed, as speech,picture; absent, all.")]
Language = Annotated[str, typer.Option(help="Language of what a plain folder says, as hi.")]
Count = Annotated[int, typer.Option("--count", "-k", help="How many to find.")]
Where = Annotated[
    str | None, typer.Option(help="Find only what matches, as \"language = 'hi' and seconds < 5\".")
]
Found = Annotated[str | None, typer.Option("--of", help="Find speech, text or picture; or all.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON.")]


@app.command()
def index(
    model: Model,
    source: SourceFolder,
    folder: Annotated[
        Path, typer.Argument(metavar="LIBRARY", help="The library to make or to add to.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What its ids begin with; absent, the folder's name.")
    ] = None,
    language: Language = "",
    of: Of = "",
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove items that are gone from the source.")
    ] = False,
) -> None:
    """Embed what is new or changed in a folder or corpus, and keep it to be searched.

    What cannot be read is named and skipped. An interrupted indexing continues when the command is
    repeated.
    """
    from trivium.library.indexing import CARD, SKIPPED
    from trivium.library.library import Library
    from trivium.library.sources import open_source
    from trivium.models.loaded import Model as Loaded

    kinds, opened = _kinds(of), open_source(source, language)
    loaded = Loaded.load(model)
    if (folder / CARD).exists():
        library = Library.open(folder, loaded)
    else:
        library = Library.create(folder, model, loaded)
    with console.Progress("index", "items") as progress:
        done = library.index(opened, name, of=kinds, drop=drop, advance=progress.advance)
    counts = {"added": done.added, "changed": done.changed, "dropped": done.dropped}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    console.say(f"{folder}: {told or 'nothing new'}; {len(library):,} items")
    for kind, count in done.left_out.items():
        console.say(f"left out {count:,} of {kind}, which the model does not embed")
    if done.gone:
        console.say(f"{done.gone:,} are gone from {source}, and kept; --drop removes them")
    _tell_skipped(done.skipped, folder / SKIPPED)


@app.command()
def info(folder: Folder) -> None:
    """The model, the sources, and how many items of each kind and language."""
    from trivium.library.library import Library
    from trivium.report import duration

    library = Library.open(folder)
    card = library.card
    console.say(f"model {card.model}, {card.checksum[:16]}; {card.width} numbers a vector")
    for name, source in card.sources.items():
        console.say(f"{name}: {source.path}{'' if source.complete else ' (not to its end)'}")
    lines = [
        (source, kind, language or "-", items, "" if seconds is None else duration(seconds))
        for source, kind, language, items, seconds in library.facts()
    ]
    console.table(("source", "kind", "language", "items", "speech"), lines)


@app.command()
def near(
    folder: Folder,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of an item.")],
    count: Count = 10,
    of: Found = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """The neighbours of an item: duplicates first."""
    library = _open(folder, None)
    _tell(library.near(id_, count, of, where), as_json)


@app.command()
def tune(
    folder: Folder,
    recall: Annotated[
        float, typer.Option(help="Of the ten best, the share that searches shall find.")
    ] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Measure what an index finds of what comparing with all finds, and choose how it is searched.

    The index is made first if there is none, or if the items have moved on.
    """
    from trivium.library.library import Library

    library = Library.open(folder)
    card = library.tune(recall)
    if as_json:
        console.say(card.to_json().rstrip() if card else "null")
        return
    if card is None:
        console.say(f"{folder}: {len(library):,} items are all compared; there is nothing to tune")
        return
    chosen = {reached: [card.probes(reached, filtered) for filtered in (False, True)]
              for reached in sorted({0.95, 0.99, recall})}  # fmt: skip
    lines = [(one.probes, f"{one.recall:.3f}", f"{one.filtered:.3f}", f"{1e3 * one.seconds:.2f}")
             for one in card.tried]  # fmt: skip
    headers = ("lists", "recall@10", "with a filter", "a query, ms")
    console.table(headers, lines, title=f"{folder}: {len(library):,} items in {card.lists:,} lists")
    for reached, (plain, filtered) in chosen.items():
        used = "; searches use this" if reached == recall else ""
        console.say(f"recall {reached:g}: {plain:,} lists, {filtered:,} with a filter{used}")


def search(
    folder: Folder,
    *,
    speech: Annotated[Path | None, typer.Option(help="Search with a sound.")] = None,
    text: Annotated[str | None, typer.Option(help="Search with words.")] = None,
    image: Annotated[Path | None, typer.Option(help="Search with a picture.")] = None,
    count: Count = 10,
    of: Found = None,
    language: Annotated[str | None, typer.Option(help="Language of the query, as en.")] = None,
    where: Where = None,
    model: Annotated[
        str | None, typer.Option(help="Where the library's model is, if it was moved.")
    ] = None,
    as_json: AsJson = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a page with pictures and players.")
    ] = None,
) -> None:
    """Find what is nearest to a sound, a text or a picture: exactly one of them."""
    from trivium.library.sheet import write_results

    library = _open(folder, model)
    hits = library.search(
        text=text, speech=speech, image=image, language=language, k=count, of=of, where=where
    )
    _tell(hits, as_json)
    if sheet is not None:
        file = speech or image
        query = file.read_bytes() if file else text or ""
        kind = "speech" if speech else "picture" if image else "text"
        write_results(sheet, library, query, kind, hits)
        console.warn(f"wrote {sheet}") if as_json else console.say(f"wrote {sheet}")


def embed(
    model: Model,
    source: SourceFolder,
    out: Annotated[Path, typer.Argument(help="The .npy file to write; a .jsonl names its rows.")],
    language: Language = "",
    of: Of = "",
) -> None:
    """Vectors of all that a folder or a corpus holds, as numpy reads them: (N, D) in float32."""
    from trivium.errors import SettingsError
    from trivium.library.embedding import write_vectors
    from trivium.library.sources import open_source
    from trivium.models.loaded import Model as Loaded

    if out.suffix != ".npy":
        raise SettingsError(f"{out} is no name for vectors; it ends in .npy")
    kinds, opened = _kinds(of), open_source(source, language)
    loaded = Loaded.load(model)
    with console.Progress("embed", "items") as progress:
        shape, skipped = write_vectors(loaded, opened, out, kinds, progress.advance)
    console.say(f"{out}: {shape[0]:,} vectors of {shape[1]}; {out.with_suffix('.jsonl')}: what of")
    _tell_skipped(skipped)


def _open(folder: Path, model: str | None) -> "Library":
    from trivium.library.library import Library

    library = Library.open(folder, model)
    for name, source in library.card.sources.items():
        if not source.complete:
            console.warn(f"{name} was not indexed to its end; repeat the command that indexed it")
    if library.remark:
        console.warn(library.remark)
    return library


def _kinds(of: str) -> "tuple[Kind, ...]":
    from trivium.library.library import check_kind

    return tuple(check_kind(kind.strip()) for kind in of.split(",") if kind.strip())


def _tell(hits: "Sequence[Hit]", as_json: bool) -> None:
    import json

    if as_json:
        console.say(json.dumps([hit.as_dict() for hit in hits], ensure_ascii=False, indent=2))
    elif not hits:
        console.say("nothing matches")
    else:
        names = ("kind", "id", "language", "seconds", "text")
        lines = [(hit.score, *(hit.item.get(name) for name in names)) for hit in hits]
        console.table(("cosine", *names), lines)


def _tell_skipped(skipped: "Sequence[Skipped]", listed: Path | None = None) -> None:
    if not skipped:
        return
    where = f"; reasons are in {listed}" if listed else ""
    console.say(f"skipped {console.counted({'items': len(skipped)})}{where}")
    for one in skipped[: SHOWN_SKIPPED if listed else None]:
        console.say(f"  {one.name}: {one.reason}")
