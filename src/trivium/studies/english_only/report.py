"""The one report of the study: claims, tables, plots, and everything as JSON."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
from trivium.studies.english_only.cells import MULTI
from trivium.studies.english_only.plots import Line, recall_maps, recall_plot, weights_plot
from trivium.studies.english_only.sizes import EnglishOnlySettings
from trivium.studies.english_only.tables import Configuration, Tables
from trivium.studies.page import Plot, Section, write_report
from trivium.studies.results import Results

SHARED = "towers and the same test set"


class Everything(Findings):
    """What `results.json` holds."""

    settings: EnglishOnlySettings
    """What was trained and measured."""


class Report:
    """Writes what is there, complete or not."""

    def __init__(self, settings: EnglishOnlySettings, out: Path, facts: Sequence[str]) -> None:
        self.settings, self.out = settings, out
        self.facts = tuple(facts)
        self._recall = f"recall@{settings.recall_at}"

    def write(self, results: Results, claims: Sequence[Claim]) -> Path:
        """The page; beside it Markdown, plots and `results.json`."""
        settings = self.settings
        found = answered(claims)
        keep(Everything(settings=settings, facts=self.facts, answers=found, results=results),
             self.out)  # fmt: skip
        note = (
            f"{len(results.measured)} of {len(results.planned)} cells, {settings.seeds} seeds. "
            f"Speech in {', '.join(settings.languages)} on towers that met {settings.home} alone: "
            "the directions of M-SpeechCLIP (arXiv 2211.01180) at the sizes of this study."
        )
        sections = [*self._answers(claims), *self._measured(results)]
        title = "English-only towers and other languages"
        return write_report(self.out, title, note, sections)

    def _answers(self, claims: Sequence[Claim]) -> list[Section]:
        settings = self.settings
        caution = (settings.caution,) if settings.caution else ()
        return [
            Section("The six directions", caution, claims_table(claims, settings.scope)),
            Section("What they rest on", (PAIRED.format(shared=SHARED),), evidence_table(claims)),
            Section("What was trained", self.facts),
        ]

    def _measured(self, results: Results) -> list[Section]:
        """Tables and plots of what is there, and what is missing."""
        tables, missing = Tables(self.settings, results), missing_section(results)
        if not results.measured:
            return missing
        each = f"{self._recall} in percent, each way: the mean over seeds ± half of its interval."
        across = "Speech and speech across languages, never trained for"
        return [
            Section("Speech and pictures", (each,), tables.pictures(), self._recalls(tables)),
            Section(f"Speech and {self.settings.home} text, never trained for", (each,),
                    tables.texts()),
            *([Section(across, ("Of the models for all languages.",), tables.speech(),
                       self._maps(tables))] if results.one(language=MULTI) else []),
            self._weights(tables),
            *missing,
        ]  # fmt: skip

    def _recalls(self, tables: Tables) -> Plot:
        panels, chances = {}, []
        for language in self.settings.languages:
            pair = f"speech.{language}-picture"
            panels[language] = [
                Line(", ".join(of.words), of.training, of.together,
                     tables.series(of, language, pair))
                for of in tables.configurations
            ]  # fmt: skip
            chances += [tables.chance(pair, "picture")]
        chance = next((one for one in chances if one is not None), 0.0)
        title = f"Speech and pictures: {self._recall}, the mean of both ways"
        words = f"{title}, by language and kind of cell, every seed and the interval"
        return Plot("recall.png", words, png(recall_plot(panels, chance, title)))

    def _maps(self, tables: Tables) -> Plot:
        home = self.settings.home
        panels = {
            f"{of.training}, {of.towers}": tables.matrix(of)
            for of in tables.multi
            if _is_there(tables, of)
        }
        title = f"Speech and {home} text: {self._recall}, mean over seeds"
        words = f"{title}; a row searches a column; models for all languages"
        names = [*self.settings.languages, f"{home} text"]
        return Plot("who_finds_whom.png", words, png(recall_maps(names, panels, title)))

    def _weights(self, tables: Tables) -> Section:
        panels = {f"{of.training}, {of.towers}": tables.weights(of) for of in tables.multi}
        there = {name: lines for name, lines in panels.items() if lines}
        words = "Layer weights by language and kind of cell"
        told = (
            "What each state of the speech tower counts in the sum that is pooled, after "
            "training. The dotted line is where all began, the band the interval over seeds."
        )
        plot = Plot(
            "layer_weights.png", words, png(weights_plot([*self.settings.languages, MULTI], there))
        )
        return Section("Layer weights", (told,), plot=plot)


def _is_there(tables: Tables, of: Configuration) -> bool:
    return bool(np.isfinite(tables.matrix(of)).any())
