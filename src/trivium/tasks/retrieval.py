"""Retrieval: how well speech, text and pictures of one thing find one another.

Works on vectors that are already there; `vectors.embed_corpus` makes them. In percent and both
directions: recall at k counts a query whose first k hold *any* positive, as the field's papers do,
and ties count against the model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
from pydantic import Field, PositiveInt

from trivium.config import Settings
from trivium.data.corpus import Corpus
from trivium.errors import TriviumError
from trivium.report import png
from trivium.tasks.metrics import (
    BLOCK_SCORES,
    BOOTSTRAP_RESAMPLES,
    Floats,
    Ranks,
    answerable,
    bootstrap,
    interval,
    rank,
)
from trivium.tasks.score import Score, Signature
from trivium.tasks.vectors import Embedder, VectorSet, embed_corpus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Meeting = Literal["speech-picture", "speech-text", "text-picture", "speech-speech"]

Named = list[tuple[str, float]]


class RetrievalSettings(Settings):
    """What is compared, and how."""

    comparisons: tuple[Meeting, ...] = (
        "speech-picture",
        "speech-text",
        "text-picture",
        "speech-speech",
    )
    """Kinds that search one another; speech searches speech of other languages."""
    primary: Meeting = "speech-picture"
    """The comparisons whose mean stands for all."""
    recall_at: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 5, 10)
    """How many hits are looked at; the primary value is recall at the largest."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """How vectors are compared; M-SpeechCLIP's code takes the dot product."""
    gallery_pairs: PositiveInt | None = None
    """Search galleries of exactly so many pairs, cut from the pairs in their order, one caption
    for each picture; M-SpeechCLIP reports 1000. Without it everything is searched at once."""
    resamples: Annotated[int, Field(ge=0)] = BOOTSTRAP_RESAMPLES
    """Bootstrap resamples behind the intervals; 0 for none."""
    seed: int = 0
    """Seed of the resamples."""
    block_scores: PositiveInt = BLOCK_SCORES
    """How many scores are in memory at once."""


class Compared(Settings):
    """Two sets that searched one another."""

    a: str
    """Name of the one."""
    b: str
    """Name of the other."""
    score: Score
    """`to_<name>/...` are of searches for that set, the rest is the mean of both directions."""


class Retrieval(Settings):
    """The result: a score for each two sets, and one that stands for all."""

    overall: Score
    """The mean over the primary comparisons."""
    compared: tuple[Compared, ...]
    """Every comparison."""
    recall_at: tuple[int, ...]
    """At how many hits recall was taken."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each direction; chance is in brackets."""
        names = _value_names(self.recall_at)
        rows = [
            [query, target, *(_beside_chance(pair.score, f"to_{target}/{name}") for name in names)]
            for pair in self.compared
            for query, target in ((pair.a, pair.b), (pair.b, pair.a))
        ]
        return ["query", "finds", *names], rows

    def recall_matrix(self, k: int | None = None) -> tuple[list[str], Floats]:
        """Names, and recall in percent where the set of a row searches the set of a column.

        NaN where two sets were not compared.
        """
        k = max(self.recall_at) if k is None else k
        if k not in self.recall_at:
            raise TriviumError(f"recall@{k} was not computed; there is {self.recall_at}")
        names = list(dict.fromkeys(name for pair in self.compared for name in (pair.a, pair.b)))
        names.sort(key=lambda name: (name.startswith("picture"), name.startswith("text")))
        matrix = np.full((len(names), len(names)), np.nan)
        for pair in self.compared:
            for query, target in ((pair.a, pair.b), (pair.b, pair.a)):
                found = pair.score.values[f"to_{target}/recall@{k}"]
                matrix[names.index(query), names.index(target)] = found
        return names, matrix

    def write(self, folder: Path) -> None:
        """`retrieval.json` and `retrieval.png`, a heat map of recall."""
        from trivium.checkpoint import write_file

        folder.mkdir(parents=True, exist_ok=True)
        names, matrix = self.recall_matrix()
        title = f"recall@{max(self.recall_at)} in percent"
        write_file(folder / "retrieval.json", self.to_json())
        write_file(folder / "retrieval.png", png(heat_map(names, matrix, title)))


def run(sets: Sequence[VectorSet], settings: RetrievalSettings, signature: Signature) -> Retrieval:
    """Every comparison that the settings name and the sets allow.

    `signature` says which corpus, split and model; task and gallery are filled in here.
    """
    _check(sets)
    if settings.similarity == "cosine":
        sets = [each.of_unit_length() for each in sets]
    compared: list[Compared] = []
    primary: list[Score] = []
    for meeting in dict.fromkeys(settings.comparisons):
        for a, b in _meetings(sets, meeting):
            score = compare(a, b, settings, signature)
            compared.append(Compared(a=a.name, b=b.name, score=score))
            if meeting == settings.primary:
                primary.append(score)
    if not primary:
        names = ", ".join(each.name for each in sets) or "none"
        raise TriviumError(
            f"there is nothing for the primary comparison {settings.primary!r}: the sets are "
            f"{names}; name another as `primary`, among `comparisons`"
        )
    overall = _mean(primary, signature)
    return Retrieval(overall=overall, compared=tuple(compared), recall_at=settings.recall_at)


def compare(a: VectorSet, b: VectorSet, settings: RetrievalSettings, signature: Signature) -> Score:
    """The score of two sets that search one another by dot product."""
    if not answerable(a.ids, b.ids).any():
        raise TriviumError(f"{a.name} and {b.name} have no id in common: nothing can be found")
    galleries, gallery = _galleries(a, b, settings.gallery_pairs)
    there = _search(galleries, settings)
    back = _search([(y, x) for x, y in galleries], settings)
    sides = {f"to_{b.name}/": there, f"to_{a.name}/": back, "": _mean_recall(there, back)}
    task = f"retrieval/{a.name}-{b.name}"
    signed = {"task": task, "gallery": f"{gallery} by {settings.similarity}"}
    return Score(
        task=task,
        values={at + name: value for at, side in sides.items() for name, value in side.values},
        primary=f"recall@{max(settings.recall_at)}",
        chance={at + name: value for at, side in sides.items() for name, value in side.chance},
        intervals={at + name: pair for at, side in sides.items() for name, pair in side.intervals},
        signature=signature.model_copy(update=signed),
    )


def heat_map(names: Sequence[str], matrix: Floats, title: str) -> "Figure":
    """A square of cells, the set of a row searching the set of a column; NaN stays empty."""
    from matplotlib.figure import Figure

    side = 2.2 + 0.75 * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.add_subplot()
    cells = axes.imshow(np.ma.masked_invalid(matrix), vmin=0, vmax=100, cmap="viridis")
    axes.set_title(title)
    axes.set_xlabel("finds")
    axes.set_ylabel("query")
    axes.set_xticks(range(len(names)), list(names), rotation=45, ha="right")
    axes.set_yticks(range(len(names)), list(names))
    for row, column in np.argwhere(np.isfinite(matrix)):
        value = matrix[row, column]
        ink = "black" if value > 60 else "white"  # viridis is dark where recall is low
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=ink)
    figure.colorbar(cells, ax=axes, shrink=0.8)
    return figure


@dataclass(frozen=True)
class _Side:
    """What is told of searching in one direction, by names in their order."""

    values: Named
    chance: Named
    names: list[str]  # of the recalls
    draws: Floats | None  # (resamples, recalls)

    @property
    def intervals(self) -> list[tuple[str, tuple[float, float]]]:
        """The recalls' intervals by name; none where nothing was resampled."""
        if self.draws is None:
            return []
        return list(zip(self.names, interval(self.draws), strict=True))


def _search(galleries: list[tuple[VectorSet, VectorSet]], settings: RetrievalSettings) -> _Side:
    """Queries that have an answer search everything on the other side."""
    parts, ids = [], []
    for queries, gallery in galleries:
        own = queries.take(np.flatnonzero(answerable(queries.ids, gallery.ids)))
        parts.append(
            rank(own.vectors, gallery.vectors, own.ids, gallery.ids, settings.block_scores)
        )
        ids.append(own.ids)
    ranks = Ranks.join(parts)
    at = settings.recall_at
    found = [*(100 * ranks.recall(k) for k in at), ranks.median_rank(),
             100 * ranks.mean_average_precision()]  # fmt: skip
    chance = [*(100 * ranks.chance_recall(k) for k in at), ranks.chance_median_rank(),
              100 * ranks.chance_mean_average_precision()]  # fmt: skip
    names = _value_names(at)
    draws = None
    if settings.resamples:
        hits = (ranks.first[:, None] <= np.array(at)).astype(np.float64) * 100
        # One seed: both directions have the same ids, which are so drawn together.
        draws = bootstrap(hits, np.concatenate(ids), settings.seed, settings.resamples)
    values, expected = (list(zip(names, told, strict=True)) for told in (found, chance))
    return _Side(values, expected, names[: len(at)], draws)


def _mean_recall(there: _Side, back: _Side) -> _Side:
    def mean(one: Named, other: Named) -> Named:
        numbers = zip(there.names, one, other, strict=False)  # recalls stand first
        return [(name, (x + y) / 2) for name, (_, x), (_, y) in numbers]

    draws = None
    if there.draws is not None and back.draws is not None:
        draws = (there.draws + back.draws) / 2
    chance = mean(there.chance, back.chance)
    return _Side(mean(there.values, back.values), chance, there.names, draws)


class Signed(Embedder, Protocol):
    """An embedder that says which weights it has."""

    checksum: str


def primary_meeting(kinds: Sequence[str]) -> Meeting:
    """The comparison that stands for all, of a system that embeds these kinds."""
    if "picture" in kinds:
        return "speech-picture" if "speech" in kinds else "text-picture"
    return "speech-text" if "text" in kinds else "speech-speech"


def measure(
    model: Signed,
    corpus: Corpus,
    split: str,
    *,
    resamples: int = BOOTSTRAP_RESAMPLES,
    speech_languages: Sequence[str] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Retrieval:
    """Retrieval among all that a model embeds of a split, signed; `advance` is told of items."""
    sets = embed_corpus(model, corpus, split, speech_languages=speech_languages, advance=advance)
    settings = RetrievalSettings(primary=primary_meeting(model.kinds), resamples=resamples)
    signature = Signature(
        task="retrieval", corpus=corpus.card.fingerprint, split=split, model=model.checksum
    )
    return run(sets, settings, signature)


def _value_names(recall_at: Sequence[int]) -> list[str]:
    return [*(f"recall@{k}" for k in recall_at), "median rank", "mAP"]


def _galleries(
    a: VectorSet, b: VectorSet, pairs: int | None
) -> tuple[list[tuple[VectorSet, VectorSet]], str]:
    """What searches what, and that in words."""
    if pairs is None:
        return [(a, b)], f"{len(a.ids):,} {a.name}, {len(b.ids):,} {b.name}"
    _, rows_a, rows_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    order = np.argsort(rows_a)
    rows_a, rows_b = rows_a[order], rows_b[order]
    count = len(order) // pairs
    if not count:
        raise TriviumError(
            f"{a.name} and {b.name} have {len(order):,} pairs; a gallery of exactly {pairs:,} "
            "cannot be cut from them: lower `gallery_pairs`"
        )
    cut = [slice(start, start + pairs) for start in range(0, count * pairs, pairs)]
    left = f", {len(order) % pairs:,} left over" if len(order) % pairs else ""
    words = f"{count:,} x {pairs:,} pairs of {a.name} and {b.name}{left}"
    return [(a.take(rows_a[own]), b.take(rows_b[own])) for own in cut], words


def _meetings(sets: Sequence[VectorSet], meeting: Meeting) -> Iterator[tuple[VectorSet, VectorSet]]:
    first, second = meeting.split("-")
    if first == second:
        yield from combinations([each for each in sets if each.kind == first], 2)
    else:
        yield from product(
            [each for each in sets if each.kind == first],
            [each for each in sets if each.kind == second],
        )


def _mean(scores: list[Score], signature: Signature) -> Score:
    """The mean of several scores' means, and each one's primary value."""
    recalls = [name for name in scores[0].values if not name.startswith("to_")]
    primary = scores[0].primary

    def told(name: str) -> dict[str, float]:
        by_name = [getattr(score, name) for score in scores]
        means = {key: float(np.mean([each[key] for each in by_name])) for key in recalls}
        own = zip(scores, by_name, strict=True)
        return means | {f"{score.task}/{primary}": each[primary] for score, each in own}

    gallery = "; ".join(score.signature.gallery for score in scores)
    signed = signature.model_copy(update={"task": "retrieval", "gallery": gallery})
    return Score(task="retrieval", values=told("values"), primary=primary,
                 chance=told("chance"), signature=signed)  # fmt: skip


def _beside_chance(score: Score, name: str) -> str:
    return f"{score.values[name]:,.1f} ({score.chance[name]:,.2f})"


def _check(sets: Sequence[VectorSet]) -> None:
    names = [each.name for each in sets]
    for each in sets:
        if names.count(each.name) > 1:
            raise TriviumError(f"there are {names.count(each.name)} sets {each.name!r}; join them")
        if each.vectors.ndim != 2 or each.vectors.shape[1:] != sets[0].vectors.shape[1:]:
            raise TriviumError(
                f"{each.name} has vectors of shape {each.vectors.shape} and {sets[0].name} of "
                f"{sets[0].vectors.shape}; they must be (N, D) of one space"
            )
        distinct = len(np.unique(each.ids))
        if each.kind == "picture" and distinct < len(each.ids):
            raise TriviumError(
                f"{each.name} holds {len(each.ids):,} vectors of {distinct:,} pictures; "
                "give each picture once, however many captions it has"
            )
