"""The one report of the study: findings, tables, plots, and everything as JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path

from trivium.recipes.grounded import SCHEDULES
from trivium.report import png
from trivium.studies.answers import (
    PAIRED,
    Findings,
    answered,
    claims_table,
    evidence_table,
    keep,
    missing_section,
)
from trivium.studies.claim import Claim
from trivium.studies.page import Plot, Section, write_report
from trivium.studies.results import Measured, Results
from trivium.studies.schedules.cells import ALL, UNTRAINED
from trivium.studies.schedules.claims import Evidence, best_on_the_way, by_layer, mean
from trivium.studies.schedules.measure import AFTER, OWN, SECOND, SHARED
from trivium.studies.schedules.plots import Axis, Line, Row, grid
from trivium.studies.schedules.sizes import SchedulesSettings
from trivium.studies.schedules.tables import SPEAKERS, Tables, after_switch, paper

PANELS = {
    "one loss, or both": ("W2V2", "VGS", "VGS+"),
    "... then both": ("(W2V2,VGS+)", "(VGS,VGS+)"),
    "... then grounding": ("(W2V2,VGS)", "(VGS+,VGS)"),
    "... then self-supervision": ("(VGS,W2V2)", "(VGS+,W2V2)"),
}
# Lines are told apart by what a schedule begins with.
BEGINS = {"W2V2": 0, "VGS": 1, "VGS+": 2}
ON_THE_WAY = (
    "Measured on the way on the corpus that is trained on; phones alone, whatever stands beside "
    "them, the best layer. The dotted lines are the switch and chance."
)
SMOOTH = 9  # lines of losses whose mean is drawn
Curve = tuple[Sequence[float], Sequence[float]]  # x and y of one cell


class Everything(Findings):
    """What `results.json` holds."""

    settings: SchedulesSettings
    """What was trained and measured."""


class Report:
    """Writes what is there, complete or not."""

    def __init__(self, settings: SchedulesSettings, out: Path, facts: Sequence[str]) -> None:
        self.settings, self.out = settings, out
        self.facts = tuple(facts)

    def write(self, results: Results, claims: Sequence[Claim]) -> Path:
        """The page; beside it Markdown, plots and `results.json`."""
        settings = self.settings
        found = answered(claims)
        keep(Everything(settings=settings, facts=self.facts, answers=found, results=results),
             self.out)  # fmt: skip
        note = (
            f"{len(results.measured)} of {len(results.planned)} cells, {settings.seeds} seeds of "
            f"{settings.steps:,} steps each. wav2vec 2.0 (W2V2), visual grounding (VGS) or both "
            "(VGS+), at once or one after the other: the findings of arXiv 2306.02972 at the sizes "
            "of this study."
        )
        sections = [*self._answers(results, claims), *self._measured(results)]
        return write_report(self.out, "Simultaneous or sequential training", note, sections)

    def _answers(self, results: Results, claims: Sequence[Claim]) -> list[Section]:
        settings = self.settings
        caution = (settings.caution,) if settings.caution else ()
        paired = PAIRED.format(shared="corpora")
        return [
            Section("The seven findings", caution, claims_table(claims, settings.scope)),
            Section("Retrieval after VGS, then W2V2", (after_switch(Evidence(settings, results)),)),
            Section("What they rest on", (paired,), evidence_table(claims)),
            Section("What was trained", self.facts),
        ]

    def _measured(self, results: Results) -> list[Section]:
        """Tables and plots of what is there, and what is missing."""
        tables, missing = Tables(self.settings, results), missing_section(results)
        if not results.measured:
            return missing
        each = (
            "Recall in percent and ABX error in percent of the best layer, which stands in "
            "brackets, for each seed its own: the mean over seeds ± half of its interval. Which "
            "layer is the best was seen on the same phones. Untrained: random weights."
        )
        few = (
            f"With {self.settings.share:.0%} of the pictures, the first by id, in as many steps; "
            "self-supervision hears all the sound in a pass of its own."
        )
        return [
            Section("Nine schedules", (each,), tables.schedules()),
            Section("The paper's own numbers", (
                "SpokenCOCO, and phones of LibriSpeech: other data, other sizes.",), paper()),
            *([Section("Few pictures", (few,), tables.few())] if self.settings.few else []),
            Section("Error by layer", (self._border(results),),
                    plot=self._by_layer(results, SECOND)),
            Section("Error by layer, on the corpus that is trained on",
                    plot=self._by_layer(results, OWN)),
            Section("What is learned and forgotten", (ON_THE_WAY,),
                    plot=self._forgetting(results)),
            Section("Losses", ("Means of several steps.",), plot=self._losses(results)),
            *missing,
        ]  # fmt: skip

    def _border(self, results: Results) -> str:
        shared = results.measured[0].curves[SHARED][0]
        return (
            "0 is what enters the first layer. Layers to the left of the dotted line, the last is "
            f"{shared:.0f}, serve both losses; those to the right self-supervision alone, and VGS "
            "leaves them as they began."
        )

    def _by_layer(self, results: Results, corpus: str) -> Plot:
        rows = []
        for speakers in SPEAKERS:

            def read(one: Measured, speakers: str = speakers) -> Curve:
                errors = by_layer(one, corpus, speakers)
                return range(len(errors)), errors

            untrained = self._line(results, UNTRAINED, UNTRAINED, None, read)
            panels = {name: [*lines, *untrained]
                      for name, lines in self._panels(results, read).items()}  # fmt: skip
            rows.append(Row(f"{speakers} speakers, %", panels))
        border = results.measured[0].curves[SHARED][0] + 0.5
        which = "the second corpus" if corpus == SECOND else "the corpus that is trained on"
        title = f"ABX error by layer on {which}"
        axis = Axis("layer", border, whole=True)
        return Plot(f"abx_{corpus}.png", title, png(grid(rows, axis, title)))

    def _forgetting(self, results: Results) -> Plot:
        settings = self.settings

        def recall(one: Measured) -> Curve:
            return [settings.epochs(step) for step in one.curves[AFTER]], one.curves["recall"]

        def error(one: Measured) -> Curve:
            return [settings.epochs(step) for step in one.curves[AFTER]], best_on_the_way(one)

        chance = results.measured[0].curves["chance"][-1]
        rows = [
            Row(f"recall@{settings.recall_at}, %", self._panels(results, recall), chance),
            Row("ABX across speakers, %", self._panels(results, error)),
        ]
        title = "Retrieval and phones while training"
        return Plot("forgetting.png", title, png(grid(rows, self._time(), title)))

    def _losses(self, results: Results) -> Plot:
        rows = []
        for label, names in (("grounding", ("ground", "masked_ground")),
                             ("self-supervision", ("ssl",))):  # fmt: skip

            def read(one: Measured, names: tuple[str, ...] = names) -> Curve:
                points: list[tuple[float, float]] = []
                for name in names:
                    steps, losses = (one.curves.get(f"loss/{name}{of}", ()) for of in ("/step", ""))
                    smooth = [mean(losses[max(0, at - SMOOTH + 1) : at + 1])
                              for at in range(len(losses))]  # fmt: skip
                    points += zip(map(self.settings.epochs, steps), smooth, strict=True)
                points.sort()
                return [x for x, _ in points], [y for _, y in points]

            rows.append(Row(label, self._panels(results, read)))
        title = "Losses while training"
        axis = Axis("epochs of 70", self._time().marked, markers=False)
        return Plot("losses.png", title, png(grid(rows, axis, title)))

    def _time(self) -> Axis:
        return Axis("epochs of 70", self.settings.epochs(self.settings.switch))

    def _panels(
        self, results: Results, read: Callable[[Measured], Curve]
    ) -> dict[str, Sequence[Line]]:
        """Lines of the schedules that are there, by what they end with."""
        known = {name for names in PANELS.values() for name in names}
        others = tuple(name for name in self.settings.schedules if name not in known)
        panels = {**PANELS, **({"other schedules": others} if others else {})}
        found: dict[str, Sequence[Line]] = {}
        for panel, names in panels.items():
            lines: list[Line] = []
            for place, name in enumerate(names):
                first = SCHEDULES.get(name, ("",))[0]
                label = f"begins with {first}" if first else name
                lines += self._line(results, name, label, BEGINS.get(first, 3 + place), read)
            found[panel] = lines
        return found

    def _line(
        self,
        results: Results,
        schedule: str,
        label: str,
        place: int | None,
        read: Callable[[Measured], Curve],
    ) -> list[Line]:
        """A schedule's line; none where no seed of it is there, or it has no such numbers."""
        wanted = {"schedule": schedule, "pictures": ALL}
        curves = [read(one) for one in results.measured if wanted.items() <= one.axes.items()]
        curves = [(x, y) for x, y in curves if y]
        return [Line(label, place, curves[0][0], [y for _, y in curves])] if curves else []
