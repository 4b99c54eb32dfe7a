"""Each direction follows the numbers it is about, and a report tells all of them."""

import json

import pytest

from tests.studies.made_fusion import CHANCE, Made, results
from trivium.studies.fusion.claims import claims
from trivium.studies.fusion.sizes import TEST
from trivium.studies.fusion.study import VIEWS
from trivium.studies.views import Report

NUMBERS = range(1, 9)


def verdicts(made=None, apart=False, **changes):
    found = claims(results(made=made, **changes), apart)
    return {claim.number: claim.verdict for claim in found}


def test_all_hold_where_everything_is_as_the_paper_has_it():
    assert verdicts() == dict.fromkeys(NUMBERS, "held")
    assert verdicts(apart=True) == dict.fromkeys(NUMBERS, "held")


class NoPretraining(Made):
    def skill(self, variant):
        bonus = 6.0 if variant.pretraining == "scratch" else 0.0
        return super().skill(variant) + 2 * bonus


class OneProxy(Made):
    def skill(self, variant):
        return super().skill(variant) + 8 * (variant.pretraining == "mcam")


class TextUnread(Made):
    def losses(self, variant):
        found = super().losses(variant)
        return {name: value - 0.1 * ("texts" in name) for name, value in found.items()}


class Joined(Made):
    def skill(self, variant):
        return super().skill(variant) + 5 * (variant.fusion == "concatenation")


class Shallow(Made):
    def skill(self, variant):
        return super().skill(variant) - 5 * (variant.network == "larger")


class OneSide(Made):
    def of_modality(self, variant):
        return -10.0 if variant.modality == "audio" else 0.0


class Causal(Made):
    def losses(self, variant):
        found = super().losses(variant)
        return {name: value - 0.2 * (variant.network == "causal") for name, value in found.items()}


class Many(Made):
    def skill(self, variant):
        few = variant.pretraining == "scratch" and variant.labels < 1
        return super().skill(variant) + 20 * few


@pytest.mark.parametrize(
    ("number", "made"),
    [(1, NoPretraining), (2, OneProxy), (3, TextUnread), (4, Joined), (5, Shallow), (6, OneSide),
     (7, Causal), (8, Many)],
)  # fmt: skip
def test_a_direction_falls_with_its_numbers(number, made):
    assert verdicts(made())[number] == "not held"


def test_in_a_made_world_a_side_that_says_nothing_is_not_to_be_beaten():
    """Audio alone may tell emotions as well as both do, where words know nothing of them."""

    class Apart(Made):
        def of_modality(self, variant):
            return {"audio": -3.0, "text": 4.0, "both": 0.0}[variant.modality]

        def emotion(self, variant):
            late = 5.0 * (variant.network == "late")
            return super().emotion(variant) + late + 5 * (variant.modality == "audio")

    # Sentiment by sound alone is worse, as the words say it.
    class WordsSayIt(Apart):
        def skill(self, variant):
            return super().skill(variant) - 9 * (variant.modality == "audio")

    assert verdicts(WordsSayIt(), apart=True)[3] == "held"
    assert verdicts(WordsSayIt())[3] == "not held"
    assert verdicts(WordsSayIt(), apart=True)[6] == "held"
    control = claims(results(), apart=True)[5].comparisons[-1]
    assert (control.decides, control.second) == (False, "chance")
    assert all(chance == CHANCE for _, chance in control.values.values())
    assert "would leak" in claims(results(), apart=True)[5].here
    assert "would leak" not in claims(results(), apart=False)[5].here


def test_errors_are_compared_the_other_way_round():
    found = claims(results(), apart=False)[0]
    first, second = found.comparisons[2].first, found.comparisons[2].second
    assert (first, second) == ("voices, equal error rate: from new weights", "pre-trained")
    assert found.comparisons[2].interval.mean == pytest.approx(6, abs=0.5)


def test_what_is_missing_is_named_and_decides_nothing():
    gone = "emotion.both.causal"
    found = claims(results(without=[gone]), apart=False)[6]
    assert found.verdict == "not tested"
    assert f"missing are {gone}" in found.reason
    assert verdicts(seeds=1)[1] == "not tested"


def test_the_report_has_a_row_for_every_variant_and_every_pretraining(tmp_path):
    found = results()
    report = Report(tmp_path, "t", "n", TEST, ("A fact.",), VIEWS, caution="Beware.")
    told = report.write(found, claims(found, apart=True)).with_suffix(".md").read_text()
    for row in ("| both | full | orthogonal | both | 100 |", "| both | full | none | text | 100 |",
                "| scratch | full | orthogonal | both | 1 |", "| both | late |", "| mlm | full |",
                "| concatenation |"):  # fmt: skip
        assert row in told, row
    assert told.index("Beware.") < told.index("What they rest on")
    hidden = told[told.index("## What is hidden") :]
    assert "| both | causal | 400.0 ± " in hidden
    assert "| scratch | full | – | – | – |" in hidden
    for name in ("emotion", "sentiment", "hidden"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    kept = json.loads((tmp_path / "results.json").read_text())
    assert len(kept["answers"]) == 8
    assert len(kept["results"]["measured"]) == 66
