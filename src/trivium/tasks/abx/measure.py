"""ABX of a model's layers on a corpus: which of them keep phones apart."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from trivium.config import Settings
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.errors import TriviumError
from trivium.tasks.abx.errors import Speakers, comparisons
from trivium.tasks.abx.frames import Slicing, locate, slices, unit_frames
from trivium.tasks.abx.items import Integers, Items, Unit, phone_items, picoseconds, read_items
from trivium.tasks.rows import where_of
from trivium.tasks.score import Score, Signature
from trivium.tasks.vectors import SOUND

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Utterances decoded and heard at a time.
HEARD = 64
CHANCE = 50.0


class AbxSettings(Settings):
    """What is compared with what."""

    unit: Unit = "triphone"
    """Whether an item is a phone alone or with its neighbours."""
    speakers: tuple[Speakers, ...] = Field(default=("within", "across"), min_length=1)
    """Whether x is said by the speaker of a and b, or by another."""
    context: Literal["within", "any"] = "within"
    """Whether a, b and x stand between the same neighbours; only phones do without."""
    max_group: PositiveInt | None = 10
    """Tokens of one phone, context and speaker that are compared; null for all."""
    max_x_speakers: PositiveInt | None = 5
    """Speakers of x for each a and b; null for all."""
    seed: int = Field(default=0, ge=0)
    """Of drawing those."""
    slicing: Slicing = "whole"
    """The frames of an item; `librilight` drops the last, as published numbers often did."""
    outside: Literal["error", "skip"] = "error"
    """What to do with items that have no frame, or end behind their sound."""
    languages: tuple[str, ...] = ()
    """Languages of the utterances; empty for all. Phones of two are never compared."""
    items: Path | None = None
    """An item file whose files are ids of utterances; null takes the phone times of the corpus."""

    @model_validator(mode="after")
    def _triphones_have_contexts(self) -> Self:
        if self.unit == "triphone" and self.context == "any":
            raise ValueError(f"context 'any' is for phones, and unit is {self.unit!r}; set both")
        return self

    @property
    def words(self) -> str:
        """One line that says all of it."""
        source = "phone times"
        if self.items is not None:
            source = f"items {hashlib.sha256(self.items.read_bytes()).hexdigest()[:12]}"
        drawn = f"at most {self.max_group or 'all'} tokens, {self.max_x_speakers or 'all'} speakers"
        told = [f"{self.unit}s of {source}", f"{self.context} context", f"{drawn} of x",
                f"seed {self.seed}", f"{self.slicing} frames", *self.languages]  # fmt: skip
        if self.outside == "skip":
            told.append("without those of no frame")
        return ", ".join(told)


PUBLISHED = AbxSettings()


class Abx(Settings):
    """The result: the error of each layer, in percent."""

    score: Score
    """`within.layer0`, `across.layer0`, ...; `across.best` is the lowest of all layers."""
    layers: tuple[int, ...]
    """Which were measured; 0 is what enters the first."""
    items: int
    """How many items were compared."""
    skipped: int
    """How many had no frame, or ended behind their sound."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """`within`, `across`, or one of them."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.score.values))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and a row for each layer; chance is 50."""
        rows = [
            [str(layer), *(f"{self.score.values[f'{s}.layer{layer}']:.2f}" for s in self.speakers)]
            for layer in self.layers
        ]
        return ["layer", *(f"{speakers} speakers" for speakers in self.speakers)], rows

    def write(self, folder: Path) -> None:
        """`abx.json` and `abx.png`, the error by layer."""
        from trivium.checkpoint import write_file
        from trivium.report import png

        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "abx.json", self.to_json())
        write_file(folder / "abx.png", png(self._plot()))

    def _plot(self) -> "Figure":
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        for speakers in self.speakers:
            errors = [self.score.values[f"{speakers}.layer{layer}"] for layer in self.layers]
            axes.plot(self.layers, errors, marker="o", label=f"{speakers} speakers")
        axes.set_title("ABX error in percent; chance is 50")
        axes.set_xlabel("layer")
        axes.set_xticks(self.layers)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
        return figure


class Layered(Protocol):
    """A model that shows the states of its layers."""

    checksum: str

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def frame_rate_hz(self) -> Fraction:
        """Frames a second."""

    def layer_states(
        self, sounds: Sequence[Samples], layers: Sequence[int] | None = None
    ) -> Iterator[tuple[int, dict[int, NDArray[np.float32]]]]:
        """The place of each sound and its frames by layer."""


def measure(
    model: Layered,
    corpus: Corpus,
    split: str,
    settings: AbxSettings = PUBLISHED,
    *,
    layers: Sequence[int] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Abx:
    """The error of each layer, or of some; `advance` is told of utterances heard."""
    items, rows = _items(corpus, split, settings)
    sliced = slices(items, model.frame_rate_hz, settings.slicing)
    with tempfile.TemporaryDirectory(prefix="trivium-abx-") as folder:
        counts = _hear(model, corpus, rows, layers, Path(folder), advance)
        own, first, count = locate(items, counts, sliced, settings.outside)
        compared = comparisons(
            own, first, count, settings.speakers, any_context=settings.context == "any",
            max_group=settings.max_group, max_x_speakers=settings.max_x_speakers,
            seed=settings.seed,
        )  # fmt: skip
        told = tuple(sorted(int(path.name) for path in Path(folder).iterdir()))
        found = []
        for layer in told:
            frames = np.fromfile(Path(folder) / str(layer), np.float32)
            frames = frames.reshape(sum(counts.values()), -1)
            found.append(compared.errors(unit_frames(torch.from_numpy(frames).to(model.device))))
    values = {f"{s}.layer{layer}": 100 * errors[s] for s in settings.speakers
              for layer, errors in zip(told, found, strict=True)}  # fmt: skip
    for speakers in settings.speakers:
        values[f"{speakers}.best"] = 100 * min(errors[speakers] for errors in found)
    primary = "across.best" if "across" in settings.speakers else "within.best"
    gallery = f"{len(own):,} {settings.words}, {_chosen(layers)}"
    signature = Signature(task="abx", corpus=corpus.card.fingerprint, split=split,
                          gallery=gallery, model=model.checksum)  # fmt: skip
    score = Score(task="abx", values=values, primary=primary, lower_is_better=True,
                  chance=dict.fromkeys(values, CHANCE), signature=signature)  # fmt: skip
    return Abx(score=score, layers=told, items=len(own), skipped=len(items) - len(own))


def _chosen(layers: Sequence[int] | None) -> str:
    """What the best layer is the best of; one is no choice, whichever it is."""
    if layers is None:
        return "best of all layers"
    return "one layer" if len(layers) == 1 else f"best of layers {', '.join(map(str, layers))}"


def _hear(
    model: Layered, corpus: Corpus, rows: Integers, layers: Sequence[int] | None, folder: Path,
    advance: Callable[[int], None],
) -> dict[str, int]:  # fmt: skip
    """Write the frames of each layer into a file of its own; how many each utterance has.

    All layers of a long corpus are more than memory holds.
    """
    counts: dict[str, int] = {}
    for start in range(0, len(rows), HEARD):
        taken = corpus.take("utterances", rows[start : start + HEARD], SOUND)
        ids = taken.column("id").to_pylist()
        for place, states in model.layer_states(corpus.sounds(taken), layers):
            for layer, state in states.items():
                with (folder / str(layer)).open("ab") as file:
                    file.write(state.tobytes())
                counts[ids[place]] = len(state)
        advance(len(ids))
    return counts


def _items(corpus: Corpus, split: str, settings: AbxSettings) -> tuple[Items, Integers]:
    """The items of a split, and the rows of the utterances that have any."""
    names = ["id", "speaker", "language", "phones"]
    said = corpus.columns("utterances", names, where_of(split)).to_pylist()
    if settings.languages:
        said = [row for row in said if row["language"] in settings.languages]
    if settings.items is None:
        found = [item for row in said for item in _spoken_items(row, settings.unit)]
        if not found:
            raise TriviumError(
                f"no phone of {len(said):,} utterances of the split {split!r} of {corpus.path} has "
                "a speaker, times and two neighbours; give an item file"
            )
        items = Items.of_rows(found)
    else:
        items = read_items(settings.items)
    row_of = {row["id"]: row["row"] for row in said}
    wanted = dict.fromkeys(items.file.tolist())
    unknown = [name for name in wanted if name not in row_of]
    if unknown:
        raise TriviumError(
            f"{len(unknown):,} of the {len(wanted):,} files of {settings.items} are no utterances "
            f"of the split {split!r} of {corpus.path}: {', '.join(unknown[:3])}"
        )
    return items, np.array([row_of[name] for name in wanted], np.int64)


def _spoken_items(row: dict[str, Any], unit: Unit) -> list[tuple[Any, ...]]:
    """The items of an utterance; phones carry their language, for its symbols are its own."""
    if not row["phones"] or not row["speaker"]:
        return []
    language = f"{row['language']}:" if row["language"] else ""
    # Times are kept in float32, whose shortest decimal is what was meant.
    phones = [
        (language + p["symbol"], picoseconds(str(np.float32(p["start"]))),
         picoseconds(str(np.float32(p["end"]))))
        for p in row["phones"]
    ]  # fmt: skip
    return phone_items(row["id"], row["speaker"], phones, unit)
