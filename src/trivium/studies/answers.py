"""What every study's report tells: verdicts, the numbers they rest on, and what is missing."""

from collections.abc import Sequence
from pathlib import Path

from trivium.checkpoint import write_file
from trivium.config import Settings
from trivium.studies.claim import Claim, Verdict
from trivium.studies.page import Section, Table
from trivium.studies.results import Results

RESULTS = "results.json"
PAIRED = (
    "First minus second, paired by seed, with a t interval of 95 % over seeds: where the mean of "
    "many trainings would lie, on the same {shared}. Found is held where all "
    "of the interval is above 0, not held where all of it is below, else undecided. What stands in "
    "brackets, marked +, is told beside and decides nothing."
)


class Answer(Settings):
    """A claim with what was found."""

    claim: Claim
    """The claim and its numbers."""
    verdict: Verdict
    """Held, not held, undecided, not tested."""
    reason: str
    """Why there is none, or nothing."""


class Findings(Settings):
    """What `results.json` holds beside a study's settings."""

    facts: tuple[str, ...]
    """What the report says of what was trained."""
    answers: tuple[Answer, ...]
    """The claims."""
    results: Results
    """Every cell, what is missing and what failed."""


def keep(findings: Findings, out: Path) -> None:
    """Write `results.json`, before anything is drawn."""
    out.mkdir(parents=True, exist_ok=True)
    write_file(out / RESULTS, findings.to_json())


def answered(claims: Sequence[Claim]) -> tuple[Answer, ...]:
    """Claims with their verdicts."""
    return tuple(
        Answer(claim=claim, verdict=claim.verdict, reason=claim.reason) for claim in claims
    )


def claims_table(claims: Sequence[Claim], scope: str) -> Table:
    """A row for each claim: what was found, and what is compared."""
    rows = [
        (str(claim.number), claim.sentence, claim.verdict, claim.reason or claim.here)
        for claim in claims
    ]
    return Table(("", "the paper says", scope, "how, or why not"), tuple(rows), numbers=4)


def evidence_table(claims: Sequence[Claim]) -> Table:
    """A row for each comparison."""
    rows = []
    for claim in claims:
        for one in claim.comparisons:
            found = one.interval
            sides = ([pair[side] for pair in one.values.values()] for side in (0, 1))
            rows.append((
                f"{claim.number}{'' if one.decides else ' +'}", one.first, one.second,
                *(f"{sum(side) / len(side):.2f}" if side else "" for side in sides),
                "" if found is None else f"{found.mean:+.2f}",
                "" if found is None else found.ends, str(len(one.values)),
                one.verdict if one.decides else f"({one.verdict})",
            ))  # fmt: skip
    headers = ("", "first", "second", "first", "second", "difference", "95 %", "seeds", "found")
    return Table(headers, tuple(rows), numbers=3)


def summary(claims: Sequence[Claim], scope: str) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of what a terminal shows at the end."""
    rows = [[str(claim.number), claim.sentence, claim.verdict] for claim in claims]
    return ["claim", "the paper says", scope], rows


def missing_section(results: Results) -> list[Section]:
    """Which planned cells are not there, and what went wrong with some; nothing if all are."""
    if not results.missing:
        return []
    rows = tuple((name, why) for name, why in results.failed.items() if name in results.missing)
    untold = [name for name in results.missing if name not in results.failed]
    told = (f"Not trained yet: {len(untold)} cells, {', '.join(untold)}.",) if untold else ()
    table = Table(("cell", "what went wrong"), rows, numbers=2) if rows else None
    return [Section("Missing cells", told, table)]
