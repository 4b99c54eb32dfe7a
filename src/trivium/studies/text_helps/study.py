"""The study `text-helps`, put together from its settings, a corpus and a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from trivium.data.corpus import Corpus
from trivium.data.source import SourceSettings
from trivium.data.world.build import WorldSettings, make_world
from trivium.errors import CorpusError
from trivium.models.joint import JointSettings
from trivium.studies.study import Stage, Study
from trivium.studies.text_helps.cells import cells, stages
from trivium.studies.text_helps.claims import claims
from trivium.studies.text_helps.measure import Measurement
from trivium.studies.text_helps.report import guesses_of, write
from trivium.studies.text_helps.sizes import CONTINUED, SizeName, TextHelpsSettings

WORLD = "world"  # the folder of a corpus that the study makes for itself
MADE: dict[SizeName, WorldSettings] = {
    "test": WorldSettings(size="small", languages=("en", "es", "de")),
    "world": WorldSettings(size="base"),
}


def own_corpus(size: SizeName, out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The made world that a study without a corpus makes, or continues, in its folder."""
    make_world(out / WORLD, MADE[size], advance=advance)
    return out / WORLD


def text_helps(settings: TextHelpsSettings, corpus: Path, out: Path) -> Study:
    """The study; nothing is trained before it is run."""
    # A run remembers where everything lies: a study can be continued from any folder.
    corpus, out = corpus.resolve(), out.resolve()
    before = tuple(stages(settings, corpus, out))
    measurement = Measurement(settings, corpus, out / "stages")
    told = facts(settings, Corpus.open(corpus), before[0])
    guesses = guesses_of(cast("JointSettings", before[0].recipe.settings))
    return Study(
        name="text-helps",
        out=out,
        stages=before,
        cells=tuple(cells(settings, corpus, out)),
        sign=measurement.sign,
        measure=measurement.measure,
        claims=lambda results: claims(settings, results),
        report=lambda results, found: write(settings, out, told, guesses, results, found),
    )


def facts(settings: TextHelpsSettings, corpus: Corpus, stage: Stage) -> tuple[str, ...]:
    """What a reader must know to believe the numbers, a sentence each."""
    sources = stage.recipe.sources
    speech, text, pairs = (counted(corpus, sources[name]) for name in ("speech", "text", "pairs"))
    if not pairs["characters"]:
        raise CorpusError(
            f"{corpus.path} has no utterance with a text among the {settings.paired:.2%} of its "
            f"{speech['rows']:,} that are pairs ({settings.rows or 'all rows'} of the split "
            "train); raise paired, or name another corpus"
        )
    which = f" where {settings.rows}" if settings.rows else ""
    rows = (
        f"Corpus {corpus.card.name}, fingerprint {corpus.card.fingerprint[:12]}, rows{which}: "
        f"trained on its split train, measured on its split {settings.split}."
    )
    amounts = (
        f"Pre-training has {_hours(speech)} of speech in {speech['rows']:,} utterances, "
        f"{text['characters']:,.0f} characters in {text['rows']:,} sentences that nobody says, and "
        f"the texts of {pairs['rows']:,} utterances, {settings.paired:.0%} of all by the hash of "
        f"their ids: pairs of {_hours(pairs)} and {pairs['characters']:,.0f} characters. "
        f"Unpaired text is {text['characters'] / pairs['characters']:.1f} times that of the pairs."
    )
    body = cast("JointSettings", stage.recipe.settings).conformer
    sizes = "" if body is None else f" of {body.layers} layers of width {body.width}"
    variants = (
        f"Variants are one network{sizes}, trained for {settings.steps:,} steps; they differ in "
        f"which losses count: speech 1, text {settings.text_weight:g}, each loss of pairs "
        f"{settings.pair_weight:g}. All begin with the same weights, and read the same rows of "
        "what they read."
    )
    after = (
        f"Variant {CONTINUED} is tlm+ctc, trained for {settings.continued_steps:,} further steps "
        "on speech alone."
    )
    few = (
        f"Of {', '.join(settings.low)} {settings.low_share:.0%} of the translated speech is "
        "learned from, and all sentences."
    )
    tuned = (
        f"Each is tuned for each task: {settings.head_steps:,} steps of the new head, then "
        f"{settings.tuned_steps:,} of all of it; a probe for {settings.probe_steps:,} steps of its "
        "head alone. Recognition hears the text of every utterance, not of the pairs alone."
    )
    seeds = (
        "Seeds decide the new weights, masks, dropout and the order of the rows, of the "
        "pre-training and of what follows. Intervals are over seeds."
    )
    told = [rows, amounts, variants, *([after] if settings.continued_steps else []),
            *([few] if settings.low else []), tuned, seeds]  # fmt: skip
    return tuple(told)


def counted(corpus: Corpus, source: SourceSettings) -> dict[str, float]:
    """Rows, seconds and characters of what a source draws from, known or 0."""
    spoken = source.table == "utterances"
    names = ["characters", *(["seconds"] if spoken else [])]
    found = corpus.columns(source.table, names, source.filter)
    sums = {name: sum(value or 0 for value in found[name].to_pylist()) for name in names}
    return {"rows": len(found), **sums}


def _hours(amount: dict[str, float]) -> str:
    seconds = amount["seconds"]
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
