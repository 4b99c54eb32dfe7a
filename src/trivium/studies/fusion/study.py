"""The study `fusion`, put together from its settings, a corpus and a folder."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from trivium.data.corpus import Corpus
from trivium.data.world.build import WorldSettings, make_world
from trivium.recipes.fused import Wish
from trivium.studies.fusion.cells import cells, stages
from trivium.studies.fusion.claims import OVERLAPS, READ, UNWEIGHTED, claims, loss, scaled
from trivium.studies.fusion.measure import MCAM, MLM, OTHERS, OWN, Measurement
from trivium.studies.fusion.sizes import FULL, FusionSettings, SizeName
from trivium.studies.study import Study
from trivium.studies.views import Column, Report, View, chance_of_score, of_score
from trivium.tasks.rows import where_of

WORLD = "world"  # the folder of a corpus that the study makes for itself
MADE: dict[SizeName, WorldSettings] = {
    "test": WorldSettings(size="small", languages=("en", "de", "es", "sw")),
    "world": WorldSettings(size="base"),
}
VARIANT = ("pretraining", "network", "fusion", "modality", "labels")


def own_corpus(size: SizeName, out: Path, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The made world that a study without a corpus makes, or continues, in its folder."""
    make_world(out / WORLD, MADE[size], advance=advance)
    return out / WORLD


def fusion(settings: FusionSettings, corpus: Path, out: Path) -> Study:
    """The study; nothing is trained before it is run."""
    # A run remembers where everything lies: a study can be continued from any folder.
    corpus, out = corpus.resolve(), out.resolve()
    opened = Corpus.open(corpus)
    # Of other corpora nobody says that the words know nothing of emotion.
    apart = opened.card.made_by.get("command") == "world"
    measurement = Measurement(settings, corpus, out / "stages")
    report = Report(
        out=out,
        title="Text and audio in one transformer",
        note="What pre-training, attention to the text, the head, each modality and few labels do: "
        "the ablation of CTAL (arXiv 2109.00181).",
        settings=settings,
        facts=facts(settings, opened),
        views=VIEWS,
        shared="pairs, labels and held-out speakers",
        caution=settings.caution,
        scope=settings.scope,
    )
    return Study(
        name="fusion",
        out=out,
        stages=tuple(stages(settings, corpus)),
        cells=tuple(cells(settings, corpus, out)),
        sign=measurement.sign,
        measure=measurement.measure,
        claims=lambda results: claims(results, apart),
        report=report.write,
    )


def facts(settings: FusionSettings, corpus: Corpus) -> tuple[str, ...]:
    """What a reader must know to believe the numbers, a sentence each."""
    card, system = corpus.card, settings.system
    counts = [
        f"{wish} {_count(corpus, settings.rows[wish]):,}" for wish in settings.ablation
    ]  # fmt: skip
    before, after = (
        sum(phase.steps for phase in training.phases)
        for training in (settings.pretraining, settings.tuning)
    )
    rows = (
        f"Corpus: {card.name}, fingerprint {card.fingerprint[:12]}. Pre-trained on "
        f"{_count(corpus, settings.pairs):,} utterances of its split train; labelled rows there: "
        f"{', '.join(counts)}."
    )
    network = (
        f"Layers of the full model: text {system.text.layers}, audio {system.audio.layers}, "
        f"{system.width} wide; audio hears both directions and attends to the text."
    )
    steps = (
        f"A pre-training has {before:,} steps, a cell {after:,}, with few labels too; `scratch` "
        "begins with new weights, and reads with the tokenizer of the pre-training."
    )
    held_out = (
        f"Measured on the split {settings.split}, whose speakers are in no training of a task. "
        "Nothing was chosen on it, nor stopped early: the last checkpoint of each run is measured."
    )
    losses = (
        f"Losses are of held-out rows, of each of which something else is hidden {settings.draws} "
        "times; beside other texts means beside that of the row before, with the same hidden."
    )
    shares = (
        "A smaller share of the labels is within each larger one, and has as many of each label "
        "as its share, at least one."
    )
    seeds = "Seeds decide new weights, the order of rows, what is hidden, and dropout."
    return rows, network, steps, held_out, *_constants(settings, corpus), losses, shares, seeds


def _count(corpus: Corpus, where: str) -> int:
    return len(corpus.columns("utterances", ["id"], where_of("train", where)))


def _constants(settings: FusionSettings, corpus: Corpus) -> Iterator[str]:
    """What always answering the same gets on held-out rows."""

    def held_out(wish: Wish, column: str) -> list[Any]:
        where = where_of(settings.split, settings.rows[wish], f"{column} is not null")
        told: list[Any] = corpus.columns("utterances", [column], where)[column].to_pylist()
        return told

    if "emotion" in settings.ablation:
        found = Counter(held_out("emotion", "label"))
        [(name, count)] = found.most_common(1)
        yield (
            f"Of {found.total():,} held-out emotions {count:,} are {name!r}: always saying so has "
            f"an accuracy of {100 * count / found.total():.1f} and an unweighted accuracy of "
            f"{100 / len(found):.1f}."
        )
    if "sentiment" in settings.ablation:
        scores = held_out("sentiment", "score")
        centre = fmean(scores)
        error = fmean(abs(score - centre) for score in scores)
        yield f"Always giving the mean of the held-out scores has an MAE of {error:.2f}."


def _of_task(task: str, *names: str) -> tuple[Column, ...]:
    """Values of a task, with what chance gives."""
    return tuple(Column(name, of_score(task, name), chance_of_score(task, name)) for name in names)


_FULL = FULL.axes
ROWS = (
    "Rows of the split that is measured; in the last column those that the cell was trained on. "
    "The first row is the full model; the plot names the axes in this order."
)
SCALE = (
    "Acc-2 and F1 are of the sign, where it is not 0; MAE is in hundredths of a scale from -3 to 3."
)
VIEWS = (
    View(
        "Emotion", VARIANT,
        (*_of_task("emotion", "accuracy", UNWEIGHTED, "macro F1"),
         Column("unweighted, own rows", of_score(OWN, UNWEIGHTED))),
        {"task": "emotion"},
        (ROWS,),
        plot="emotion",
    ),
    View(
        "Sentiment", VARIANT,
        (*_of_task("sentiment", "Acc-2 Non0", "F1 Non0"),
         Column("MAE x 100", scaled(READ["sentiment"])),
         Column("MAE x 100, own rows", scaled(of_score(OWN, "MAE")))),
        {"task": "sentiment"},
        (SCALE,),
        plot="sentiment",
    ),
    View("Voices", VARIANT, _of_task("voices", "EER"), {"task": "voices"},
         ("Trials of speakers that are in no training.",)),
    View(
        "What is hidden", ("pretraining", "network"),
        (Column("MLM x 100", loss(MLM)), Column("MCAM x 100", loss(MCAM)),
         Column("MCAM beside other texts x 100", loss(OTHERS))),
        {"task": "emotion", **{name: _FULL[name] for name in ("fusion", "modality", "labels")}},
        ("Of the pre-trainings, on held-out rows; `scratch` has none.",),
        plot="hidden",
    ),
    View(
        "How far the streams overlap", ("fusion",), (Column("overlap, %", OVERLAPS),),
        {"task": "emotion", **{name: _FULL[name] for name in VARIANT if name != "fusion"}},
        ("The mean of two absolute cosines of what is pooled of both streams, on held-out rows.",),
    ),
)  # fmt: skip
