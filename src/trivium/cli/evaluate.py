"""`trivium evaluate`: what a model is worth at a task, on a split of a corpus."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from trivium.cli.terminal import console

WRITES = ("recognition", "translation")
ALL_BUT_RETRIEVAL = ("abx", *WRITES, "classification", "sentiment", "verification")
# Options that mean something to some tasks alone.
ONLY = {
    "--layers": ("abx",),
    "--items": ("abx",),
    "--to": ("translation",),
    "--source": ("translation",),
    "--cascade": ("translation",),
    "--trials": ("verification",),
    "--set": ALL_BUT_RETRIEVAL,
}


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and how."""

    model: Any
    corpus: Any
    split: str
    languages: list[str]
    layers: str
    items: Path | None
    to: str
    source: str
    cascade: str
    trials: Path | None
    changes: list[str]
    advance: Callable[[int], None]

    @property
    def rows(self) -> dict[str, Any]:
        """What every task takes by name."""
        return {"languages": self.languages, "advance": self.advance}


class Told(NamedTuple):
    """A result, and what is printed of it."""

    found: Any
    title: str
    score: Any
    remarks: tuple[str, ...] = ()


def evaluate(
    model: Annotated[str, typer.Argument(help="A run, a checkpoint folder, or a model's name.")],
    corpus: Annotated[Path, typer.Argument(help="The corpus folder.")],
    *,
    task: Annotated[
        str,
        typer.Option(
            help="What to measure: retrieval, abx, recognition, translation, classification, "
            "sentiment or verification."
        ),
    ] = "retrieval",
    split: Annotated[str, typer.Option(help="The split to measure on; * for all.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(help="Where JSON and plot go; absent, the run, or for a name `scores/NAME`."),
    ] = None,
    languages: Annotated[
        str, typer.Option(help="Languages to hear, or read, as en,hi; absent, all.")
    ] = "",
    layers: Annotated[
        str, typer.Option(help="abx: the layers, as 2,5, or all; 0 is what enters the first.")
    ] = "",
    items: Annotated[
        Path | None,
        typer.Option(help="abx: an item file; absent, the phone times of the corpus are taken."),
    ] = None,
    to: Annotated[
        str,
        typer.Option(help="translation: the language to translate into; absent, all there are."),
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            help="translation: of what, speech, text (of the same utterances) or sentences; "
            "absent, speech, or text for a model that does not hear."
        ),
    ] = "",
    cascade: Annotated[
        str,
        typer.Option(
            help="translation: a model that writes down speech for MODEL to translate, beside "
            "what MODEL makes of the speech itself."
        ),
    ] = "",
    trials: Annotated[
        Path | None,
        typer.Option(
            help="verification: a list of trials, as VoxCeleb's or our csv; absent, they are made."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value of the task, but retrieval's, as unit=phone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON.")] = False,
) -> None:
    """Measure a model at a task; the numbers stand beside chance, with intervals and a signature.

    What each number is: docs/measures.md.
    """
    from trivium.data.corpus import Corpus
    from trivium.errors import TriviumError, did_you_mean

    if task not in TASKS:
        raise TriviumError(f"--task: no task is called {task!r}; {did_you_mean(task, TASKS)}")
    given = (("--layers", layers), ("--items", items), ("--to", to), ("--source", source),
             ("--cascade", cascade), ("--trials", trials), ("--set", settings))  # fmt: skip
    for option, value in given:
        if value and task not in ONLY[option]:
            add = " or ".join(f"--task {one}" for one in ONLY[option])
            raise TriviumError(f"{option} {value} means nothing to {task}; add {add}")
    loaded, opened = _loaded(model, task), Corpus.open(corpus)
    with console.Progress("embed" if task == "retrieval" else "measure", "rows") as progress:
        told = TASKS[task](Asked(
            loaded, opened, split, _listed(languages), layers, items, to, source, cascade,
            trials, settings or [], progress.advance,
        ))  # fmt: skip
    folder = out or (Path(model) if Path(model).exists() else Path("scores") / model)
    told.found.write(folder)
    if as_json:
        console.say(told.found.to_json().rstrip())
        return
    headers, rows = told.found.table()
    console.table(headers, rows, title=told.title)
    for remark in told.remarks:
        console.warn(remark)
    console.say(str(told.score.signature))
    beside = "jsonl" if task in WRITES else "png"
    console.say(f"wrote {folder / task}.json and {task}.{beside}")


def _loaded(name: str, task: str) -> Any:
    """A model that was trained here, or one that others published."""
    from trivium.errors import TriviumError
    from trivium.models import published
    from trivium.models.loaded import Model

    if published.find(name) is None:
        return Model.load(name)
    if task not in WRITES:
        raise TriviumError(
            f"{name} is a published model that writes; {task} asks for another: measure it with "
            f"--task {' or '.join(WRITES)}"
        )
    return published.load(name)


def _retrieval(asked: Asked) -> Told:
    from trivium.tasks.retrieval import measure

    found = measure(asked.model, asked.corpus, asked.split, speech_languages=asked.languages,
                    advance=asked.advance)  # fmt: skip
    return Told(found, "percent; what chance gives in brackets", found.overall)


def _abx(asked: Asked) -> Told:
    from trivium.tasks.abx import measure as abx

    settings = abx.AbxSettings(languages=tuple(asked.languages), items=asked.items)
    found = abx.measure(
        asked.model, asked.corpus, asked.split, settings.override(asked.changes),
        layers=_numbers(asked.layers), advance=asked.advance,
    )  # fmt: skip
    left_out = console.counted({"items": found.skipped})
    remarks = (f"left out {left_out}; {found.items:,} are measured",) if found.skipped else ()
    return Told(found, "error in percent; chance is 50", found.score, remarks)


def _recognition(asked: Asked) -> Told:
    from trivium.tasks.words.recognition import RecognitionSettings, measure

    settings = RecognitionSettings().override(asked.changes)
    found = measure(asked.model, asked.corpus, asked.split, settings, **asked.rows)
    return Told(found, "errors in percent", found.score, found.remarks)


def _translation(asked: Asked) -> Told:
    from typing import get_args

    from trivium.errors import TriviumError, did_you_mean
    from trivium.tasks.words import translation

    known = get_args(translation.Source)
    if asked.source and asked.source not in known:
        hint = did_you_mean(asked.source, known)
        raise TriviumError(f"--source: nothing to translate is called {asked.source!r}; {hint}")
    settings = translation.TranslationSettings().override(asked.changes)
    if asked.cascade:
        return _cascade(asked, settings)
    source: Any = asked.source or ("speech" if _hears(asked.model) else "text")
    found = translation.measure(
        asked.model, asked.corpus, asked.split, source, settings, to=asked.to, **asked.rows
    )
    return Told(found, "percent", found.score, found.remarks)


def _cascade(asked: Asked, settings: Any) -> Told:
    from trivium.errors import TriviumError
    from trivium.tasks.words import cascade, translation

    if asked.source not in ("", "speech"):
        raise TriviumError(
            f"--source {asked.source} is not heard, and --cascade {asked.cascade} writes down "
            "speech; leave one of them out"
        )

    def measure(model: Any) -> Any:
        return translation.measure(model, asked.corpus, asked.split, "speech", settings,
                                   to=asked.to, **asked.rows)  # fmt: skip

    chain = cascade.Chain(_loaded(asked.cascade, "recognition"), asked.model)
    chained = cascade.Cascade(**dict(measure(chain)))
    direct = measure(asked.model) if _hears(asked.model) else None
    found = cascade.Compared(direct=direct, cascade=chained)
    return Told(found, "percent", chained.score, found.remarks)


def _hears(model: Any) -> bool:
    """Whether a model translates speech; of one that does not say it is taken for granted."""
    return not hasattr(model, "can") or bool(model.can("translate_speech"))


def _classification(asked: Asked) -> Told:
    from trivium.tasks.classification import ClassificationSettings, measure

    settings = ClassificationSettings().override(asked.changes)
    found = measure(asked.model, asked.corpus, asked.split, settings, **asked.rows)
    return Told(found, "percent; unweighted accuracy is UA", found.score, found.remarks)


def _sentiment(asked: Asked) -> Told:
    from trivium.tasks.sentiment import SentimentSettings, measure

    settings = SentimentSettings().override(asked.changes)
    found = measure(asked.model, asked.corpus, asked.split, settings, **asked.rows)
    title = "shares in percent; constant is who always says the same"
    return Told(found, title, found.score, found.remarks)


def _verification(asked: Asked) -> Told:
    from trivium.tasks.voices.verification import VerificationSettings, measure

    settings = VerificationSettings().override(asked.changes)
    found = measure(
        asked.model, asked.corpus, asked.split, settings, trials=asked.trials, **asked.rows
    )
    title = f"EER in percent, at a cosine of {found.threshold:.3f}; minDCF of 1 is no use"
    return Told(found, title, found.score, found.remarks)


TASKS: dict[str, Callable[[Asked], Told]] = {
    "retrieval": _retrieval,
    "abx": _abx,
    "recognition": _recognition,
    "translation": _translation,
    "classification": _classification,
    "sentiment": _sentiment,
    "verification": _verification,
}


def _listed(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(layers: str) -> list[int]:
    """Layers by number; none for all."""
    from trivium.errors import TriviumError

    words = [] if layers == "all" else _listed(layers)
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise TriviumError(f"--layers: {wrong[0]!r} is no layer; expected 2,5, or all")
    return sorted({int(word) for word in words})
