"""`trivium transcribe`, `trivium translate` and `trivium pseudo-label`: what models write."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.transcripts.recordings import Wish

LINES = 1_024  # of a text, translated at a time

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings.")]
Model = Annotated[
    str,
    typer.Option(help="A run, a checkpoint folder, or a published Whisper or SeamlessM4T v2."),
]
Language = Annotated[str, typer.Option(help="Language of what is given, as hi.")]
To = Annotated[str, typer.Option(help="Language to translate into, as en.")]
Format = Annotated[str, typer.Option("--format", help="txt, srt, vtt or json.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder for one file of each; absent, they are printed.")
]
MaxSeconds = Annotated[float, typer.Option(help="Longest piece that the model hears at once.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


def transcribe(
    files: Files,
    *,
    model: Model,
    language: Language = "",
    form: Format = "txt",
    out: Out = None,
    max_seconds: MaxSeconds = 20.0,
    force: Force = False,
) -> None:
    """Write down what is said in recordings of any length, with times.

    What cannot be read is named, the others are written; the exit code is 2 then.
    """
    _recordings(files, model, _wish(language, None, max_seconds), form, _targets(
        files, out, form, force
    ))  # fmt: skip


def translate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Recordings, or texts with --text."),
    ] = None,
    *,
    to: To,
    model: Model,
    language: Language = "",
    text: Annotated[
        bool, typer.Option("--text", help="Files are texts, line by line; without any, stdin is.")
    ] = False,
    form: Format = "txt",
    out: Out = None,
    max_seconds: MaxSeconds = 20.0,
    force: Force = False,
) -> None:
    """Translate what is said in recordings of any length, or texts.

    What cannot be read is named, the others are written; the exit code is 2 then.
    """
    from trivium.errors import SettingsError

    given = files or []
    if not given and not text:
        raise SettingsError(f"{len(given)} files are named; name recordings, or add --text")
    if text and form != "txt":
        raise SettingsError(f"lines of texts have no times to write as {form}; leave out --format")
    targets = _targets(given, out, form, force)
    if text:
        _texts(given, model, language, to, targets)
    else:
        _recordings(given, model, _wish(language, to, max_seconds), form, targets)


def pseudo_label(
    corpus: Annotated[Path, typer.Argument(help="The corpus to read; it stays as it is.")],
    out: Annotated[Path, typer.Argument(help="The corpus to make or continue.")],
    *,
    model: Model,
    to: Annotated[str | None, typer.Option(help="Language to translate into, as en.")] = None,
    what: Annotated[str, typer.Option(help="translation or transcript.")] = "translation",
    source: Annotated[
        str, typer.Option(help="What is translated: speech, text (of utterances) or sentences.")
    ] = "speech",
    splits: Annotated[str, typer.Option(help="Splits to read; those for measuring never.")] = (
        "train"
    ),
    min_confidence: Annotated[
        float | None, typer.Option(help="Leave out what has less, as -0.5; 0 is the most.")
    ] = None,
) -> None:
    """Let a model write the translations or transcripts that rows of a corpus lack.

    A new corpus gets the rows with what was written, the model and its confidence. An interrupted
    run continues when the command is repeated.
    """
    from trivium.data.corpora.ingest import REJECTED
    from trivium.data.corpus import Corpus
    from trivium.transcripts.pseudo import PseudoSettings
    from trivium.transcripts.pseudo import pseudo_label as label

    names = tuple(name.strip() for name in splits.split(",") if name.strip())
    values = {"what": what, "to": to, "source": source, "splits": names,
              "min_confidence": min_confidence}  # fmt: skip
    settings = PseudoSettings.parse(values, "trivium pseudo-label")
    opened, loaded = Corpus.open(corpus), _load(model)
    with console.Progress("pseudo-label", "rows") as progress:
        done = label(opened, out, loaded, settings, progress.advance)
    console.say(f"{out}: {console.counted({'rows': done.kept})} with a {what}")
    if done.already:
        console.say(f"left out, for they have one: {console.counted({'rows': done.already})}")
    if done.rejected:
        console.say(f"rejected {done.rejected:,}; reasons are in {out / REJECTED}")
    console.say(f"confidence is the {done.confidence}")
    if not done.kept:
        raise typer.Exit(1)


def _load(name: str) -> Any:
    """A published model, or one that was trained here; its terms are told if they bind."""
    from trivium.models import published
    from trivium.models.loaded import Model as Trained

    if published.find(name) is None:
        return Trained.load(name)
    loaded = published.load(name)
    if "-NC" in loaded.licence:
        console.warn(f"{name} is under {loaded.licence}: not for commercial use")
    return loaded


def _wish(language: str, to: str | None, max_seconds: float) -> "Wish":
    from trivium.transcripts.pieces import CuttingSettings
    from trivium.transcripts.recordings import Wish

    values = {"max_seconds": max_seconds, "min_seconds": min(5.0, max_seconds / 4)}
    return Wish(language, to, CuttingSettings.parse(values, "--max-seconds"))


def _targets(files: Sequence[Path], out: Path | None, form: str, force: bool) -> dict[Path, Path]:
    """Where the text of each file goes; nothing if texts are printed."""
    from trivium.errors import SettingsError
    from trivium.transcripts.formats import writer

    writer(form)
    if out is None:
        if form != "txt" and len(files) > 1:
            raise SettingsError(f"{len(files)} files cannot be printed as one {form}; name --out")
        return {}
    targets: dict[Path, Path] = {}
    for file in files:
        target = out / f"{file.stem}.{form}"
        twin = next((other for other, place in targets.items() if place == target), None)
        if twin is not None:
            raise SettingsError(f"{twin} and {file} would both be written as {target}; rename one")
        if target.exists() and (not force or target.samefile(file)):
            hint = "name another --out" if target.samefile(file) else "--force writes over it"
            raise SettingsError(f"{target} is there already; {hint}")
        targets[file] = target
    out.mkdir(parents=True, exist_ok=True)
    return targets


def _recordings(
    files: Sequence[Path], model: str, wish: "Wish", form: str, targets: dict[Path, Path]
) -> None:
    from trivium.transcripts.formats import writer
    from trivium.transcripts.hearing import hear
    from trivium.transcripts.recordings import transcripts

    unread: list[Path] = []

    loaded, write = _load(model), writer(form)
    recordings = _readable(files, hear, unread)
    with console.Progress("write", "files", len(files)) as progress:
        for file, transcript in transcripts(loaded, recordings, wish):
            for warning in transcript.warnings:
                console.warn(f"{file}: {warning}")
            _put(file, write(transcript), targets, len(files))
            progress.advance()
        progress.advance(len(unread))
    _end(unread, targets)


def _texts(
    files: Sequence[Path], model: str, language: str, to: str, targets: dict[Path, Path]
) -> None:
    unread: list[Path] = []
    loaded = _load(model)
    loaded.translate_text([], language, to)  # what the model cannot do is refused now
    with console.Progress("write", "lines") as progress:
        for file, lines in _readable(files or [Path("-")], _lines, unread):
            made = []
            for start in range(0, len(lines), LINES):
                part = lines[start : start + LINES]
                made += _translated(loaded, part, language, to)
                progress.advance(len(part))
            _put(file, "".join(f"{line}\n" for line in made), targets, len(files))
    _end(unread, targets)


def _translated(model: Any, lines: Sequence[str], language: str, to: str) -> list[str]:
    """A line for each line; empty ones stay empty."""
    there = [line for line in lines if line.strip()]
    made = iter(model.translate_text(there, language, to))
    return [" ".join(next(made).split()) if line.strip() else "" for line in lines]


def _readable(
    files: Sequence[Path], read: Callable[[Path], Any], unread: list[Path]
) -> Iterator[tuple[Path, Any]]:
    """Files with what they hold; those that cannot be read are named and noted."""
    from trivium.errors import MediaError

    for file in files:
        try:
            held = read(file)
        except MediaError as error:
            console.warn(str(error))
            unread.append(file)
        else:
            yield file, held


def _lines(file: Path) -> list[str]:
    from trivium.errors import MediaError

    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return text.removesuffix("\n").split("\n") if text else []
    except OSError as error:
        raise MediaError(f"{file} cannot be read: {(error.strerror or '').lower()}") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{file} is no text: byte {error.start:,} is not UTF-8") from error


def _put(file: Path, text: str, targets: dict[Path, Path], count: int) -> None:
    from trivium.checkpoint import write_file

    if file in targets:
        write_file(targets[file], text)
        return
    if count > 1:
        console.say(f"{file}:")
    console.say(text.removesuffix("\n"))


def _end(unread: Sequence[Path], targets: dict[Path, Path]) -> None:
    written = [target for file, target in targets.items() if file not in unread]
    if written:
        console.say(f"{written[0].parent}: {console.counted({'files': len(written)})}")
    if unread:
        raise typer.Exit(2)
