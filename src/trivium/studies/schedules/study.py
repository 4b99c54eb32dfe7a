"""The study `schedules`, put together from its settings, two corpora and a folder."""

from pathlib import Path
from typing import cast

from trivium.data.corpus import Corpus
from trivium.models.grounded import GroundedSettings
from trivium.studies.schedules.cells import cells
from trivium.studies.schedules.claims import claims
from trivium.studies.schedules.measure import Measurement
from trivium.studies.schedules.report import Report
from trivium.studies.schedules.sizes import SchedulesSettings
from trivium.studies.study import Cell, Study


def schedules(settings: SchedulesSettings, corpus: Path, second: Path, out: Path) -> Study:
    """The study; nothing is trained before it is run."""
    # A run remembers where everything lies: a study can be continued from any folder.
    corpus, second, out = corpus.resolve(), second.resolve(), out.resolve()
    every = tuple(cells(settings, corpus))
    measurement = Measurement(settings, corpus, second)
    told = facts(settings, Corpus.open(corpus), Corpus.open(second), every)
    return Study(
        name="schedules",
        out=out,
        stages=(),
        cells=every,
        sign=measurement.sign,
        measure=measurement.measure,
        claims=lambda results: claims(settings, results),
        report=Report(settings, out, told).write,
    )


def facts(
    settings: SchedulesSettings, corpus: Corpus, second: Corpus, every: tuple[Cell, ...]
) -> tuple[str, ...]:
    """What a reader must know to believe the numbers, a sentence each."""
    system = cast("GroundedSettings", every[0].recipe.settings)
    depth = system.speech.sizes.get("num_hidden_layers", "as many as published")
    corpora = (
        f"Trained on {corpus.card.name}, fingerprint {corpus.card.fingerprint[:12]}, what is said "
        f"in {settings.language} of pictures of its split train; measured on its split "
        f"{settings.split}, retrieval through all of it."
    )
    other = (
        f"The second corpus, which nothing is trained on: {second.card.name}, fingerprint "
        f"{second.card.fingerprint[:12]}, split {settings.second_split}, "
        f"{_languages(second)}. {second.card.source}"
    )
    network = (
        f"The network is that of {settings.recipe}. Layers of its speech tower: {depth}; "
        f"shared by both losses: {system.shared_layers}."
    )
    times = (
        f"Every schedule has {settings.steps:,} steps, which stand for the paper's 70 epochs; a "
        f"sequential one turns after {settings.switch:,}, as after 20 epochs, with a new optimizer "
        "and a new warm-up. VGS+ weighs both losses by half, and both hear one masked pass; VGS "
        "hears what is not masked."
    )
    abx = f"Phones at the end: {settings.abx.words}; chance is 50 %."
    seeds = (
        "Seeds decide the new weights, the order of the rows, the masks and dropout. Intervals are "
        "over seeds. A schedule and the one it begins with are the same run until the switch, but "
        "for the rate, which falls within each phase."
    )
    return corpora, other, network, times, abx, seeds


def _languages(corpus: Corpus) -> str:
    found = corpus.columns("utterances", ["language"]).column("language").to_pylist()
    return ", ".join(sorted({str(language) for language in found})) or "of no language"
