"""The directions of 2305.14838, as comparisons of what the cells measured."""

import math
from collections.abc import Callable

from trivium.studies.claim import Claim
from trivium.studies.composite.cells import percent
from trivium.studies.composite.measure import (
    DIRECT,
    ERRORS,
    OWN_CASCADE,
    STAGE_TEXTS,
    STAGES_CASCADE,
    TEXTS,
)
from trivium.studies.composite.sizes import ALL, PLAIN, THAWED, CompositeStudySettings
from trivium.studies.results import Results, Series, larger
from trivium.studies.views import of_score


class Evidence:
    """Numbers of the study by the words of its claims; each a series over seeds."""

    def __init__(self, settings: CompositeStudySettings, results: Results) -> None:
        self.settings, self.results = settings, results
        self.least, self.most = percent(settings.shares[0]), percent(settings.shares[-1])
        self.one = percent(settings.share)
        """The share that every method has."""

    def of(self, method: str, share: str, task: str = DIRECT, group: str = "") -> Series:
        """What translation is measured by; of all directions, or of a group of them."""
        name = self.settings.led_by + (f".{group}" if group else "")
        found = self.results.series(of_score(task, name), method=method, speech=share)
        # A group without a row has no number.
        there = {seed: value for seed, value in found.values.items() if math.isfinite(value)}
        return Series(there, found.missing)

    def errors(self, method: str, share: str) -> Series:
        """Wrong characters of what is written down."""
        return self.results.series(of_score(ERRORS, "CER"), method=method, speech=share)

    def gain(self, share: str, group: str = "") -> Series:
        """What all losses add to the plain ones."""
        return self.of(ALL, share, group=group) - self.of(PLAIN, share, group=group)

    def has(self, method: str) -> bool:
        """Whether a method is part of the study."""
        return method in self.settings.methods


def claims(settings: CompositeStudySettings, results: Results) -> tuple[Claim, ...]:
    """All, with what cannot be tested here."""
    evidence = Evidence(settings, results)
    return tuple(claim(evidence) for claim in CLAIMS)


def cascade(evidence: Evidence) -> Claim:
    """Claim 1."""
    share = evidence.most
    made, own, stages = (
        evidence.of(ALL, share, task) for task in (DIRECT, OWN_CASCADE, STAGES_CASCADE)
    )
    return Claim(
        number=1,
        sentence="One composite model translates speech better than a cascade of its parts.",
        here=f"{evidence.settings.led_by} of `all` with all of the speech, against the recogniser "
        "and the text network that it began with, and against itself as a cascade. The recogniser "
        "writes lower case, which the text network has not seen.",
        comparisons=(
            larger("all, directly", made, "cascade of the stages", stages),
            larger("all, directly", made, "as a cascade of itself", own),
            larger("plain, directly", evidence.of(PLAIN, share), "cascade of the stages", stages,
                   decides=False),
        ),
    )  # fmt: skip


def zero_shot(_: Evidence) -> Claim:
    """Claim 2."""
    return Claim(
        number=2,
        sentence="Composite fine-tuning beats Whisper that was not fine-tuned.",
        here="",
        untestable="nothing here was published, and no speech translator is there before tuning",
    )


def low_resource(evidence: Evidence) -> Claim:
    """Claim 3."""
    low, high = (evidence.gain(evidence.most, group) for group in ("low", "high"))
    return Claim(
        number=3,
        sentence="Languages with little translated speech gain most.",
        here="What `all` adds to `plain`, with all of the speech; the paper's gains are over "
        "Whisper, which is not here.",
        comparisons=(larger("added, low", low, "high", high),),
        untestable="" if evidence.settings.groups else "no language is said to have little speech",
    )


def each_loss(evidence: Evidence) -> Claim:
    """Claim 4."""
    share = evidence.one
    plain = evidence.of(PLAIN, share)
    decide = (ALL, "erm", "mtp", "guide")
    told = [name for name in (*decide, "stm", "mst") if evidence.has(name)]
    return Claim(
        number=4,
        sentence="Cross-modality learning adds to translation, recognition and text translation; "
        "encoder matching, masked tokens and a guided decoder add something each.",
        here=f"{evidence.settings.led_by} of speech with {share} % of it, each against `plain`.",
        comparisons=tuple(
            larger(name, evidence.of(name, share), PLAIN, plain, decides=name in decide)
            for name in told
        ),
        untestable=_lacks(evidence, *decide),
    )


def teacher(evidence: Evidence) -> Claim:
    """Claim 5."""
    name, share = "teacher", evidence.one
    taught, plain = (
        {task: evidence.of(method, share, task) for task in (TEXTS, DIRECT)}
        for method in (name, PLAIN)
    )
    before = evidence.of(PLAIN, share, STAGE_TEXTS)
    return Claim(
        number=5,
        sentence="A frozen text network as teacher keeps text translation from degrading, and "
        "helps that of speech.",
        here=f"{evidence.settings.led_by} with {share} % of the speech, against `plain`.",
        comparisons=(
            larger("texts, with a teacher", taught[TEXTS], PLAIN, plain[TEXTS]),
            larger("speech, with a teacher", taught[DIRECT], PLAIN, plain[DIRECT]),
            larger("texts, the network it began with", before, PLAIN, plain[TEXTS], decides=False),
        ),
        untestable=_lacks(evidence, name),
    )


def pseudo(_: Evidence) -> Claim:
    """Claim 6."""
    return Claim(
        number=6,
        sentence="Speech with translations that a text network made adds on top.",
        here="",
        untestable="the study makes none; `trivium pseudo-label` does",
    )


def frozen(evidence: Evidence) -> Claim:
    """Claim 7."""
    share = evidence.one
    kept, thawed = (evidence.of(name, share) for name in (ALL, THAWED))
    found = (
        larger(ALL, kept, THAWED, thawed),
        larger("errors, thawed", evidence.errors(THAWED, share), ALL,
               evidence.errors(ALL, share), decides=False),
    )  # fmt: skip
    return Claim(
        number=7,
        sentence="The speech tower should stay as it is while the adapter is new.",
        here=f"{evidence.settings.led_by} of `all` with {share} % of the speech, against the same "
        "with nothing frozen.",
        comparisons=found if evidence.has(THAWED) else (),
        untestable=_lacks(evidence, THAWED)
        if evidence.settings.is_new
        else "cells do not begin with a new adapter: a stage has made it (adapter_steps)",
    )


def efficiency(evidence: Evidence) -> Claim:
    """What the whole paper is for; it has no number among its claims."""
    least, most = evidence.least, evidence.most
    return Claim(
        number=8,
        sentence="Cross-modality learning is data-efficient: it adds most where there is little "
        "translated speech.",
        here=f"What `all` adds to `plain` with {least} % of the speech, against nothing, and "
        f"against what it adds with {most} %.",
        comparisons=(
            larger(f"all, {least} %", evidence.of(ALL, least), f"plain, {least} %",
                   evidence.of(PLAIN, least)),
            larger(f"added, {least} %", evidence.gain(least), f"{most} %", evidence.gain(most)),
        ),
        untestable="" if least != most else f"there is one share of the speech, {most} %",
    )  # fmt: skip


def _lacks(evidence: Evidence, *methods: str) -> str:
    """Why a claim about methods cannot be tested, if some are not trained."""
    lacking = [name for name in methods if not evidence.has(name)]
    return f"methods lack {', '.join(lacking)}" if lacking else ""


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    cascade, zero_shot, low_resource, each_loss, teacher, pseudo, frozen, efficiency,
)  # fmt: skip
