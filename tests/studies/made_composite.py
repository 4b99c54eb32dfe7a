"""What the cells of the study `composite` might measure, by hand: as the paper has it."""

import numpy as np

from trivium.studies.composite.cells import percent
from trivium.studies.composite.measure import (
    DIRECT,
    ERRORS,
    OWN_CASCADE,
    STAGE_ERRORS,
    STAGE_TEXTS,
    STAGES_CASCADE,
    TEXTS,
)
from trivium.studies.composite.sizes import ALL, PLAIN, WORLD
from trivium.studies.results import Measured, Results
from trivium.tasks.score import Score, Signature

SETTINGS = WORLD.override(["seeds=3"])
SHARES = [percent(share) for share in SETTINGS.shares]
ONE = percent(SETTINGS.share)
# BLEU above the plain losses where a share is little, and languages with little speech gain more.
ADDS = {PLAIN: 0.0, "mtp": 1.0, "stm": 0.2, "mst": 0.3, "erm": 1.2, "guide": 1.5, "teacher": 1.1,
        ALL: 4.0, "thawed": 1.0}  # fmt: skip
STAGES, CHANCE = 24.0, 2.0


class Made:
    """Numbers of a cell; a test replaces what it is about."""

    def direct(self, method, share):
        """BLEU of speech."""
        place = SHARES.index(share)
        return 15.0 + 8 * place + ADDS[method] * (1.5 - 0.5 * place)

    def low(self, method, share):
        """The same of languages with little speech."""
        return self.direct(method, share) - 5 + 0.5 * ADDS[method]

    def texts(self, method):
        """BLEU of texts."""
        return 40.0 if method in ("teacher", ALL, "thawed") else 37.0

    def cascade(self, method, share):
        """BLEU of what the model writes down first."""
        return self.direct(method, share) - 2

    def errors(self, method):
        """Wrong characters."""
        return 12.0 if method == "thawed" else 10.0


def measured(method, share, seed, made=None):
    """One cell of made numbers, with some noise of the seed."""
    made = made or Made()
    generator = np.random.default_rng([seed, *method.encode(), *share.encode()])
    signature = Signature(task="study", corpus="c" * 64, split="test", model="m" * 64)

    def noise():
        return generator.normal(0, 0.05)

    def score(task, values, primary="BLEU"):
        signed = signature.model_copy(update={"task": task})
        chance = dict.fromkeys(values, CHANCE) if task == DIRECT else {}
        return Score(task=task, values=values, primary=primary, chance=chance, signature=signed)

    def bleu(task, value):
        high = made.direct(method, share) + noise()
        low = made.low(method, share) + noise()
        values = {"BLEU": value, "chrF": value + 9, "BLEU.high": high, "BLEU.low": low}
        return score(task, values)

    wrong = made.errors(method) + noise()
    return Measured(
        cell=f"{method}.{share}.seed{seed}", seed=seed, signature=signature,
        axes={"method": method, "speech": share},
        scores=(
            bleu(DIRECT, made.direct(method, share) + noise()),
            bleu(TEXTS, made.texts(method) + noise()),
            score(ERRORS, {"WER": 2 * wrong, "WER.mean": 2 * wrong, "CER": wrong}, "CER"),
            bleu(OWN_CASCADE, made.cascade(method, share) + noise()),
            bleu(STAGES_CASCADE, STAGES),
            bleu(STAGE_TEXTS, 41.0),
            score(STAGE_ERRORS, {"CER": 8.0}, "CER"),
        ),
    )  # fmt: skip


def results(seeds=3, made=None, without=()):
    """A whole study, but for the cells whose names begin with one of `without`."""
    rows = [(method, share) for share in SHARES for method in SETTINGS.methods
            if method in (PLAIN, ALL) or share == ONE]  # fmt: skip
    there = [measured(*row, seed, made) for seed in range(seeds) for row in rows]
    planned = {one.cell: {**one.axes, "seed": str(one.seed)} for one in there}
    kept = [one for one in there if not one.cell.startswith(tuple(without))]
    return Results(measured=tuple(kept), planned=planned)
