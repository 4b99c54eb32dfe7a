"""Translation: BLEU and chrF of each direction, on references as they are.

sacrebleu computes both, with case and punctuation, and its signatures stand in the result. BLEU
depends on how texts are cut into tokens: `languages.tokenizer` says how, for each target, so that
no code of Chinese, Japanese or Korean falls back to 13a, which cuts at spaces.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self

import numpy as np
from pydantic import Field
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.errors import SettingsError
from trivium.runtime import derive_seed
from trivium.tasks.metrics import BOOTSTRAP_RESAMPLES, Floats, interval
from trivium.tasks.rows import in_blocks, literal, remark, rows_of, sounds_of
from trivium.tasks.score import Score, Signature
from trivium.tasks.words import lines
from trivium.tasks.words.languages import check_spaces, listed, short, tokenizer

Tokenizer = Literal["13a", "intl", "zh", "char", "ja-mecab", "ko-mecab", "none"]
# What is translated: what was said, what the same utterances have as text, or written sentences.
Source = Literal["speech", "text", "sentences"]

# The source languages of CoVoST 2 by how much speech each has; averages are over directions into
# English, as published. `high` and the sizes of all three were checked; who is in `mid` was not.
COVOST2: dict[str, tuple[str, ...]] = {
    "high": ("fr", "de", "es", "ca"),
    "mid": ("fa", "it", "ru", "pt", "zh"),
    "low": ("tr", "ar", "et", "mn", "nl", "sv", "lv", "sl", "ta", "ja", "id", "cy"),
}
GROUPS_INTO = "en"


class TranslationSettings(Settings):
    """How texts are cut, what is averaged, and how sure the numbers are."""

    tokenizers: dict[str, Tokenizer] = {}
    """sacrebleu's tokenizers of target languages where the usual one is not meant: `{"ja":
    "ja-mecab"}` needs `pip install sacrebleu[ja]`."""
    groups: dict[str, tuple[str, ...]] = COVOST2
    """Source languages whose directions into English are averaged, by name of the average."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind BLEU's intervals, over lines; 0 for none."""
    seed: int = 0
    """Seed of the resamples."""

    def tokenizer(self, target: str) -> str:
        """The tokenizer of a target language."""
        named = {short(code): name for code, name in self.tokenizers.items()}
        return named.get(short(target), tokenizer(target))


class Direction(Settings):
    """The scores of one direction."""

    source: str
    """The language that was translated."""
    target: str
    """The language it was translated into."""
    lines: int
    """How many were translated."""
    bleu: float
    """In percent, over all lines."""
    chrf: float
    """chrF2 in percent, over all lines."""
    length_ratio: float
    """Tokens written for a token of the references; below 1 BLEU is lowered."""
    bleu_signature: str
    """As sacrebleu writes it."""
    chrf_signature: str
    """As sacrebleu writes it."""

    @property
    def name(self) -> str:
        """`fr-en`."""
        return f"{self.source}-{self.target}"


class Translation(lines.Written):
    """The result: scores of each direction and their means."""

    score: Score
    """`BLEU` and `chrF` are means over directions; `BLEU.fr-en` is of one of them, `BLEU.high` the
    mean of a group."""
    directions: tuple[Direction, ...]
    """Each direction."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers, a row for each direction, and one for each mean."""
        values, rows = self.score.values, []
        counts = {each.name: f"{each.lines:,}" for each in self.directions}
        for key in values:
            metric, _, name = key.partition(".")
            if metric == "BLEU":
                low, high = self.score.intervals.get(key, (None, None))
                rows.append([
                    name or "mean", counts.get(name, ""), f"{values[key]:.2f}",
                    "" if low is None else f"{low:.2f} to {high:.2f}",
                    f"{values[key.replace('BLEU', 'chrF', 1)]:.2f}",
                ])  # fmt: skip
        return ["direction", "lines", "BLEU", "95 %", "chrF"], rows


def run(
    hypotheses: Sequence[str],
    references: Sequence[str],
    directions: Sequence[tuple[str, str]],
    settings: TranslationSettings,
    signature: Signature,
    ids: Sequence[str] = (),
) -> Translation:
    """The scores of hypotheses, each from one language into another, as `directions` say.

    `signature` says which corpus, split and model; tokenizers and directions are filled in here.
    """
    names = [f"{source}-{target}" for source, target in directions]
    paired = lines.pair(hypotheses, references, names, ids)
    scored = []
    for each in sorted(set(directions)):
        own = [line for line, pair in zip(paired, directions, strict=True) if pair == each]
        scored.append(_Scored.of(*each, own, settings))
    groups = _groups(scored, settings.groups)
    values = {
        metric + name: float(np.mean([getattr(each.told, metric.lower()) for each in members]))
        for metric in ("BLEU", "chrF")
        for name, members in groups.items()
    }
    intervals = {
        f"BLEU{name}": interval(np.mean([each.draws for each in members], axis=0)[:, None])[0]
        for name, members in groups.items()
        if settings.resamples
    }
    told = tuple(each.told for each in scored)
    signed = {
        "gallery": f"{len(paired):,} lines of {listed(names)}",
        "text": "; ".join(_signatures(told)),
    }
    score = Score(
        task=signature.task, values=values, primary="BLEU", intervals=intervals,
        signature=signature.model_copy(update=signed),
    )  # fmt: skip
    remarks = [sentence for each in scored for sentence in each.remarks]
    remarks += _missing(groups, settings.groups)
    return Translation(score=score, directions=told, remarks=tuple(remarks), lines=paired)


class Translator(Protocol):
    """What translates; batches as it likes, and keeps the order."""

    checksum: str

    def translate_speech(self, sounds: Sequence[Samples], language: str, to: str) -> Sequence[str]:
        """What 16 kHz sounds of one language say, in another."""

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> Sequence[str]:
        """What texts of one language say, in another."""


def measure(
    model: Translator,
    corpus: Corpus,
    split: str,
    source: Source,
    settings: TranslationSettings | None = None,
    *,
    languages: Sequence[str] = (),
    to: str = "",
    advance: Callable[[int], None] = lambda _: None,
) -> Translation:
    """What a model makes of the rows of a split that have a translation, or one into `to`.

    Where languages are named, others are not translated. Rows that lack what is needed are left
    out and counted. `advance` is told of rows done.
    """
    table = "sentences" if source == "sentences" else "utterances"
    needed = ["language", "translation", "translation_language"]
    rows, left_out = rows_of(
        corpus, table, split, needed if source == "speech" else [*needed, "text"], languages,
        f"translation_language = {literal(to)}" if to else None, heard=source == "speech",
    )  # fmt: skip
    directions = [(row["language"], row["translation_language"]) for row in rows]

    def translate(block: list[Mapping[str, str]]) -> Sequence[str]:
        pair = (block[0]["language"], block[0]["translation_language"])
        if source == "speech":
            return model.translate_speech(sounds_of(corpus, block), *pair)
        return model.translate_text([row["text"] for row in block], *pair)

    written = in_blocks(
        rows, lambda row: (row["language"], row["translation_language"]), translate, advance
    )
    signature = Signature(task=f"translation.{source}", corpus=corpus.card.fingerprint,
                          split=split, model=model.checksum)  # fmt: skip
    found = run(
        written, [row["translation"] for row in rows], directions,
        settings or TranslationSettings(), signature, [row["id"] for row in rows],
    )  # fmt: skip
    return found.model_copy(update={"remarks": (*left_out, *found.remarks)})


@dataclass(frozen=True)
class _Scored:
    """A direction, and its BLEU over resampled lines."""

    told: Direction
    draws: Floats  # (resamples,)
    remarks: Sequence[str]

    @classmethod
    def of(
        cls, source: str, target: str, own: Sequence[lines.Line], settings: TranslationSettings
    ) -> Self:
        """The scores of a direction's lines."""
        hypotheses = [line.hypothesis for line in own]
        references = [line.reference for line in own]
        name = settings.tokenizer(target)
        if name in ("13a", "intl"):
            check_spaces(references, target)
        bleu, chrf = _bleu(name, target), CHRF()
        whole = bleu.corpus_score(hypotheses, [references])
        told = Direction(
            source=source, target=target, lines=len(own), bleu=whole.score,
            chrf=chrf.corpus_score(hypotheses, [references]).score, length_ratio=whole.ratio,
            bleu_signature=str(bleu.get_signature()), chrf_signature=str(chrf.get_signature()),
        )  # fmt: skip
        seed = derive_seed(settings.seed, told.name)
        draws = _drawn(_bleu(name, target), own, seed, settings.resamples)
        remarks = [
            *remark([line.id for line in own if not line.reference.strip()], len(own),
                    f"references of {told.name} are empty"),
            *remark([line.id for line in own if not line.hypothesis.strip()], len(own),
                    f"hypotheses of {told.name} are empty"),
        ]  # fmt: skip
        return cls(told, draws, remarks)


def _groups(
    scored: Sequence[_Scored], named: Mapping[str, Sequence[str]]
) -> dict[str, list[_Scored]]:
    """What is averaged, by the end of the value's name: each direction, all, and named groups."""
    groups = {f".{each.told.name}": [each] for each in scored} | {"": list(scored)}
    english = [each for each in scored if short(each.told.target) == GROUPS_INTO]
    for name, sources in named.items():
        members = [each for each in english if short(each.told.source) in sources]
        if members:
            groups[f".{name}"] = members
    return groups


def _missing(
    groups: Mapping[str, Sequence[_Scored]], named: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """A sentence on each group that lacks some of its languages."""
    for name, sources in named.items():
        found = {short(each.told.source) for each in groups.get(f".{name}", ())}
        if found and found < set(sources):
            yield (
                f"{name} is the mean of {len(found)} of its {len(sources)} languages: "
                f"{listed(found)}"
            )


def _bleu(name: str, target: str) -> BLEU:
    try:
        return BLEU(tokenize=name)
    except RuntimeError as error:  # of a tokenizer that is not installed
        raise SettingsError(
            f"the tokenizer {name!r} of {target!r} is not there: pip install "
            f"'sacrebleu[{name.partition('-')[0]}]', or set tokenizers to char"
        ) from error


def _drawn(bleu: BLEU, own: Sequence[lines.Line], seed: int, resamples: int) -> Floats:
    """BLEU of resampled lines, of sums of what each line has."""
    if not resamples:
        return np.zeros(0)
    bleu.effective_order = True  # nobody is warned: the scores of single lines are not looked at
    found = [bleu.sentence_score(line.hypothesis, [line.reference]) for line in own]
    counts = np.array([[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in found])
    sums = lines.resampled_sums(counts, seed, resamples).astype(np.int64).tolist()
    return np.array([
        BLEU.compute_bleu(row[:4], row[4:8], row[8], row[9], smooth_method="exp").score
        for row in sums
    ])  # fmt: skip


def _signatures(directions: Sequence[Direction]) -> list[str]:
    """Each signature once, with the targets that it is of where there are several."""
    bleu = dict.fromkeys(each.bleu_signature for each in directions)
    told = []
    for one in bleu:
        targets = listed(each.target for each in directions if each.bleu_signature == one)
        told.append(f"BLEU{f' into {targets}' if len(bleu) > 1 else ''} {one}")
    return [*told, f"chrF2 {directions[0].chrf_signature}"]
