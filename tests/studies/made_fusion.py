"""What CTAL's ablation might measure, by hand: as the paper has it, but for what a test changes."""

import numpy as np

from trivium.studies.fusion.measure import LOSSES, MCAM, MLM, OTHERS, OVERLAP, OWN
from trivium.studies.fusion.sizes import ABLATION
from trivium.studies.results import Measured, Results
from trivium.tasks.score import Score, Signature

SIGNATURE = Signature(task="study", corpus="c" * 64, split="test", model="m" * 64)
CHANCE = 25.0


class Made:
    """Numbers of a cell; a test replaces what it is about."""

    def skill(self, variant):
        """How good a variant is at everything, in points; what is left out costs some."""
        few = variant.labels < 1
        before = {"scratch": 12.0 if few else 6.0, "mlm": 3.0, "mcam": 2.0, "both": 0.0}
        network = {"late": 3.0, "causal": 1.0, "larger": -2.0, "full": 0.0}
        head = {"orthogonal": 0.0, "concatenation": 2.0, "none": 4.0}
        costs = before[variant.pretraining], network[variant.network], head[variant.fusion]
        return 70.0 - sum(costs) - 20 * (variant.labels < 0.5) - self.of_modality(variant)

    def of_modality(self, variant):
        """What one side alone costs."""
        return 0.0 if variant.modality == "both" else 4.0

    def emotion(self, variant):
        """Unweighted accuracy; words say nothing."""
        return CHANCE if variant.modality == "text" else self.skill(variant)

    def losses(self, variant):
        """What is hidden of held-out rows, and how far the streams overlap."""
        mcam = 0.6 + {"late": 0.05, "causal": 0.08}.get(variant.network, 0.0)
        overlap = {"concatenation": 0.3, "orthogonal": 0.02}.get(variant.fusion)
        found = {} if overlap is None else {OVERLAP: overlap}
        if variant.pretraining != "scratch" and variant.modality == "both":
            found |= {MLM: 4.0, MCAM: mcam, OTHERS: mcam + 0.04}
        return found


def measured(wish, variant, seed, made):
    """One cell of made numbers, with some noise of the seed."""
    axes = {"task": wish, **variant.axes}
    generator = np.random.default_rng([seed, *".".join(axes.values()).encode()])
    noise = float(generator.normal(0, 0.1))
    error = 100 - made.skill(variant) + noise
    values = {
        "emotion": {name: made.emotion(variant) + noise
                    for name in ("unweighted accuracy", "accuracy", "macro F1")},
        "sentiment": {"MAE": error / 50, "Acc-2 Non0": 100 - error, "F1 Non0": 100 - error},
        "voices": {"EER": error},
    }[wish]  # fmt: skip
    chance = dict.fromkeys(values, CHANCE) if wish == "emotion" else {}
    scores = [score(wish, values, chance)]
    if wish != "voices":
        scores.append(score(OWN, {name: value + 5 for name, value in values.items()}, chance))
        losses = {name: value + float(generator.normal(0, 0.001))
                  for name, value in made.losses(variant).items()}  # fmt: skip
        scores += [score(LOSSES, losses, {})] if losses else []
    return Measured(cell=".".join([*axes.values(), f"seed{seed}"]), axes=axes, seed=seed,
                    signature=SIGNATURE, scores=tuple(scores))  # fmt: skip


def score(task, values, chance):
    """A score of no model."""
    signed = SIGNATURE.model_copy(update={"task": task})
    return Score(task=task, values=values, primary=next(iter(values)), chance=chance,
                 signature=signed)  # fmt: skip


def results(seeds=3, made=None, without=()):
    """A whole study, but for the cells whose names begin with one of `without`."""
    there = [measured(wish, variant, seed, made or Made()) for seed in range(seeds)
             for wish, variants in ABLATION.items() for variant in variants]  # fmt: skip
    planned = {one.cell: {**one.axes, "seed": str(one.seed)} for one in there}
    kept = [one for one in there if not one.cell.startswith(tuple(without))]
    return Results(measured=tuple(kept), planned=planned)
