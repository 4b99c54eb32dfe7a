"""What nine schedules might measure, by hand: as the paper has it, but for what a test changes."""

import numpy as np

from trivium.recipes.grounded import SCHEDULES
from trivium.studies.results import Measured, Results
from trivium.studies.schedules.cells import ALL, UNTRAINED, folder
from trivium.studies.schedules.measure import AFTER, SHARED
from trivium.studies.schedules.sizes import WORLD
from trivium.tasks.score import Score, Signature

SETTINGS = WORLD.override(["interval=10", "seeds=3", 'few=["VGS","VGS+"]'])
LAYERS, SHARED_LAYERS, CHANCE = 12, 8, 0.2
EVERY = range(10, 141, 10)
RECALL = {"W2V2": 0.2, "VGS": 75.5, "VGS+": 75.9, "(W2V2,VGS+)": 79.9, "(VGS,VGS+)": 75.1,
          "(W2V2,VGS)": 79.8, "(VGS,W2V2)": 0.2, "(VGS+,W2V2)": 42.3, "(VGS+,VGS)": 75.8,
          UNTRAINED: 0.2}  # fmt: skip
BEST = {"W2V2": (9.53, 4), "VGS": (6.44, 4), "VGS+": (6.81, 8), "(W2V2,VGS+)": (8.72, 5),
        "(VGS,VGS+)": (7.55, 8), "(W2V2,VGS)": (8.75, 2), "(VGS,W2V2)": (11.54, 2),
        "(VGS+,W2V2)": (8.35, 8), "(VGS+,VGS)": (6.02, 9), UNTRAINED: (25.0, 1)}  # fmt: skip


class Made:
    """Numbers of a cell; a test replaces what it is about."""

    def recall(self, schedule, pictures):
        """At the end."""
        return RECALL[schedule] - (0 if pictures == ALL else 20)

    def recall_at_switch(self, schedule):
        """When the second loss begins."""
        return 60.0 if schedule.startswith("(VGS") else RECALL[schedule] / 2

    def errors(self, schedule):
        """Across speakers, of each layer."""
        least, best = BEST[schedule]
        slope = {"VGS": 0.05, "W2V2": 3.0, "VGS+": 0.8}.get(schedule, 0.5)
        return [least + slope * abs(layer - best) for layer in range(LAYERS + 1)]

    def error_on_the_way(self, schedule, steps):
        """Of the best layer: falling, and with a jump where W2V2 follows VGS."""
        jump = 7.0 if schedule == "(VGS,W2V2)" and steps > 40 else 0.0
        return BEST[schedule][0] + 20.0 * 0.9 ** (steps / 10) + jump * (140 - steps) / 100

    def half_life(self, loss):
        """Steps in which a loss is halved."""
        return 25.0 if loss == "ssl" else 8.0

    def last_loss(self, schedule, loss):
        """What a loss ends at."""
        return (1.0 if schedule == "W2V2" else 1.15) if loss == "ssl" else 0.13


def measured(schedule, seed, pictures=ALL, made=None, **others):
    """One cell of made numbers, with some noise of the seed."""
    made = made or Made()
    generator = np.random.default_rng([seed, *schedule.encode()])

    def noise(width=0.05):
        return generator.normal(0, width)

    signature = Signature(task="study", corpus="c" * 64, split="test", model="m" * 64)
    end = max(0.0, made.recall(schedule, pictures) + noise())
    recalls = {f"{to}recall@{k}": end * share for k, share in ((1, 0.4), (5, 0.8), (10, 1.0))
               for to in ("", "to_picture/", "to_speech.en/")}  # fmt: skip
    chance = dict.fromkeys(recalls, CHANCE)
    retrieval = score("retrieval", recalls, "recall@10", signature, chance)
    errors = [error + noise() for error in made.errors(schedule)]
    values = {f"{speakers}.layer{layer}": error - less
              for speakers, less in (("within", 2.0), ("across", 0.0))
              for layer, error in enumerate(errors)}  # fmt: skip
    phones = [score(f"abx/{corpus}", values, "across.layer1", signature, {})
              for corpus in ("own", "second")]  # fmt: skip
    switch = made.recall_at_switch(schedule)
    curves = {
        SHARED: (SHARED_LAYERS,),
        AFTER: tuple(EVERY),
        "chance": (CHANCE,) * len(EVERY),
        "recall": tuple(switch + noise() if steps <= 40 else end for steps in EVERY),
    }
    for layer in range(LAYERS + 1):
        curves[f"abx/across.layer{layer}"] = tuple(
            made.error_on_the_way(schedule, steps) + noise() + layer for steps in EVERY
        )
    for loss in losses(schedule):
        low, life = made.last_loss(schedule, loss) + noise(0.02), made.half_life(loss) + noise(0.7)
        curves[f"loss/{loss}/step"] = tuple(range(140))
        curves[f"loss/{loss}"] = tuple(low + 4 * 0.5 ** (step / life) for step in range(140))
    return Measured(
        cell=f"{folder(schedule)}.{pictures}.seed{seed}", seed=seed, signature=signature,
        axes={"schedule": schedule, "pictures": pictures}, scores=(retrieval, *phones),
        curves=curves, **others,
    )  # fmt: skip


def losses(schedule):
    """Objectives that a schedule logs."""
    own = {"W2V2": ("ssl",), "VGS": ("ground",), "VGS+": ("masked_ground", "ssl")}
    return dict.fromkeys(loss for part in SCHEDULES.get(schedule, ("W2V2",)) for loss in own[part])


def score(task, values, primary, signature, chance):
    """A score of no model."""
    signed = signature.model_copy(update={"task": task})
    return Score(task=task, values=values, primary=primary, chance=chance, signature=signed)


def results(seeds=3, made=None, without=()):
    """A whole study, but for the cells whose names begin with one of `without`."""
    rows = [(name, ALL) for name in (*SCHEDULES, UNTRAINED)]
    rows += [(name, "25") for name in SETTINGS.few]
    there = [measured(name, seed, pictures, made) for seed in range(seeds)
             for name, pictures in rows]  # fmt: skip
    planned = {one.cell: {**one.axes, "seed": str(one.seed)} for one in there}
    kept = [one for one in there if not one.cell.startswith(tuple(without))]
    return Results(measured=tuple(kept), planned=planned)
