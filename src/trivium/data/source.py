"""One stream of rows: corpora, a split, a filter and a budget, read into plain arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from trivium.config import Settings
from trivium.data.augment import AugmentSettings
from trivium.data.corpus import Corpus
from trivium.data.plan import Plan
from trivium.data.store import SCHEMAS
from trivium.errors import CorpusError, did_you_mean

DEFAULT_COLUMNS = {
    "utterances": ("audio", "text", "language"),
    "pictures": ("image",),
    "sentences": ("text", "language"),
}
SOUND_COLUMNS = ("audio", "path", "offset", "seconds")
NO_GROUP = "unknown"


class SourceSettings(Settings):
    """Which rows a stream has, and how many go into one micro."""

    corpora: tuple[Path, ...] = Field(min_length=1)
    """Corpus folders."""
    table: Literal["utterances", "pictures", "sentences"] = "utterances"
    """The table whose rows are streamed."""
    split: str | None = "train"
    """The split; null takes all of them."""
    where: str | None = None
    """A further filter, as in SQL: `speaker != 'anna' and language in ('hi', 'ja')`."""
    seconds: float | None = Field(default=None, gt=0)
    """Budget of a micro in seconds of sound, padding included."""
    characters: int | None = Field(default=None, gt=0)
    """Budget of a micro in characters of text, padding included."""
    items: int | None = Field(default=None, gt=0)
    """Budget of a micro in rows, of whatever length."""
    mix_by: Literal["language", "corpus"] | None = None
    """What `temperature` balances."""
    temperature: float = Field(default=1.0, ge=1)
    """1 takes rows as often as they are; larger values bring languages or corpora closer."""
    min_seconds: float | None = None
    """Shorter sounds are left out."""
    max_seconds: float | None = None
    """Longer sounds are left out."""
    min_characters: int | None = None
    """Shorter texts are left out."""
    max_characters: int | None = None
    """Longer texts are left out."""
    columns: tuple[str, ...] | None = None
    """What batches carry; null means sound or picture, text and language.

    `audio` becomes `speech`; `image` also works for utterances that have a picture.
    """
    together: str | None = None
    """Rows with one value of this column, as `picture`, always stand in the same micro."""
    augment: AugmentSettings | None = None
    """Changes to the sound, drawn anew in each epoch."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        budgets = {name: getattr(self, name) for name in ("seconds", "characters", "items")}
        given = {name: value for name, value in budgets.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                f"the budget of a micro is given as {given or 'nothing'}; "
                "give exactly one of seconds, characters and items"
            )
        if self.temperature != 1 and self.mix_by is None:
            raise ValueError(
                f"temperature {self.temperature:g} has no effect without mix_by; "
                "add mix_by='language' or 'corpus'"
            )
        known = (*SCHEMAS[self.table].names, *(("image",) if self.table == "utterances" else ()))
        for name in self.carried:
            if name not in known:
                raise ValueError(
                    f"{self.table} have no column {name!r}; {did_you_mean(name, known)}"
                )
        for name in self._needed:
            if name not in known:
                raise ValueError(f"{self.table} have no {name} to choose, count or mix rows by")
        if self.together is not None and self.together not in known:
            raise ValueError(
                f"{self.table} have no column {self.together!r} to keep rows together by; "
                f"{did_you_mean(self.together, known)}"
            )
        if self.together is not None and self.mix_by == "language":
            raise ValueError(
                f"rows of one {self.together} may be of several languages, which mix_by="
                f"{self.mix_by!r} would balance; leave one of the two out"
            )
        if self.augment is not None and "audio" not in self.carried:
            raise ValueError(f"augment changes sound, and columns are {list(self.carried)}")
        return self

    @property
    def unit(self) -> Literal["seconds", "characters", "items"]:
        """What the budget counts."""
        if self.seconds is not None:
            return "seconds"
        return "items" if self.characters is None else "characters"

    @property
    def budget(self) -> float:
        """The budget of a micro, in its unit."""
        return float(self.seconds or self.characters or self.items or 0)

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns that batches carry."""
        return DEFAULT_COLUMNS[self.table] if self.columns is None else self.columns

    @property
    def _needed(self) -> list[str]:
        """Columns that budget, limits and mixing read."""
        limits = [
            name
            for name in ("seconds", "characters")
            if getattr(self, f"min_{name}") is not None or getattr(self, f"max_{name}") is not None
        ]
        unit = [] if self.unit == "items" else [self.unit]
        return [*unit, *limits, *(["language"] if self.mix_by == "language" else [])]

    @property
    def filter(self) -> str | None:
        """Split, `where` and the limits as one filter."""
        terms = [f"({self.where})"] if self.where else []
        if self.split is not None:
            quoted = self.split.replace("'", "''")
            terms.insert(0, f"split = '{quoted}'")
        for name in ("seconds", "characters"):
            for bound, sign in (("min", ">="), ("max", "<=")):
                limit = getattr(self, f"{bound}_{name}")
                terms += [] if limit is None else [f"{name} {sign} {limit}"]
        return " and ".join(terms) or None


@dataclass(frozen=True)
class Units:
    """Rows that stay together, as one length and one group for each set of them."""

    order: NDArray[np.int64]  # (N,) rows, set by set
    starts: NDArray[np.int64]  # (units + 1,) where each set begins in `order`
    lengths: NDArray[Any]  # (units,) all its rows, padded to the longest
    groups: NDArray[np.int32] | None  # (units,) of its first row

    @classmethod
    def of(
        cls,
        values: pa.ChunkedArray,
        corpus_of: NDArray[np.int16],
        lengths: NDArray[Any],
        groups: NDArray[np.int32] | None,
    ) -> Self:
        """Rows of one corpus and one value; a row without a value stands alone."""
        codes = pc.dictionary_encode(values.cast(pa.string())).combine_chunks().indices
        alone = codes.is_null().to_numpy(zero_copy_only=False)
        keys = pc.fill_null(codes, 0).to_numpy().astype(np.int64)
        keys[alone] = len(keys) + np.flatnonzero(alone)
        keys += corpus_of.astype(np.int64) * (2 * len(keys) + 1)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        longest = np.maximum.reduceat(lengths[order], starts)
        whole = (longest * sizes).astype(lengths.dtype)
        first = None if groups is None else groups[order[starts]]
        return cls(order, np.append(starts, len(order)), whole, first)

    def members(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these sets, one set after the other."""
        return np.concatenate(
            [self.order[self.starts[unit] : self.starts[unit + 1]] for unit in units]
        )


@dataclass(frozen=True)
class Piece:
    """Taken rows of one corpus, and their places among the rows asked for."""

    corpus: Corpus
    places: NDArray[np.int64]
    table: pa.Table


class Source:
    """The rows that match, as arrays: lengths, groups, and where each is found."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings
        self.corpora = [Corpus.open(path) for path in settings.corpora]
        found = [self._read(corpus) for corpus in self.corpora]
        sizes = [len(table) for table in found]
        self.rows = np.concatenate([table.column("row").to_numpy() for table in found])  # (N,)
        self.corpus_of = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)  # (N,)
        if not len(self.rows):
            raise CorpusError(self._why_empty())
        self.lengths = self._lengths(found)  # (N,) in the unit of the budget
        self.group_names, self.groups = self._groups(found)
        self._units: Units | None = None
        self._check_lengths()
        if settings.together is not None:
            values = pa.chunked_array(
                [chunk for table in found for chunk in table[settings.together].chunks]
            )
            self._units = Units.of(values, self.corpus_of, self.lengths, self.groups)
            self.lengths, self.groups = self._units.lengths, self._units.groups
            self._check_lengths()

    def __len__(self) -> int:
        """What a plan counts: rows, or sets of rows that stay together."""
        return len(self.lengths)

    def members(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows that stand for what a plan chose."""
        if self._units is None:
            return positions
        return self._units.members(positions)

    def plan(self, micros_per_step: int, seed: int) -> Plan:
        """The micros of every step of a run."""
        return Plan(
            self.lengths,
            self.groups,
            budget=self.settings.budget,
            micros_per_step=micros_per_step,
            seed=seed,
            temperature=self.settings.temperature,
        )

    def take(self, positions: NDArray[np.int64]) -> Iterator[Piece]:
        """The rows at these positions, corpus by corpus; repeats are allowed."""
        corpus_of = self.corpus_of[positions]
        for number in np.unique(corpus_of):
            places = np.flatnonzero(corpus_of == number)
            corpus, rows = self.corpora[number], self.rows[positions[places]]
            yield Piece(corpus, places, corpus.take(self.settings.table, rows, self._taken))

    @cached_property
    def _taken(self) -> list[str]:
        """Columns of the table that the carried ones need; `id` always."""
        taken = ["id", *self.settings.carried]
        if "audio" in taken:
            taken += SOUND_COLUMNS
        if "image" in taken and self.settings.table == "utterances":
            taken = [*(name for name in taken if name != "image"), "picture"]
        return list(dict.fromkeys(taken))

    def _read(self, corpus: Corpus) -> pa.Table:
        settings = self.settings
        names: list[str] = [] if settings.unit == "items" else [settings.unit]
        names += ["language"] if settings.mix_by == "language" else []
        names += [settings.together] if settings.together else []
        # Lance wants at least one column.
        return corpus.columns(settings.table, list(dict.fromkeys(names)) or ["id"], settings.filter)

    def _lengths(self, found: list[pa.Table]) -> NDArray[np.float32] | NDArray[np.int32]:
        unit = self.settings.unit
        if unit == "items":
            return np.ones(len(self.rows), np.int32)
        missing = sum(table.column(unit).null_count for table in found)
        if missing:
            raise CorpusError(
                f"{missing:,} of {len(self.rows):,} rows of {self._names} have no {unit}, and the "
                f'budget is in {unit}; leave them out with where="{unit} is not null", '
                "or give the budget in items"
            )
        lengths = np.concatenate([table.column(unit).to_numpy() for table in found])
        if unit == "characters":
            return lengths.astype(np.int32)
        augment = self.settings.augment
        return (lengths * (1.0 if augment is None else augment.longest_stretch)).astype(np.float32)

    def _groups(self, found: list[pa.Table]) -> tuple[list[str], NDArray[np.int32] | None]:
        if self.settings.mix_by is None:
            return [], None
        if self.settings.mix_by == "corpus":
            return [corpus.card.name for corpus in self.corpora], self.corpus_of.astype(np.int32)
        column = pa.concat_tables([table.select(["language"]) for table in found])["language"]
        texts = pc.fill_null(column.cast(pa.string()), NO_GROUP)
        names = sorted(pc.unique(texts).to_pylist())
        return names, pc.index_in(texts, pa.array(names)).to_numpy().astype(np.int32)

    def _check_lengths(self) -> None:
        settings, unit = self.settings, self.settings.unit
        long = np.flatnonzero(self.lengths > settings.budget)
        if not len(long):
            return
        longest = int(long[np.argmax(self.lengths[long])])
        piece = next(self.take(self.members(np.array([longest]))))
        stretched = "" if settings.augment is None else " (slowed by augment.warp)"
        raise CorpusError(
            f"{len(long):,} of {len(self):,} rows do not fit the budget of {settings.budget:g} "
            f"{unit}: {piece.table['id'][0].as_py()!r} has {self.lengths[longest]:.6g}{stretched}; "
            f"raise {unit}, or leave them out with max_{unit}"
        )

    def _why_empty(self) -> str:
        settings = self.settings
        splits: dict[str, int] = {}
        for corpus in self.corpora:
            column = corpus.columns(settings.table, ["split"])["split"].cast(pa.string())
            for pair in pc.value_counts(column).to_pylist():
                name = str(pair["values"])
                splits[name] = splits.get(name, 0) + int(pair["counts"])
        there = ", ".join(f"{name} ({rows:,})" for name, rows in sorted(splits.items()))
        return (
            f"no row of {settings.table} in {self._names} matches {settings.filter or 'at all'}; "
            f"splits there: {there or 'none, the table is empty'}"
        )

    @property
    def _names(self) -> str:
        return " and ".join(str(path) for path in self.settings.corpora)
