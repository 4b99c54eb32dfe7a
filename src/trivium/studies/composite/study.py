"""The study `composite`, put together from its settings, a corpus and a folder."""

from collections.abc import Callable
from pathlib import Path

from trivium.data.corpus import Corpus
from trivium.data.source import Source
from trivium.data.world.build import WorldSettings, make_world
from trivium.studies.composite.cells import cells, percent, stages
from trivium.studies.composite.claims import claims
from trivium.studies.composite.measure import (
    DIRECT,
    ERRORS,
    OWN_CASCADE,
    STAGE_ERRORS,
    STAGE_TEXTS,
    STAGES_CASCADE,
    TEXTS,
    Measurement,
)
from trivium.studies.composite.sizes import PLAIN, CompositeStudySettings, SizeName
from trivium.studies.study import Cell, Stage, Study, total_steps
from trivium.studies.views import Column, Report, View, chance_of_score, of_score

WORLD = "world"  # the folder of a corpus that the study makes for itself
MADE: dict[SizeName, WorldSettings] = {
    "test": WorldSettings(size="small", languages=("de", "es", "sw")),
    "world": WorldSettings(size="base"),
}


def own_corpus(size: SizeName, out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The made world that a study without a corpus makes, or continues, in its folder."""
    make_world(out / WORLD, MADE[size], advance=advance)
    return out / WORLD


def composite(settings: CompositeStudySettings, corpus: Path, out: Path) -> Study:
    """The study; nothing is trained before it is run."""
    # A run remembers where everything lies: a study can be continued from any folder.
    corpus, out = corpus.resolve(), out.resolve()
    before = tuple(stages(settings, corpus, out))
    every = tuple(cells(settings, corpus, out))
    measurement = Measurement(settings, corpus, out / "stages")
    report = Report(
        out=out,
        title="Which loss adds what to a composite translator",
        note="Le et al., ComSL (2305.14838).",
        settings=settings,
        facts=facts(settings, Corpus.open(corpus), before, every),
        views=views(settings),
        shared="stages, rows and test set",
        caution=settings.caution,
        scope=settings.scope,
    )
    return Study(
        name="composite",
        out=out,
        stages=before,
        cells=every,
        sign=measurement.sign,
        measure=measurement.measure,
        claims=lambda results: claims(settings, results),
        report=report.write,
    )


def views(settings: CompositeStudySettings) -> tuple[View, ...]:
    """Translation beside cascades by share of the speech; and each loss with one share."""
    led_by, one = settings.led_by, percent(settings.share)

    def column(name: str, task: str, value: str) -> Column:
        chance = chance_of_score(DIRECT, value)
        return Column(name, of_score(task, value), chance if task == DIRECT else None)

    groups = [column(f"{led_by}, {name}", DIRECT, f"{led_by}.{name}") for name in settings.groups]
    translated = (
        column(f"{led_by}, direct", DIRECT, led_by), *groups,
        column("cascade of itself", OWN_CASCADE, led_by),
        column("cascade of the stages", STAGES_CASCADE, led_by),
    )  # fmt: skip
    other = "chrF" if led_by == "BLEU" else "BLEU"
    kept = (
        column(f"{led_by} of texts", TEXTS, led_by),
        column(f"{led_by} of texts, the stage", STAGE_TEXTS, led_by),
        column("WER", ERRORS, "WER.mean"),
        column("CER", ERRORS, "CER"),
        column("CER of the stage", STAGE_ERRORS, "CER"),
        column(f"{other}, direct", DIRECT, other),
    )
    seen = (
        "A cascade writes down first, and translates what was written. Chance is who says any "
        "translation of a training row."
    )
    return (
        View("With how much speech", ("method", "speech"), translated, sentences=(seen,),
             plot="speech"),
        View("Which adds what", ("method",), (*translated[:-1], kept[0]), {"speech": one},
             plot="losses"),
        View("What is kept beside", ("method", "speech"), kept,
             sentences=("WER is the mean of languages with spaces; CER is of all.",)),
    )  # fmt: skip


def facts(
    settings: CompositeStudySettings, corpus: Corpus, before: tuple[Stage, ...],
    every: tuple[Cell, ...],
) -> tuple[str, ...]:  # fmt: skip
    """What a reader must know to believe the numbers, a sentence each."""
    first = {cell.axes["speech"]: cell for cell in every if cell.axes["method"] == PLAIN}
    heard = "; ".join(f"{share} %: {_heard(cell)}" for share, cell in first.items())
    told = ", ".join(f"{stage.name} {total_steps(stage.recipe):,} steps" for stage in before)
    steps = settings.frozen_steps + settings.steps
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in settings.added.items())
    rows = (
        f"Corpus {corpus.card.name}, fingerprint {corpus.card.fingerprint[:12]}, rows where "
        f"{settings.rows}; {', '.join(settings.languages)} into English. Measured on its split "
        f"{settings.split}."
    )
    begun = (
        f"Stages, once for all seeds: {told}. The text network learns all sentences that are "
        "written with a translation; the recogniser all that is said, which stands for a speech "
        "network that others trained."
    )
    paired = (
        f"Translated speech that cells learn from, by share: {heard}. It is chosen by the hash of "
        "ids: what a smaller share has a larger one has too."
    )
    if settings.low and settings.low_share < 1:
        paired += f" Of {', '.join(settings.low)} there is {settings.low_share:g} of that share."
    alike = f"Every cell has {steps:,} steps of the same size, with whatever share."
    if settings.frozen_steps:
        alike += f" In the first {settings.frozen_steps:,} the speech tower stays as it is."
    if not settings.is_new:
        alike += (
            f" Cells begin with an adapter of their seed, which has learned in "
            f"{settings.adapter_steps:,} steps to write down all that is said."
        )
    methods = (
        "plain: translation and recognition of speech, and text translation. mtp, stm, mst, erm: "
        "one more loss of cross-modality learning. guide: text translation guides that of speech. "
        "teacher: the frozen text network guides text translation. all: all of these. thawed: "
        f"all, and the speech tower is trained from the start. What losses count: {weights}; the "
        f"guide is {settings.guide:g} of its losses, the teacher {settings.teacher_guide:g}."
    )
    seeds = (
        "Seeds decide the adapter's new weights, the order of the rows, and what is hidden. "
        "Intervals are over seeds, and the stages are the same for all."
    )
    return rows, begun, paired, alike, methods, seeds


def _heard(cell: Cell) -> str:
    """Rows and hours of a cell's speech."""
    lengths = Source(cell.recipe.sources["spoken"]).lengths
    seconds = float(lengths.sum())
    time = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
    return f"{len(lengths):,} utterances, {time}"
