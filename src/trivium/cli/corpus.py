"""`trivium world` and `trivium corpus ...`: make a corpus, look at it, check it, import one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.data.corpora.ingest import Ingested
    from trivium.data.corpora.release import Source

app = typer.Typer(no_args_is_help=True, help="Look at a corpus, check it, import and export one.")
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The corpus folder.")]


def world(
    out: Annotated[Path, typer.Argument(help="The corpus folder to make or continue.")],
    size: Annotated[
        str, typer.Option(help="tiny, small (about 5 h) or base (about 50 h).")
    ] = "tiny",
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 0,
    languages: Annotated[str, typer.Option(help="Which of them.")] = "en,hi,ja,es,de,sw",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; all cores if absent.")
    ] = None,
) -> None:
    """Make a corpus: scenes, sentences in six languages, voices. The same seed, the same bytes."""
    from trivium.data.world.build import WorldSettings, make_world, tasks

    codes = tuple(dict.fromkeys(code.strip() for code in languages.split(",") if code.strip()))
    values = {"size": size, "seed": seed, "languages": codes}
    settings = WorldSettings.parse(values, "trivium world")
    spoken = (task for task in tasks(settings) if task.make == "utterances")
    total = sum(task.stop - task.start for task in spoken)
    with console.Progress(f"world {size}", "utterances", total) as progress:
        card = make_world(out, settings, workers, progress.advance)
    console.say(f"{out}: {console.counted(card.counts)}; fingerprint {card.fingerprint[:16]}")


@app.command()
def info(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(help="Draw lengths and languages into this .png or .html too.")
    ] = None,
) -> None:
    """Rows, hours of speech, languages, speakers, columns and licence."""
    from trivium.data.corpus import Corpus
    from trivium.data.examine.describe import describe, facts_table

    corpus = Corpus.open(folder)
    facts = describe(corpus)
    card = corpus.card
    console.say(f"{card.name}: {card.source}".rstrip(": "))
    console.say(f"licence {card.licence}; {facts.disk_bytes / 1e6:,.1f} MB on disk")
    console.say(f"fingerprint {card.fingerprint[:16]}")
    console.table(*facts_table(facts))
    for table, names in facts.columns.items():
        console.say(f"{table}: {', '.join(names)}")
    if out:
        from trivium.data.examine.figures import write_figures

        write_figures(corpus, out)
        console.say(f"wrote {out}")


@app.command()
def show(
    folder: Folder,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of a row.")],
    out: Annotated[Path, typer.Option(help="Where the wav and the picture are written.")] = Path(),
) -> None:
    """Write the sound and the picture of one row, and print the rest of it."""
    from trivium.data.corpus import Corpus
    from trivium.data.examine.show import show_row

    shown = show_row(Corpus.open(folder), id_, out)
    for name, value in shown.columns.items():
        console.say(f"{name:<21}{value}")
    for path in shown.files:
        console.say(f"wrote {path}")


@app.command()
def check(
    folder: Folder,
    limit: Annotated[int, typer.Option(help="Findings of one kind to print.")] = 10,
) -> None:
    """Decode everything and name what is wrong; exit code 1 if anything is."""
    from trivium.data.corpus import Corpus
    from trivium.data.examine.check import KINDS
    from trivium.data.examine.check import check as examine

    corpus = Corpus.open(folder)
    counts = dict.fromkeys(KINDS, 0)
    total = sum(corpus.card.counts.values())
    with console.Progress("check", "rows", total) as progress:
        for finding in examine(corpus, progress.advance):
            counts[finding.kind] += 1
            if counts[finding.kind] <= limit:
                console.say(f"{finding.kind}: {finding.sentence}")
    for kind, count in counts.items():
        if count:
            console.say(f"{count:,} {KINDS[kind]}")
    if any(counts.values()):
        raise typer.Exit(1)
    console.say(f"{total:,} rows checked, nothing wrong")


@app.command()
def sheet(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="The page; DIR/sheet.html if not named.")] = None,
    cards: Annotated[int, typer.Option(min=1, help="Pictures to show.")] = 24,
) -> None:
    """Write one self-contained page with pictures, players and texts."""
    from trivium.data.corpus import Corpus
    from trivium.data.examine.sheet import write_sheet

    target = out or folder / "sheet.html"
    write_sheet(Corpus.open(folder), target, cards)
    console.say(f"wrote {target}")


@app.command("import")
def import_(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME] SOURCE OUT",
            help="A csv, tsv, jsonl or parquet table, or NAME and the folder of a published corpus "
            "(docs/corpora.md lists the names); then the corpus folder to make or continue.",
        ),
    ],
    *,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures, where they lie elsewhere.")
    ] = None,
    join: Annotated[
        Path | None,
        typer.Option(help="Tables, splits or labels of the corpus, where they lie elsewhere."),
    ] = None,
    languages: Annotated[str, typer.Option(help="Which to read, as en,hi; absent, all.")] = "",
    splits: Annotated[str, typer.Option(help="Which to read; absent, the usual ones.")] = "",
    audio_root: Annotated[
        Path | None, typer.Option(help="Where a table's paths start; its folder if absent.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of rows that name none.")] = "train",
    link: Annotated[bool, typer.Option("--link", help="Keep paths of sounds, not bytes.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the corpus.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Terms of use of the data; the release's own if absent.")
    ] = None,
) -> None:
    """Make a corpus of your own table, or of a published corpus as it unpacks.

    A table has columns audio, text, language, image, ... (any subset). What cannot be read is
    skipped, counted, and listed with its reason in rejected.jsonl. An interrupted import continues
    when the command is repeated.
    """
    from trivium.data.corpora.ingest import REJECTED, IngestOptions, clear_empty, ingest
    from trivium.data.corpora.readers import Counted, opened
    from trivium.data.corpora.release import Source

    reader, place, out = _import_words(words)
    source = Source(place, images, join, _listed(languages), _listed(splits))
    records, card, promised, total = opened(reader, source)
    root = place if place.is_dir() else place.parent
    if reader == "table":
        root = audio_root or root
        made_by = {"command": "corpus import", "table": str(place.resolve()),
                   "audio_root": str(root.resolve()), "split": split, "link": link}  # fmt: skip
    else:
        if audio_root:
            console.warn(f"--audio-root {audio_root} has no effect: it is for tables")
        made_by = {"command": "corpus import", "reader": reader, **source.described(),
                   "split": split, "link": link}  # fmt: skip
    told = {"name": name or (out.name if reader == "table" else card.name), "made_by": made_by,
            "licence": licence or card.licence}  # fmt: skip
    with console.Progress("import", "rows", total) as progress:
        options = IngestOptions(root=root, split=split, link=link)
        counted = Counted(records)
        result = ingest(counted, out, card.model_copy(update=told), options, progress.advance)
        progress.total = progress.done  # lines were counted, and a record may have several
    for difference in counted.differences(promised):
        console.say(f"not as released: {difference}")
    if not (result.added or result.already or result.rejected):
        clear_empty(out)
        _refuse_nothing(source)
    _report(result, out, out / REJECTED)


def _refuse_nothing(source: "Source") -> None:
    from trivium.errors import CorpusError

    asked = [f"--{name} {','.join(getattr(source, name))}" for name in ("languages", "splits")
             if getattr(source, name)]  # fmt: skip
    told = f" with {' '.join(asked)}; leave out or change these" if asked else ""
    raise CorpusError(f"{source.root} has nothing to import{told}")


def _import_words(words: list[str]) -> tuple[str, Path, Path]:
    """The reader, the source and the corpus folder that the words of a command name."""
    from trivium.data.corpora.readers import guessed
    from trivium.errors import CorpusError

    if len(words) == 2:
        return guessed(Path(words[0])), Path(words[0]), Path(words[1])
    if len(words) == 3:
        return words[0], Path(words[1]), Path(words[2])
    raise CorpusError(f"an import is [NAME] SOURCE OUT, and this is {' '.join(words)!r}")


def _listed(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    to: Annotated[
        str, typer.Option(help="table (jsonl and files), hf (parquet) or lhotse (cuts and files).")
    ] = "table",
) -> None:
    """Write a corpus in another format, with every byte of its sounds and pictures.

    What is written can be imported again: `corpus import OUT/table.jsonl`, `corpus import hf OUT`,
    `corpus import lhotse OUT/cuts.jsonl.gz`.
    """
    from trivium.data.corpora.export import export as write
    from trivium.data.corpus import Corpus

    corpus = Corpus.open(folder)
    total = sum(corpus.count(table) for table in ("utterances", "sentences"))
    with console.Progress("export", "rows", total) as progress:
        sentences = write(corpus, out, to, progress.advance)
    console.say(f"wrote {console.counted(corpus.card.counts)} to {out}")
    for sentence in sentences:
        console.say(sentence)


def _report(result: "Ingested", out: Path, rejected: Path) -> None:
    added = console.counted(result.added) or "nothing new"
    there = f" ({result.already:,} rows were there)" if result.already else ""
    console.say(f"added {added} to {out}{there}")
    if result.rejected:
        skipped = console.counted({"rows": result.rejected})
        console.say(f"skipped {skipped}; reasons are in {rejected}")
    if result.changed:
        changed = console.counted({"rows": result.changed})
        console.say(f"stored otherwise under the same id, and left so: {changed}")
    if result.in_extra:
        console.say(f"kept in extra: the columns {', '.join(sorted(result.in_extra))}")
    if result.misnamed:
        files, first = console.counted({"files": len(result.misnamed)}), result.misnamed[0]
        console.say(f"read by content, not by name: {files}, such as {first}")
    if result.rejected and not (result.added or result.already):
        console.say("no row could be used")
        raise typer.Exit(1)
