"""Recognition: how many words and characters of speech were written down wrong.

Errors are substitutions, deletions and insertions of the shortest way from what was written to the
reference, summed over utterances and divided by what the references have: jiwer counts them.
Languages written without spaces have no words: they are scored by characters alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Literal, Protocol, Self

import jiwer
import numpy as np
from pydantic import Field

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.data.text import normaliser
from trivium.errors import TriviumError
from trivium.runtime import derive_seed
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, Floats, Integers, interval
from trivium.tasks.rows import in_blocks, remark, rows_of, sounds_of
from trivium.tasks.score import Score, Signature
from trivium.tasks.words import lines
from trivium.tasks.words.languages import check_spaces, is_spaceless, listed

# Columns of the counts of an utterance; the last is what its reference has.
COLUMNS = ("substitute", "delete", "insert", "length")
INSERTED = "and what was written of them counts as inserted"
# How results call a language that the corpus does not name.
UNKNOWN = "und"


class RecognitionSettings(Settings):
    """What is made of texts before they are compared, and how sure the numbers are."""

    normaliser: Literal["raw", "lower", "words", "whisper_basic"] = "words"
    """Of `trivium.data.text.NORMALISERS`, for hypotheses and references alike."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind the intervals, over utterances; 0 for none."""
    seed: int = 0
    """Seed of the resamples."""


class Errors(Settings):
    """What it takes to make the references of what was written."""

    substituted: int
    """Written as something else."""
    deleted: int
    """Not written."""
    inserted: int
    """Written without being there."""
    length: int
    """What the references have."""

    @classmethod
    def of(cls, counts: Integers) -> Self:
        """The sums of the counts of utterances, (N, 4)."""
        substituted, deleted, inserted, length = counts.sum(axis=0).tolist()
        return cls(substituted=substituted, deleted=deleted, inserted=inserted, length=length)

    @property
    def rate(self) -> float:
        """In percent; over 100 where much was inserted."""
        return 100 * (self.substituted + self.deleted + self.inserted) / self.length


class Heard(Settings):
    """The errors of one language."""

    language: str
    """As it was given."""
    utterances: int
    """How many were written down."""
    words: Errors | None
    """None where the language puts no spaces."""
    characters: Errors
    """Code points; single spaces between words count as characters."""
    empty_references: int
    """Utterances with nothing to write: whatever is written of them is inserted."""
    empty_hypotheses: int
    """Utterances of which nothing was written."""


class Recognition(lines.Written):
    """The result: rates of errors, in percent."""

    score: Score
    """`WER` and `CER` over all utterances, `WER.en`, `CER.en` and so on of each language, and with
    several languages `WER.mean` and `CER.mean`, where each language weighs the same."""
    languages: tuple[Heard, ...]
    """Each language."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each language."""
        headers = ["language", "utterances", "WER", "95 %", "CER", "95 %", "substituted",
                   "deleted", "inserted", "nothing written"]  # fmt: skip
        rows = []
        for heard in self.languages:
            told = heard.words or heard.characters
            shares = (told.substituted, told.deleted, told.inserted)
            rows.append([
                heard.language, f"{heard.utterances:,}", *self._cells(f"WER.{heard.language}"),
                *self._cells(f"CER.{heard.language}"),
                *(f"{100 * share / told.length:.1f}" for share in shares),
                f"{heard.empty_hypotheses:,}",
            ])  # fmt: skip
        return headers, rows

    def _cells(self, name: str) -> list[str]:
        if name not in self.score.values:
            return ["", ""]
        low, high = self.score.intervals.get(name, (None, None))
        return [f"{self.score.values[name]:.2f}", "" if low is None else f"{low:.2f} to {high:.2f}"]


def run(
    hypotheses: Sequence[str],
    references: Sequence[str],
    languages: Sequence[str],
    settings: RecognitionSettings,
    signature: Signature,
    ids: Sequence[str] = (),
) -> Recognition:
    """The errors in hypotheses, over all and in each language.

    `signature` says which corpus, split and model; what was made of texts is filled in here.
    """
    paired = lines.pair(hypotheses, references, languages, ids)
    codes = sorted(set(languages))
    counted = [
        _Counted.of(code, [line for line in paired if line.language == code], settings)
        for code in codes
    ]
    # Rates, and those of resampled utterances, from which intervals are made.
    rates: dict[str, float] = {}
    draws: dict[str, Floats] = {}
    for name in ("WER", "CER"):
        parts = {each.heard.language: each.counts[name] for each in counted if name in each.counts}
        own, drawn = _rates(name, parts, settings)
        rates |= own
        draws |= drawn
    spaceless = listed(code for code in codes if is_spaceless(code))
    but = f" but of {spaceless}" if spaceless else ""
    signed = {
        "gallery": f"{len(paired):,} utterances of {listed(codes)}",
        "text": f"{settings.normaliser}, spaces are characters{but}, jiwer {version('jiwer')}",
    }
    score = Score(
        task=signature.task,
        values=rates,
        primary="CER" if spaceless else "WER",
        chance=dict.fromkeys(rates, 100.0),  # of who writes nothing
        intervals={name: interval(drawn[:, None])[0] for name, drawn in draws.items()},
        lower_is_better=True,
        signature=signature.model_copy(update=signed),
    )
    remarks = [sentence for each in counted for sentence in each.remarks]
    heard = tuple(each.heard for each in counted)
    return Recognition(score=score, languages=heard, remarks=tuple(remarks), lines=paired)


class Transcriber(Protocol):
    """What writes down speech; batches as it likes, and keeps the order."""

    checksum: str

    def transcribe_speech(self, sounds: Sequence[Samples], language: str) -> Sequence[str]:
        """What is said in 16 kHz sounds of one language."""


def measure(
    model: Transcriber,
    corpus: Corpus,
    split: str,
    settings: RecognitionSettings | None = None,
    *,
    languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Recognition:
    """What a model makes of the utterances of a split, or of some languages of it.

    Utterances without a sound or a text are left out and counted. `advance` is told of utterances
    heard.
    """
    rows, left_out = rows_of(corpus, "utterances", split, ["text"], languages)
    spoken = [row["language"] or UNKNOWN for row in rows]
    written = in_blocks(
        rows,
        lambda row: row["language"] or "",
        lambda block: model.transcribe_speech(sounds_of(corpus, block), block[0]["language"] or ""),
        advance,
    )
    signature = Signature(
        task="recognition", corpus=corpus.card.fingerprint, split=split, model=model.checksum
    )
    found = run(
        written, [row["text"] for row in rows], spoken, settings or RecognitionSettings(),
        signature, [row["id"] for row in rows],
    )  # fmt: skip
    return found.model_copy(update={"remarks": (*left_out, *found.remarks)})


@dataclass(frozen=True)
class _Counted:
    """The utterances of one language, counted."""

    heard: Heard
    counts: Mapping[str, Integers]  # `WER`, but where there are no spaces, and `CER`: (N, 4)
    remarks: Sequence[str]

    @classmethod
    def of(cls, code: str, own: Sequence[lines.Line], settings: RecognitionSettings) -> Self:
        """The counts of a language's lines."""
        normalise = normaliser(settings.normaliser)
        between = "" if is_spaceless(code) else " "

        def plain(text: str) -> str:
            return between.join(normalise(text).split())

        references = [plain(line.reference) for line in own]
        hypotheses = [plain(line.hypothesis) for line in own]
        if not any(references):
            raise TriviumError(
                f"no reference of the language {code!r} has anything in it, the first of "
                f"{len(own):,} being {own[0].reference!r} of {own[0].id!r} (normaliser "
                f"{settings.normaliser!r}); leave the language out"
            )
        counts = {}
        if between:
            check_spaces(references, code)
            counts["WER"] = _counts(jiwer.process_words(references, hypotheses))
        counts["CER"] = _counts(jiwer.process_characters(references, hypotheses))
        silent = [line.id for line, text in zip(own, references, strict=True) if not text]
        missed = [line.id for line, text in zip(own, hypotheses, strict=True) if not text]
        heard = Heard(
            language=code, utterances=len(own),
            words=Errors.of(counts["WER"]) if between else None,
            characters=Errors.of(counts["CER"]),
            empty_references=len(silent), empty_hypotheses=len(missed),
        )  # fmt: skip
        remarks = [
            *remark(silent, len(own), f"references of {code!r} are empty, {INSERTED}"),
            *remark(missed, len(own), f"hypotheses of {code!r} are empty"),
        ]
        return cls(heard, counts, remarks)


def _counts(found: jiwer.WordOutput | jiwer.CharacterOutput) -> Integers:
    """What jiwer aligned, counted for each utterance by `COLUMNS`."""
    counts = np.zeros((len(found.references), len(COLUMNS)), np.int64)
    for row, reference, chunks in zip(counts, found.references, found.alignments, strict=True):
        row[COLUMNS.index("length")] = len(reference)
        for chunk in chunks:
            if chunk.type != "equal":
                longer = max(chunk.ref_end_idx - chunk.ref_start_idx,
                             chunk.hyp_end_idx - chunk.hyp_start_idx)  # fmt: skip
                row[COLUMNS.index(chunk.type)] += longer
    return counts


def _rates(
    name: str, parts: Mapping[str, Integers], settings: RecognitionSettings
) -> tuple[dict[str, float], dict[str, Floats]]:
    """The rate of all, of each language and their mean; and the same of resampled utterances."""
    if not parts:
        return {}, {}
    groups = {name: np.concatenate(list(parts.values()))}
    groups |= {f"{name}.{code}": counts for code, counts in parts.items()}
    rates = {key: Errors.of(counts).rate for key, counts in groups.items()}
    # Seeds of their own: languages do not err together.
    draws = {
        key: _drawn(counts, derive_seed(settings.seed, key), settings.resamples)
        for key, counts in groups.items()
        if settings.resamples
    }
    if len(parts) > 1:
        own = [f"{name}.{code}" for code in parts]
        rates[f"{name}.mean"] = float(np.mean([rates[key] for key in own]))
        if draws:
            draws[f"{name}.mean"] = np.mean([draws[key] for key in own], axis=0)
    return rates, draws


def _drawn(counts: Integers, seed: int, resamples: int) -> Floats:
    """Rates of resampled utterances."""
    sums = lines.resampled_sums(counts, seed, resamples)
    # Of empty references alone there is no rate: they are taken for one character.
    rates: Floats = 100 * sums[:, :-1].sum(axis=1) / np.maximum(sums[:, -1], 1)
    return rates
