"""Scores of the study english-only made by hand: what a cell finds is a function of its axes."""

from itertools import combinations, product

import numpy as np

from trivium.studies.english_only.cells import MULTI, TRAININGS
from trivium.studies.english_only.sizes import TEST
from trivium.studies.results import Measured, Results
from trivium.tasks.score import Score, Signature

SETTINGS = TEST.override(["recall_at=10", "caution=", "untestable={}", "split=test"])
LANGUAGES = SETTINGS.languages
CHANCE = 20.0


def signature(task="retrieval"):
    """Of no corpus."""
    return Signature(task=task, corpus="c" * 64, split="test", model="m" * 64)


def score(a, b, value):
    """Recall of two sets, a little better one way than the other."""
    values, chance = {}, {}
    for k, share in ((1, 0.5), (5, 0.8), (10, 1.0)):
        for at, more in ((f"to_{b}/", 1.0), (f"to_{a}/", -1.0), ("", 0.0)):
            values[f"{at}recall@{k}"] = share * min(100.0, max(0.0, value + more))
            chance[f"{at}recall@{k}"] = CHANCE * k / 10
    task = f"retrieval/{a}-{b}"
    return Score(task=task, values=values, primary="recall@10", chance=chance,
                 signature=signature(task))  # fmt: skip


def recall(axes, seed, kind, languages):
    """What such a study might find, with some noise of the seed."""
    training, towers = axes["training"], axes["towers"]
    value = {"frozen": 55.0, "tuned": 70.0, "scratch": 45.0}[training]
    value += 8.0 if towers == "large" else 0.0
    value += 12.0 if "en" in languages and training == "frozen" else 0.0
    value -= 15.0 if kind in ("text", "speech") else 0.0
    return value + np.random.default_rng([seed, *str(axes).encode()]).normal(0, 1.0)


def measured(axes, seed, find=recall):
    """A cell whose numbers `find` tells."""
    own = LANGUAGES if axes["language"] == MULTI else (axes["language"],)
    scores = [score(f"speech.{code}", "picture", find(axes, seed, "picture", (code,)))
              for code in own]  # fmt: skip
    scores += [score(f"speech.{code}", "text.en", find(axes, seed, "text", (code,)))
               for code in own]  # fmt: skip
    scores += [score("text.en", "picture", 50.0)]
    scores += [score(f"speech.{a}", f"speech.{b}", find(axes, seed, "speech", (a, b)))
               for a, b in combinations(own, 2)]  # fmt: skip
    states = 3 if axes["towers"] == "large" else 2
    lean = 0.02 * seed + (0.3 if axes["language"] == "en" else 0.0)
    weights = np.exp(lean * np.arange(states))
    return Measured(
        cell=name(axes, seed), axes=axes, seed=seed, signature=signature(), scores=tuple(scores),
        curves={"layer weights": tuple(weights / weights.sum())},
    )  # fmt: skip


def name(axes, seed):
    """Of a cell."""
    return f"{axes['language']}.{axes['training']}.{axes['towers']}.seed{seed}"


def every_axes():
    """All combinations that the study trains."""
    for towers, training, language in product(SETTINGS.towers, TRAININGS, (*LANGUAGES, MULTI)):
        if training != "scratch" or towers == "base":
            yield {"language": language, "training": training, "towers": towers}


def results(seeds=3, find=recall, without=()):
    """A whole study, but for the cells whose names begin with one of `without`."""
    planned = {name(axes, seed): {**axes, "seed": str(seed)}
               for seed in range(seeds) for axes in every_axes()}  # fmt: skip
    there = [measured(axes, seed, find) for seed in range(seeds) for axes in every_axes()
             if not name(axes, seed).startswith(tuple(without))]  # fmt: skip
    return Results(measured=tuple(there), planned=planned)
