"""What pre-trainings might be good for, by hand: as the paper has it, but where a test says."""

import numpy as np

from trivium.recipes.joint import SPEECH
from trivium.studies.results import Measured, Results
from trivium.studies.text_helps.sizes import CONTINUED, TEXTS_ALONE, WITHOUT_TEXT, WORLD
from trivium.tasks.score import Score, Signature

SETTINGS = WORLD.override(['low=["sw"]'])
SIGNATURE = Signature(task="study", corpus="c" * 64, split="test", model="m" * 64)
SPEECH_BLEU = {"speech-only": 20.4, "tlm": 18.6, "ctc": 20.0, "tlm+ctc": 20.6, CONTINUED: 21.6}
GAIN = {"speech-only": 0.6, "tlm": 1.2, "ctc": 1.0, "tlm+ctc": 1.8}
TEXT_BLEU = {"speech-only": 0.2, "tlm": 3.0, "ctc": 5.0, "tlm+ctc": 9.4, CONTINUED: 2.0}
LABELS = {
    "intents": {"speech-only": 82.7, "tlm": 84.0, "ctc": 86.0, "tlm+ctc": 86.9,
                WITHOUT_TEXT: 85.0},
    "languages": {"speech-only": 71.4, "tlm": 72.0, "ctc": 73.0, "tlm+ctc": 73.3},
    "probe": {"speech-only": 50.0, "tlm": 55.0, "ctc": 60.0, "tlm+ctc": 61.0},
}  # fmt: skip


class Made:
    """Numbers of a cell; a test replaces what it is about."""

    def speech(self, variant, given):
        """BLEU of speech: all, and from the language that has little translated speech."""
        if given == "text":
            return 0.0, 0.0
        gain = GAIN[variant] if given == "speech+text" else 0.0
        return SPEECH_BLEU[variant] + gain, SPEECH_BLEU[variant] + 2 * gain

    def text(self, variant, given):
        """BLEU of texts."""
        return TEXT_BLEU[variant] if given == "speech" else 30.0

    def cer(self, variant):
        """Of recognition."""
        return {"speech-only": 9.9, "tlm": 10.4}.get(variant, 10.1)

    def accuracy(self, variant, task):
        """Of labels."""
        return LABELS[task][variant]


def measured(variant, task, seed, made):
    """One cell of made numbers, with some noise of the seed."""
    noise = np.random.default_rng([seed, *f"{variant}{task}".encode()]).normal(0, 0.02)
    given = {"translation+text": "speech+text", TEXTS_ALONE: "text"}.get(task, "speech")
    if task.startswith("translation"):
        task_name, (mean, low) = "translation", made.speech(variant, given)
        text = made.text(variant, given) + noise
        scores = (
            score("translation.speech", mean + noise, low + 2 * noise),
            score("translation.text", text, text),
        )
    elif task == "recognition":
        task_name, cer = task, made.cer(variant) + noise
        signed = SIGNATURE.model_copy(update={"task": task})
        scores = (Score(task=task, values={"CER": cer, "WER": 2 * cer}, primary="CER",
                        signature=signed),)  # fmt: skip
    else:
        task_name, name = task, f"classification.{'language' if task == 'languages' else 'label'}"
        value = made.accuracy(variant, task) + noise
        values = {"accuracy": value, "macro F1": value - 1}
        signed = SIGNATURE.model_copy(update={"task": name})
        scores = (Score(task=name, values=values, primary="accuracy", signature=signed,
                        chance=dict.fromkeys(values, 10.0)),)  # fmt: skip
    return Measured(
        cell=f"{variant}.{task}.seed{seed}", seed=seed, signature=SIGNATURE, scores=scores,
        axes={"variant": variant, "task": task_name, "learns from": given},
        curves={f"loss/{name}": (2.0,) for name in SPEECH},
    )  # fmt: skip


def score(task, mean, low):
    """BLEU and chrF of two directions."""
    values = {"BLEU": mean, "BLEU.es-en": 2 * mean - low, "BLEU.sw-en": low, "chrF": mean + 20,
              "chrF.es-en": 2 * mean - low + 20, "chrF.sw-en": low + 20}  # fmt: skip
    signed = SIGNATURE.model_copy(update={"task": task})
    return Score(task=task, values=values, primary="BLEU", signature=signed)


def results(seeds=3, made=None, without=(), settings=SETTINGS):
    """A whole study, but for the cells whose names begin with one of `without`."""
    rows = [(variant, task) for variant in settings.variants for task in settings.tasks]
    rows += [(variant, task) for variant, tasks in settings.further.items() for task in tasks]
    there = [measured(variant, task, seed, made or Made()) for seed in range(seeds)
             for variant, task in rows]  # fmt: skip
    planned = {one.cell: {**one.axes, "seed": str(one.seed)} for one in there}
    kept = [one for one in there if not one.cell.startswith(tuple(without))]
    return Results(measured=tuple(kept), planned=planned)
