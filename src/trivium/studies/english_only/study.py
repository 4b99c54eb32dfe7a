"""The study `english-only`, put together from its settings, a corpus and a folder."""

from collections.abc import Callable
from pathlib import Path

from trivium.data.corpus import Corpus
from trivium.data.world.build import WorldSettings, make_world
from trivium.studies.english_only.cells import MULTI, cells, stages
from trivium.studies.english_only.claims import claims
from trivium.studies.english_only.measure import Measurement
from trivium.studies.english_only.report import Report
from trivium.studies.english_only.rows import Rows, equal_rows
from trivium.studies.english_only.sizes import EnglishOnlySettings, SizeName
from trivium.studies.study import Stage, Study, total_steps

WORLD = "world"  # the folder of a corpus that the study makes for itself
MADE: dict[SizeName, WorldSettings] = {
    "test": WorldSettings(size="tiny", languages=("en", "hi", "ja")),
    "world": WorldSettings(size="base", languages=("en", "hi", "ja")),
}


def own_corpus(size: SizeName, out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The made world that a study without a corpus makes, or continues, in its folder."""
    make_world(out / WORLD, MADE[size], advance=advance)
    return out / WORLD


def english_only(settings: EnglishOnlySettings, corpus: Path, out: Path) -> Study:
    """The study; nothing is trained before it is run."""
    # A run remembers where everything lies: a study can be continued from any folder.
    corpus, out = corpus.resolve(), out.resolve()
    opened = Corpus.open(corpus)
    rows = equal_rows(opened, settings.languages, settings.utterances)
    before = tuple(stages(settings, corpus, out))
    measurement = Measurement(settings, corpus, out / "stages")
    report = Report(settings, out, facts(settings, opened, rows, before))
    return Study(
        name="english-only",
        out=out,
        stages=before,
        cells=tuple(cells(settings, corpus, out, rows)),
        sign=measurement.sign,
        measure=measurement.measure,
        claims=lambda results: claims(settings, results),
        report=report.write,
    )


def facts(
    settings: EnglishOnlySettings, corpus: Corpus, rows: Rows, before: tuple[Stage, ...]
) -> tuple[str, ...]:
    """What a reader must know to believe the numbers, a sentence each."""
    count, first = len(settings.languages), next(iter(settings.towers))
    told = ", ".join(f"{stage.name} {total_steps(stage.recipe):,} steps" for stage in before)
    shared = (
        "of the same pictures" if rows.pictures == rows.count
        else f"{rows.pictures:,} pictures are described in all"
    )  # fmt: skip
    measured = (
        f"Corpus {corpus.card.name}, fingerprint {corpus.card.fingerprint[:12]}; measured on its "
        f"split {settings.split}, every search through all of it."
    )
    trained = (
        f"{rows.count:,} utterances of each language are trained on ({shared}). The model for all "
        f"languages ({MULTI}) hears the same rows of each, {count * rows.count:,} in all, in "
        f"{count} x {settings.steps:,} steps where a model of one language takes "
        f"{settings.steps:,}: every utterance is heard about as often."
    )
    towers = (
        f"English-only towers, trained once and shared by all seeds: {told}. Pictures and "
        f"sentences by the recipe {settings.clip.recipe}, frozen in every cell. {_began(settings)}"
    )
    cells_are = (
        "frozen: the speech tower stays as pre-trained, and layer weights, pooling and projection "
        "are learned. tuned: all of it is trained. scratch: as tuned, from random weights, with "
        f"the towers {first}."
    )
    seeds = (
        "Seeds decide the new weights and the order of the rows. Intervals are over seeds; those "
        "over resampled test sets are with each score in measured.json of its cell."
    )
    return measured, trained, towers, cells_are, seeds


def _began(settings: EnglishOnlySettings) -> str:
    """Where the speech towers are from."""
    stage = settings.pretraining
    if stage is None:
        return "No speech tower was pre-trained: those called frozen have random weights."
    if stage.recipe.startswith("speechclip"):
        return (
            f"The speech towers were pre-trained by {stage.recipe}, on English captions and their "
            "pictures, and not by self-supervision as the paper's: for English, frozen towers "
            "have learned the very task already."
        )
    return f"The speech towers were pre-trained by the recipe {stage.recipe}."
