"""The directions of 2109.00181, as comparisons of what the cells measured."""

import math
from collections.abc import Callable, Mapping

from trivium.recipes.fused import Wish
from trivium.studies.claim import Claim, Comparison
from trivium.studies.fusion.measure import LOSSES, MCAM, OTHERS, OVERLAP
from trivium.studies.fusion.sizes import AUDIO, FULL, JOINED, SCRATCH, TEXT, Variant
from trivium.studies.results import Measured, Read, Results, Series, larger
from trivium.studies.views import chance_of_score, of_score

UNWEIGHTED = "unweighted accuracy"
LATE, CAUSAL, LARGER = (Variant(network=name) for name in ("late", "causal", "larger"))
MLM_ALONE, MCAM_ALONE = (Variant(pretraining=name) for name in ("mlm", "mcam"))
# Two digits behind the point say nothing of differences of a loss below 1.
IN_HUNDREDTHS = "MCAM is in hundredths."


def scaled(read: Read, factor: float = 100) -> Read:
    """The same number, so many times as large."""

    def times(one: Measured) -> float:
        return factor * read(one)

    return times


def loss(name: str) -> Read:
    """A loss of held-out rows in hundredths."""
    return scaled(of_score(LOSSES, name))


# The mean of the two absolute cosines of the loss, in percent.
OVERLAPS = scaled(of_score(LOSSES, OVERLAP), 50)
# What stands for a task; of all but emotion the smaller is the better.
READ: Mapping[Wish, Read] = {
    "emotion": of_score("emotion", UNWEIGHTED),
    "sentiment": of_score("sentiment", "MAE"),
    "voices": of_score("voices", "EER"),
}
TOLD: Mapping[Wish, str] = {
    "emotion": "unweighted accuracy", "sentiment": "absolute error", "voices": "equal error rate",
}  # fmt: skip


class Evidence:
    """Numbers of the study by the words of its claims; each a series over seeds."""

    def __init__(self, results: Results, apart: bool) -> None:
        self.results = results
        self.apart = apart
        """Whether emotion is in the voice alone and sentiment in the words alone."""

    def of(self, variant: Variant, wish: Wish = "emotion", read: Read | None = None) -> Series:
        """A number of a variant's cells; by default the one that stands for its task."""
        found = self.results.series(read or READ[wish], task=wish, **variant.axes)
        kept = {seed: value for seed, value in found.values.items() if math.isfinite(value)}
        return Series(kept, found.missing)

    def better(
        self,
        first: tuple[str, Variant],
        second: tuple[str, Variant],
        wish: Wish = "emotion",
        decides: bool = True,
    ) -> Comparison:
        """One variant does a task better than another: of errors, the other's are larger."""
        sides = [first, second] if wish == "emotion" else [second, first]
        (one, a), (other, b) = sides
        return larger(f"{wish}, {TOLD[wish]}: {one}", self.of(a, wish), other, self.of(b, wish),
                      decides=decides)  # fmt: skip

    def loss(self, variant: Variant, name: str) -> Series:
        """A loss of held-out rows."""
        return self.of(variant, read=loss(name))

    def gain(self, labels: float) -> Series:
        """What pre-training adds with a share of the labels."""
        with_it, without = (
            one.model_copy(update={"labels": labels}) for one in (FULL, SCRATCH)
        )  # fmt: skip
        return self.of(with_it) - self.of(without)


def claims(results: Results, apart: bool) -> tuple[Claim, ...]:
    """All that the paper says, and one of ours."""
    evidence = Evidence(results, apart)
    return tuple(claim(evidence) for claim in CLAIMS)


def pretraining(evidence: Evidence) -> Claim:
    """C1."""
    with_it, without = ("pre-trained", FULL), ("from new weights", SCRATCH)
    return Claim(
        number=1,
        sentence="Pre-training on both proxy tasks beats the same network from random weights in "
        "emotion, sentiment and speaker verification.",
        here="The same head, rows and steps of tuning, from weights of pre-training and from new "
        "ones.",
        comparisons=(
            evidence.better(with_it, without),
            evidence.better(with_it, without, "sentiment"),
            evidence.better(with_it, without, "voices"),
        ),
    )


def proxies(evidence: Evidence) -> Claim:
    """C2."""
    both, without = ("both", FULL), ("neither", SCRATCH)
    words, frames = ("hidden words alone", MLM_ALONE), ("hidden frames alone", MCAM_ALONE)
    return Claim(
        number=2,
        sentence="Both proxy tasks contribute: together they beat either of them alone.",
        here="Emotion after pre-training on both, on hidden words (MLM) and on hidden frames "
        "(MCAM) alone, in equally many steps.",
        comparisons=(
            evidence.better(both, words), evidence.better(both, frames),
            evidence.better(words, without, decides=False),
            evidence.better(frames, without, decides=False),
        ),
    )  # fmt: skip


def cross_attention(evidence: Evidence) -> Claim:
    """C3."""
    beside, other = (evidence.loss(FULL, name) for name in (MCAM, OTHERS))
    late = evidence.loss(LATE, MCAM)
    emotion = "emotion is told beside, for here words say nothing of it"
    return Claim(
        number=3,
        sentence="An audio stream that attends to the text beats late fusion of separate encoders.",
        here="What hidden frames lose on held-out rows: beside the text of another row more than "
        "beside their own, and in late fusion more than with attention to the text; "
        f"{emotion if evidence.apart else 'and emotion'}. {IN_HUNDREDTHS}",
        comparisons=(
            larger("MCAM, text of others", other, "own text", beside),
            larger("MCAM, late fusion", late, "attention to the text", beside),
            evidence.better(("attention to the text", FULL), ("late fusion", LATE),
                            decides=not evidence.apart),
        ),
    )  # fmt: skip


def orthogonal(evidence: Evidence) -> Claim:
    """C4."""
    upright, joined = ("orthogonal fusion", FULL), ("concatenation", JOINED)
    overlap = [evidence.of(variant, read=OVERLAPS) for variant in (JOINED, FULL)]
    return Claim(
        number=4,
        sentence="Orthogonal fusion beats plain concatenation.",
        here="Emotion and sentiment with either head; beside them how far the streams overlap on "
        "held-out rows in percent, which orthogonal fusion is to lower.",
        comparisons=(
            evidence.better(upright, joined),
            evidence.better(upright, joined, "sentiment"),
            larger("overlap: concatenation", overlap[0], "orthogonal fusion", overlap[1],
                   decides=False),
        ),
    )  # fmt: skip


def depth(evidence: Evidence) -> Claim:
    """C5."""
    return Claim(
        number=5,
        sentence="A network of twice the layers tells emotions better (remembered of the paper's "
        "tables, not read again).",
        here="Emotion with twice the layers of both encoders, in equally many steps.",
        comparisons=(evidence.better(("twice the layers", LARGER), ("the full model", FULL)),),
    )


def modalities(evidence: Evidence) -> Claim:
    """C6."""
    both, text, audio = ("both", FULL), ("text alone", TEXT), ("audio alone", AUDIO)
    chance = evidence.of(TEXT, read=chance_of_score("emotion", UNWEIGHTED))
    control = "" if not evidence.apart else (
        " In a made world emotion is in the voice alone and sentiment in the words alone: only the "
        "other side is left to beat. Text alone against chance is the control; were it above, "
        "something would leak."
    )  # fmt: skip
    return Claim(
        number=6,
        sentence="Either modality alone is worse than both.",
        here=f"A head on one stream that knows of no other.{control}",
        comparisons=(
            evidence.better(both, text),
            evidence.better(both, audio, "sentiment"),
            evidence.better(both, audio, decides=not evidence.apart),
            evidence.better(both, text, "sentiment", decides=not evidence.apart),
            larger("emotion: text alone", evidence.of(TEXT), "chance", chance, either=True,
                   decides=False),
        ),
    )  # fmt: skip


def directions(evidence: Evidence) -> Claim:
    """C7."""
    return Claim(
        number=7,
        sentence="Audio that hears in both directions says hidden frames better than causal audio "
        "(ours: the authors' release is causal by accident).",
        here=f"What hidden frames lose on held-out rows; beside it emotion. {IN_HUNDREDTHS}",
        comparisons=(
            larger("MCAM, causal", evidence.loss(CAUSAL, MCAM), "both directions",
                   evidence.loss(FULL, MCAM)),
            evidence.better(("both directions", FULL), ("causal", CAUSAL), decides=False),
        ),
    )  # fmt: skip


def few_labels(evidence: Evidence) -> Claim:
    """The limited labels that the paper speaks of."""
    every, tenth, hundredth = (evidence.gain(share) for share in (1.0, 0.1, 0.01))
    return Claim(
        number=8,
        sentence="Pre-training helps more, the fewer labels there are (ours: the paper speaks of "
        "limited labels).",
        here="What pre-training adds to the unweighted accuracy of emotions, with a share of the "
        "labels and with all. The same steps on fewer rows.",
        comparisons=(
            larger("gain with 10 %", tenth, "with all", every),
            larger("gain with 1 %", hundredth, "with all", every),
        ),
    )


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    pretraining, proxies, cross_attention, orthogonal, depth, modalities, directions, few_labels,
)  # fmt: skip
