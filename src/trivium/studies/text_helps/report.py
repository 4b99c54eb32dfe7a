"""The report: what every pre-training is good for side by side, and the paper's own numbers."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from trivium.models.joint import Joint, JointSettings
from trivium.models.joint.characters import Characters
from trivium.studies.claim import Claim
from trivium.studies.results import Measured, Read, Results
from trivium.studies.text_helps.claims import ACCURACY, SPEECH, TEXT
from trivium.studies.text_helps.measure import LOSS
from trivium.studies.text_helps.sizes import WITHOUT_TEXT, TextHelpsSettings
from trivium.studies.views import Column, Report, View, chance_of_score, of_score

TRANSLATION = {"task": "translation"}
FROM_SPEECH = {**TRANSLATION, "learns from": "speech"}
# Of 2202.01374, 0.6 billion parameters: BLEU of CoVoST 2, 21 languages into English, tuned on
# speech alone and on texts too; WER of VoxPopuli; accuracy of MINDS-14 and of FLEURS-LangID.
PAPER: Mapping[str, Sequence[float]] = {
    "speech-only": (20.4, 21.0, 9.3, 82.7, 71.4),
    "tlm": (18.6, 19.8, 9.4, math.nan, math.nan),
    "tlm+ctc": (20.6, 22.4, 9.2, 86.9, 73.3),
}
PAPER_COLUMNS = ("CoVoST 2, BLEU", "with texts, BLEU", "VoxPopuli, WER", "MINDS-14", "FLEURS")
LARGE = (
    f"With 0.6 billion parameters. CTC without text got 85.0 of MINDS-14 (`{WITHOUT_TEXT}`). With "
    "2 billion and all objectives: BLEU 22.4, and 24.8 with texts; WER 9.1, MINDS-14 86.6, FLEURS "
    "77.7. Texts never seen, after learning from speech alone: BLEU 21.9 from Russian, 1.7 from "
    "Turkish, 9.4 in the mean."
)
SIDE_BY_SIDE = (
    "Of rows that nothing was trained on. Translation of speech, by what has learned from speech "
    "alone and by what has learned from texts too; translation of texts by what has learned from "
    "speech alone; errors of recognition, where less is better; accuracy of intents, of languages, "
    "and of intents told by an encoder that stays as it is."
)


def write(
    settings: TextHelpsSettings, out: Path, facts: tuple[str, ...], guesses: Mapping[str, float],
    results: Results, claims: Sequence[Claim],
) -> Path:  # fmt: skip
    """Write all of it; the page."""
    report = Report(
        out=out, title="Does text help speech?",
        note="One Conformer pre-trained on speech alone, or with text and pairs in several ways, "
        "then tuned for every task: mSLAM (arXiv 2202.01374).",
        settings=settings, facts=facts, shared="rows and test set", caution=settings.caution,
        scope=settings.scope,
        views=(side_by_side(results), *VIEWS, pretraining(guesses), paper()),
    )  # fmt: skip
    return report.write(results, claims)


def side_by_side(results: Results) -> View:
    """A row for each pre-training, a column for each task."""

    def beside(task: str, given: str, read: Read) -> Read:
        """Reads a cell of another task with the same pre-training and seed; NaN without one."""

        def look(one: Measured) -> float:
            axes = {"variant": one.axes["variant"], "task": task, "learns from": given}
            found = (each for each in results.measured
                     if each.axes == axes and each.seed == one.seed)  # fmt: skip
            return next((read(each) for each in found), math.nan)

        return look

    def told(task: str) -> Column:
        score = ACCURACY[task]
        chance = beside(task, "speech", chance_of_score(score, "accuracy"))
        return Column(task, beside(task, "speech", of_score(score, "accuracy")), chance)

    both = "speech+text"
    return View(
        "Side by side", ("variant",),
        (
            Column("speech, BLEU", of_score(SPEECH, "BLEU")),
            Column("speech, BLEU, with texts",
                   beside("translation", both, of_score(SPEECH, "BLEU"))),
            Column("texts never seen, BLEU", of_score(TEXT, "BLEU")),
            Column("CER", beside("recognition", "speech", of_score("recognition", "CER"))),
            told("intents"), told("languages"), told("probe"),
        ),
        FROM_SPEECH,
        (SIDE_BY_SIDE,),
    )  # fmt: skip


VIEWS = (
    View(
        "Translation", ("variant", "learns from"),
        tuple(Column(f"{kind}, {value}", of_score(task, value))
              for kind, task in (("speech", SPEECH), ("text", TEXT)) for value in ("BLEU", "chrF")),
        TRANSLATION,
        ("What is translated is the speech, or the text, of the same utterances.",), "translation",
    ),
    View(
        "Recognition", ("variant",),
        tuple(Column(value, of_score("recognition", value)) for value in ("CER", "WER")),
        {"task": "recognition"}, ("100 is who writes nothing.",), "recognition",
    ),
    *(
        View(title, ("variant",),
             tuple(Column(value, of_score(ACCURACY[task], value),
                          chance_of_score(ACCURACY[task], value))
                   for value in ("accuracy", "macro F1")),
             {"task": task}, plot=task)
        for task, title in (("intents", "Intents"), ("languages", "Languages"),
                            ("probe", "Intents, by a probe"))
    ),
)  # fmt: skip


def pretraining(guesses: Mapping[str, float]) -> View:
    """The losses that each pre-training ended with, beside those of one that knows nothing."""

    def last(objective: str) -> Read:
        return lambda one: one.curves.get(f"{LOSS}{objective}", (math.nan,))[0]

    def guess(objective: str) -> Read:
        return lambda _: guesses.get(objective, math.nan)

    return View(
        "What pre-training ended with", ("variant",),
        tuple(Column(name, last(name), guess(name)) for name in Joint.objectives), FROM_SPEECH,
        ("Losses of the last steps, on what was trained on; chance gives all answers alike.",),
    )  # fmt: skip


def guesses_of(joint: JointSettings) -> dict[str, float]:
    """The losses of a network that gives all negatives, codes and characters alike."""
    codes = math.log(joint.quantizer.entries) * joint.quantizer.groups
    letters = math.log(Characters(joint.alphabet, joint.normaliser).mask)
    return {
        "contrastive": math.log(1 + joint.masking.negatives), "codes": codes, "tlm_speech": codes,
        "spans": letters, "tlm_text": letters,
    }  # fmt: skip


def paper() -> View:
    """The paper's own numbers, beside the same variants."""

    def of(place: int) -> Read:
        """Told of one seed alone: they have no spread."""

        def read(one: Measured) -> float:
            known = PAPER.get(one.axes["variant"])
            return math.nan if known is None or one.seed else known[place]

        return read

    return View(
        "The paper's own numbers", ("variant",),
        tuple(Column(name, of(place)) for place, name in enumerate(PAPER_COLUMNS)), FROM_SPEECH,
        (LARGE,),
    )  # fmt: skip
