"""The seven findings of 2306.02972, as comparisons of what the cells measured."""

from collections.abc import Callable, Sequence

from trivium.studies.claim import Claim, Comparison
from trivium.studies.results import Measured, Read, Results, Series, larger, together
from trivium.studies.schedules.cells import ALL
from trivium.studies.schedules.measure import AFTER, SECOND, SHARED
from trivium.studies.schedules.sizes import SchedulesSettings

BASE = ("VGS", "W2V2", "VGS+")
SMOOTH = 5  # lines of losses whose mean counts
FALLEN = 0.9  # of all that a loss falls: then it has converged


class Evidence:
    """Numbers of the study by the words of its findings; each a series over seeds."""

    def __init__(self, settings: SchedulesSettings, results: Results) -> None:
        self.settings, self.results = settings, results

    def of(self, schedule: str, read: Read, pictures: str = ALL) -> Series:
        """Any number of a schedule's cells."""
        return self.results.series(read, schedule=schedule, pictures=pictures)

    def recall(self, schedule: str, pictures: str = ALL) -> Series:
        """Recall at the end, the mean of both ways."""
        name = f"recall@{self.settings.recall_at}"
        return self.of(schedule, lambda one: one.score("retrieval").values[name], pictures)

    def on_the_way(self, schedule: str, curve: str, steps: int) -> Series:
        """A number that was measured after so many steps; of recall, and its `chance`."""
        return self.of(schedule, lambda one: one.curves[curve][self._place(one, steps)])

    def error(
        self, schedule: str, corpus: str = SECOND, speakers: str = "across", pictures: str = ALL
    ) -> Series:
        """ABX at the end of the layer that is the best of each seed."""
        return self.of(schedule, lambda one: min(by_layer(one, corpus, speakers)[1:]), pictures)

    def errors_of_layers(
        self, schedule: str, combine: Callable[[Sequence[float]], float]
    ) -> Series:
        """A number of the layers' errors, the first layer first, on the second corpus."""
        return self.of(schedule, lambda one: combine(by_layer(one, SECOND, "across")[1:]))

    def error_after(self, schedule: str, steps: int) -> Series:
        """ABX of the best layer after so many steps, as it was measured on the way."""
        return self.of(schedule, lambda one: best_on_the_way(one)[self._place(one, steps)])

    def converged(self, schedule: str, loss: str) -> Series:
        """Share of the steps in percent before a loss has fallen nine tenths of its way."""
        return self.of(schedule, lambda one: 100 * share_until_fallen(one.curves[f"loss/{loss}"]))

    def last_loss(self, schedule: str, loss: str) -> Series:
        """A loss at the end."""
        return self.of(schedule, lambda one: mean(one.curves[f"loss/{loss}"][-SMOOTH:]))

    def _place(self, one: Measured, steps: int) -> int:
        """Which measurement on the way was the last within so many steps."""
        return sum(after <= steps for after in one.curves[AFTER]) - 1


def claims(settings: SchedulesSettings, results: Results) -> tuple[Claim, ...]:
    """All seven, with what this size cannot test."""
    evidence = Evidence(settings, results)
    return tuple(
        made.model_copy(update={"untestable": settings.untestable.get(made.number, "")})
        for made in (claim(evidence) for claim in CLAIMS)
    )


def simultaneous(evidence: Evidence) -> Claim:
    """Finding 1."""
    alone, both = evidence.recall("VGS"), evidence.recall("VGS+")
    return Claim(
        number=1,
        sentence="Self-supervision at the same time adds nothing to retrieval: VGS+ recalls what "
        "VGS recalls.",
        here=f"{evidence.settings.recall_words}. The same is what differs by less than "
        f"{evidence.settings.same:g} points: each, with so much added, is above the other.",
        comparisons=(
            *_same("VGS+", both, "VGS", alone, evidence.settings.same),
            larger("VGS+", both, "VGS", alone, decides=False),
        ),
    )


def first_speech(evidence: Evidence) -> Claim:
    """Finding 2."""
    alone = evidence.recall("VGS")
    return Claim(
        number=2,
        sentence="Self-supervision first helps retrieval, even on the same audio: (W2V2,VGS) and "
        "(W2V2,VGS+) recall more than VGS.",
        here=f"{evidence.settings.recall_words}. The paper's other half, that more speech or a "
        "longer first phase adds nothing, is not tested.",
        comparisons=tuple(
            larger(name, evidence.recall(name), "VGS", alone)
            for name in ("(W2V2,VGS)", "(W2V2,VGS+)")
        ),
    )


def forgetting(evidence: Evidence) -> Claim:
    """Finding 3."""
    lost, kept, settings = "(VGS,W2V2)", "(VGS+,W2V2)", evidence.settings
    margin = settings.same

    def recall(name: str, steps: int) -> Series:
        return evidence.on_the_way(name, "recall", steps)

    end, left = recall(lost, settings.steps), recall(kept, settings.steps)
    chance = evidence.on_the_way(lost, "chance", settings.steps)
    return Claim(
        number=3,
        sentence="Self-supervision after VGS drops retrieval to chance; after VGS+ it degrades, "
        "and about half is left.",
        here=f"{settings.recall_words}, as measured on the way, at the switch and at the end. To "
        f"chance: within {margin:g} points of it.",
        comparisons=(
            larger(f"{lost} at the switch", recall(lost, settings.switch), lost, end),
            larger(f"chance + {margin:g}", _shifted(chance, margin), lost, end),
            larger(f"{kept} at the switch", recall(kept, settings.switch), kept, left),
            larger(kept, left, lost, end),
        ),
    )  # fmt: skip


def phones(evidence: Evidence) -> Claim:
    """Finding 4."""
    best, errors = (
        "(VGS+,VGS)",
        {name: evidence.error(name) for name in evidence.settings.schedules},
    )
    others = [series for name, series in errors.items() if name != best]
    least = together(others, min) if others else Series({})

    def worse(first: str, second: str, decides: bool = True) -> Comparison:
        return larger(f"error of {first}", evidence.error(first), f"of {second}",
                      evidence.error(second), decides=decides)  # fmt: skip

    def within(first: str, second: str) -> Comparison:
        return larger(
            f"within speakers: {first}", evidence.error(first, speakers="within"), f"{second}",
            evidence.error(second, speakers="within"), decides=False,
        )  # fmt: skip

    return Claim(
        number=4,
        sentence="On a corpus never trained on VGS keeps phones apart better than W2V2; the best "
        "of all is (VGS+,VGS); W2V2 first hurts.",
        here="ABX error across speakers of the best layer, on the second corpus. Hurts: (W2V2,VGS) "
        "and (W2V2,VGS+) against VGS and VGS+.",
        comparisons=(
            worse("W2V2", "VGS"),
            larger("the least error of the others", least, f"of {best}", evidence.error(best)),
            worse("(W2V2,VGS)", "VGS"), worse("(W2V2,VGS+)", "VGS+"),
            within("W2V2", "VGS"), within("VGS", best), within("(W2V2,VGS)", "VGS"),
            worse("untrained", "VGS", False), worse("untrained", "W2V2", False),
        ),
    )  # fmt: skip


def layers(evidence: Evidence) -> Claim:
    """Finding 5."""

    def spread(errors: Sequence[float]) -> float:
        return max(errors) - min(errors)

    def rise(errors: Sequence[float]) -> float:
        return errors[-1] - min(errors)

    def lower(errors: Sequence[float]) -> float:
        return mean(errors[: len(errors) // 2])

    def upper(errors: Sequence[float]) -> float:
        return mean(errors[len(errors) // 2 :])

    measured = evidence.results.one(schedule="VGS+", pictures=ALL)
    shared = 0 if measured is None else int(measured.curves[SHARED][0])
    by = evidence.errors_of_layers
    return Claim(
        number=5,
        sentence="VGS is flat over layers; W2V2 is best at a third of the depth and much worse at "
        "the top; VGS+ is best at the last shared layer and rises above it.",
        here="ABX error across speakers on the second corpus. Flat: the spread over layers is less "
        "than that of W2V2. Best below: the mean error of the lower half is less.",
        comparisons=(
            larger("spread of W2V2", by("W2V2", spread), "of VGS", by("VGS", spread)),
            larger("W2V2, upper half of the layers", by("W2V2", upper), "lower half",
                   by("W2V2", lower)),
            larger("W2V2 at the top above its best", by("W2V2", rise), "VGS", by("VGS", rise)),
            larger("VGS+ at the top", by("VGS+", lambda errors: errors[-1]),
                   "at the last shared layer", by("VGS+", lambda errors: errors[shared - 1])),
            larger("VGS+ at the first layer", by("VGS+", lambda errors: errors[0]),
                   "at the last shared layer", by("VGS+", lambda errors: errors[shared - 1]),
                   decides=False),
        ),
    )  # fmt: skip


def epochs(evidence: Evidence) -> Claim:
    """Finding 6."""
    settings, turned = evidence.settings, "(VGS,W2V2)"
    steps, later = settings.steps, settings.interval * settings.measure_every

    def improves(name: str) -> Comparison:
        return larger(f"{name} half-way", evidence.error_after(name, steps // 2), "at the end",
                      evidence.error_after(name, steps))  # fmt: skip

    at, after = (evidence.error_after(turned, settings.switch + more) for more in (0, later))
    return Claim(
        number=6,
        sentence="ABX improves as long as the base models train; where VGS turns to W2V2 the error "
        "jumps, and recovers in part.",
        here="ABX error across speakers of the best layer, as measured on the way on the corpus "
        "that is trained on: half-way against the end; the switch against the measurement after "
        "it, and that against the end.",
        comparisons=(
            *(improves(name) for name in BASE),
            larger(f"{turned} after the switch", after, "at the switch", at),
            larger(f"{turned} after the switch", after, "at the end",
                   evidence.error_after(turned, steps)),
        ),
    )  # fmt: skip


def convergence(evidence: Evidence) -> Claim:
    """Finding 7."""
    return Claim(
        number=7,
        sentence="The loss of grounding converges faster than that of self-supervision, which ends "
        "higher in VGS+ than alone.",
        here=f"The share of the steps until a loss has fallen {FALLEN:.0%} of its way, in VGS+ "
        "where both are trained; and what self-supervision loses at the end.",
        comparisons=(
            larger("VGS+, self-supervision, %", evidence.converged("VGS+", "ssl"),
                   "grounding, %", evidence.converged("VGS+", "masked_ground")),
            larger("self-supervision loses in VGS+", evidence.last_loss("VGS+", "ssl"), "in W2V2",
                   evidence.last_loss("W2V2", "ssl")),
            larger("W2V2, self-supervision, %", evidence.converged("W2V2", "ssl"),
                   "VGS, grounding, %", evidence.converged("VGS", "ground"), decides=False),
        ),
    )  # fmt: skip


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    simultaneous, first_speech, forgetting, phones, layers, epochs, convergence,
)  # fmt: skip


def by_layer(one: Measured, corpus: str, speakers: str) -> list[float]:
    """ABX errors, of what enters the first layer and then of each layer."""
    values = one.score(f"abx/{corpus}").values
    named = [name for name in values if name.startswith(f"{speakers}.layer")]
    return [values[f"{speakers}.layer{layer}"] for layer in range(len(named))]


def best_on_the_way(one: Measured, speakers: str = "across") -> list[float]:
    """The error of the best layer at each measurement while a cell was trained."""
    prefix = f"abx/{speakers}.layer"
    rows = [one.curves[name] for name in one.curves
            if name.startswith(prefix) and name != f"{prefix}0"]  # fmt: skip
    return [min(errors) for errors in zip(*rows, strict=True)]


def share_until_fallen(losses: Sequence[float]) -> float:
    """Which share of its lines a loss needs until it has fallen most of its way, smoothed."""
    smooth = [mean(losses[max(0, at - SMOOTH + 1) : at + 1]) for at in range(len(losses))]
    goal = smooth[0] - FALLEN * (smooth[0] - min(smooth))
    if goal >= smooth[0]:  # it never fell
        return 1.0
    return next(at for at, loss in enumerate(smooth) if loss <= goal) / max(1, len(smooth) - 1)


def mean(values: Sequence[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)


def _same(
    first: str, a: Series, second: str, b: Series, margin: float
) -> tuple[Comparison, Comparison]:
    """Two comparisons that both hold where the difference lies within a margin."""
    return (
        larger(f"{first} + {margin:g}", _shifted(a, margin), second, b),
        larger(f"{second} + {margin:g}", _shifted(b, margin), first, a),
    )


def _shifted(series: Series, by: float) -> Series:
    return together([series], lambda numbers: numbers[0] + by)
