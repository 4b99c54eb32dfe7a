"""The eight directions of mSLAM (2202.01374), as comparisons of what the cells measured."""

from collections.abc import Callable, Sequence

from trivium.studies.claim import Claim, Comparison
from trivium.studies.results import Measured, Read, Results, Series, larger
from trivium.studies.text_helps.sizes import (
    BEST,
    CONTINUED,
    INTO,
    WITHOUT_TEXT,
    TextHelpsSettings,
)
from trivium.studies.views import of_score

ALONE = "speech-only"
TLM = "tlm"
SPEECH, TEXT = "translation.speech", "translation.text"
ACCURACY = {"intents": "classification.label", "probe": "classification.label",
            "languages": "classification.language"}  # fmt: skip


class Evidence:
    """Numbers of the study by the words of its claims; each a series over seeds."""

    def __init__(self, settings: TextHelpsSettings, results: Results) -> None:
        self.settings, self.results = settings, results
        found = (one for one in results.measured if one.axes["task"] == "translation")
        told = next((one.score(SPEECH).values for one in found), {})
        pairs = [name.split(".")[1] for name in told if name.startswith("BLEU.")]
        sources = {pair: pair.removesuffix(f"-{INTO}") for pair in pairs}
        self.low = [pair for pair, source in sources.items() if source in settings.low]
        self.high = [pair for pair, source in sources.items() if source not in settings.low]

    def translation(
        self, variant: str, given: str = "speech", task: str = SPEECH, pairs: Sequence[str] = ()
    ) -> Series:
        """Of speech, or of what the same utterances have as text; over all directions or some."""
        return self._of(variant, "translation", self._mean(task, pairs), given)

    def gain(self, variant: str, pairs: Sequence[str] = ()) -> Series:
        """What texts to translate add to the translation of speech."""
        return (self.translation(variant, "speech+text", pairs=pairs)
                - self.translation(variant, pairs=pairs))  # fmt: skip

    def errors(self, variant: str) -> Series:
        """Of recognition, in percent of the characters."""
        return self._of(variant, "recognition", of_score("recognition", "CER"))

    def accuracy(self, variant: str, task: str) -> Series:
        """Of labels, in percent."""
        return self._of(variant, task, of_score(ACCURACY[task], "accuracy"))

    def _of(self, variant: str, task: str, read: Read, given: str = "speech") -> Series:
        axes = {"variant": variant, "task": task, "learns from": given}
        return self.results.series(read, **axes)

    def _mean(self, task: str, pairs: Sequence[str]) -> Read:
        """The number that claims use, of all directions or the mean of some."""
        led_by = self.settings.led_by
        names = [f"{led_by}.{pair}" for pair in pairs] or [led_by]

        def read(one: Measured) -> float:
            values = one.score(task).values
            return sum(values[name] for name in names) / len(names)

        return read


def claims(settings: TextHelpsSettings, results: Results) -> tuple[Claim, ...]:
    """All eight, with what this study cannot test."""
    evidence = Evidence(settings, results)
    reasons = {
        7: "it compares with a network that knows texts alone, and two sizes; there is none here, "
        "and one size",
        **settings.untestable,
    }
    if not settings.low:
        reasons[3] = "every language has all of its translated speech: `low` names none"
    if not settings.continued_steps:
        reasons[8] = "nothing is trained on speech alone after tlm+ctc: continued_steps is 0"
    return tuple(
        made.model_copy(update={"untestable": reasons.get(made.number, "")})
        for made in (claim(evidence) for claim in CLAIMS)
    )


def tlm_hurts(evidence: Evidence) -> Claim:
    """Direction 1."""

    def more(first: str, second: str, decides: bool = True) -> Comparison:
        return larger(first, evidence.translation(first), second, evidence.translation(second),
                      decides=decides)  # fmt: skip

    return Claim(
        number=1,
        sentence="Text with TLM, without CTC, hurts the translation of speech; CTC recovers it.",
        here=f"{_translated(evidence)}, learned from speech alone.",
        comparisons=(
            more(ALONE, TLM), more(BEST, TLM), more(BEST, ALONE, False), more("ctc", ALONE, False),
        ),
    )  # fmt: skip


def text_gains(evidence: Evidence) -> Claim:
    """Direction 2."""

    def gains(variant: str) -> Comparison:
        return larger(
            f"{variant}, with texts", evidence.translation(variant, "speech+text"), "without",
            evidence.translation(variant), decides=False,
        )  # fmt: skip

    return Claim(
        number=2,
        sentence="Tuned on texts to translate too, an encoder that was pre-trained on text gains "
        "more than one that was not.",
        here=f"{_translated(evidence)}: with such texts minus without.",
        comparisons=(
            larger(f"gain of {BEST}", evidence.gain(BEST), f"gain of {ALONE}",
                   evidence.gain(ALONE)),
            *(gains(variant) for variant in evidence.settings.variants),
        ),
    )  # fmt: skip


def low_resource(evidence: Evidence) -> Claim:
    """Direction 3."""
    low, high, settings = evidence.low, evidence.high, evidence.settings

    def more(variant: str, decides: bool) -> Comparison:
        first, second = (evidence.gain(variant, pairs) for pairs in (low, high))
        few, many = ", ".join(low) or "few", ", ".join(high) or "many"
        return larger(f"gain of {variant}, {few}", first, many, second, decides=decides)

    return Claim(
        number=3,
        sentence="The gain by texts to translate is largest for languages with little translated "
        "speech (published for 2 billion parameters).",
        here=f"{_translated(evidence)}: with such texts minus without. Little: "
        f"{settings.low_share:.0%} of it.",
        comparisons=(more(BEST, True), more(ALONE, False)),
    )


def labels(evidence: Evidence) -> Claim:
    """Direction 4."""

    def more(first: str, second: str, task: str, decides: bool = True) -> Comparison:
        return larger(
            f"{task}: {first}", evidence.accuracy(first, task), second,
            evidence.accuracy(second, task), decides=decides,
        )  # fmt: skip

    return Claim(
        number=4,
        sentence="Intents and languages are told better than after speech alone; CTC without text "
        "gets about half of the gain of intents.",
        here="Accuracy. About half: more than after speech alone, and less than with text. Beside "
        "it intents told by a probe, whose encoder stays as it is.",
        comparisons=(
            more(BEST, ALONE, "intents"), more(BEST, ALONE, "languages"),
            more(WITHOUT_TEXT, ALONE, "intents"), more(BEST, WITHOUT_TEXT, "intents"),
            more(BEST, ALONE, "probe", False), more("ctc", ALONE, "probe", False),
        ),
    )  # fmt: skip


def recognition_is_the_same(evidence: Evidence) -> Claim:
    """Direction 5."""
    alone, best, margin = evidence.errors(ALONE), evidence.errors(BEST), evidence.settings.same

    def shifted(series: Series) -> Series:
        moved = {seed: value + margin for seed, value in series.values.items()}
        return Series(moved, series.missing)

    return Claim(
        number=5,
        sentence="Recognition stays as it is: within 0.2 points of WER.",
        here=f"CER, since not every language has words. The same is what differs by less than "
        f"{margin:g} points: each, with so much added, is above the other.",
        comparisons=(
            larger(f"{BEST} + {margin:g}", shifted(best), ALONE, alone),
            larger(f"{ALONE} + {margin:g}", shifted(alone), BEST, best),
            larger(ALONE, alone, BEST, best, decides=False),
        ),
    )  # fmt: skip


def texts_never_seen(evidence: Evidence) -> Claim:
    """Direction 6."""
    read = evidence.translation(BEST, task=TEXT)
    return Claim(
        number=6,
        sentence="A decoder that has learned from speech alone translates texts, where the "
        "script is that of the pairs; one that has learned from texts does not translate speech.",
        here=f"{evidence.settings.led_by} of the texts of the same utterances, by {BEST}: above "
        f"that of {ALONE}, whose encoder never read any; and above that of speech by a decoder "
        "that has learned from texts. Every script here is in the pairs.",
        comparisons=(
            larger(f"texts: {BEST}", read, ALONE, evidence.translation(ALONE, task=TEXT)),
            larger("texts, learned from speech", read, "speech, learned from texts",
                   evidence.translation(BEST, "text")),
            larger("ctc", evidence.translation("ctc", task=TEXT), ALONE,
                   evidence.translation(ALONE, task=TEXT), decides=False),
        ),
    )  # fmt: skip


def text_is_diluted(_: Evidence) -> Claim:
    """Direction 7."""
    return Claim(
        number=7,
        sentence="Understanding of text suffers, for the network is shared with speech; less so "
        "with 2 billion parameters.",
        here="Nothing.",
    )


def speech_once_more(evidence: Evidence) -> Claim:
    """Direction 8."""
    return Claim(
        number=8,
        sentence="Trained on with speech alone after all objectives, it translates speech better.",
        here=f"{_translated(evidence)}, learned from speech alone; `{CONTINUED}` has these steps "
        "more than the other.",
        comparisons=(
            larger(CONTINUED, evidence.translation(CONTINUED), BEST, evidence.translation(BEST)),
        ),
    )


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    tlm_hurts, text_gains, low_resource, labels, recognition_is_the_same, texts_never_seen,
    text_is_diluted, speech_once_more,
)  # fmt: skip


def _translated(evidence: Evidence) -> str:
    return f"{evidence.settings.led_by} of speech into {INTO}"
