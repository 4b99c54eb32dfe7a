"""What a cell is measured by: who finds whom, and how the layers of its speech tower are mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trivium import checkpoint
from trivium.data.audio import Samples
from trivium.data.corpus import Corpus
from trivium.data.image import Pixels
from trivium.errors import TriviumError
from trivium.models.loaded import Model
from trivium.models.towers.networks import Kind
from trivium.studies.english_only.cells import MULTI, clip_name
from trivium.studies.english_only.sizes import EnglishOnlySettings
from trivium.studies.results import Measured
from trivium.studies.study import Cell
from trivium.tasks.metrics import Vectors
from trivium.tasks.retrieval import RetrievalSettings, run
from trivium.tasks.score import Score, Signature
from trivium.tasks.vectors import VectorSet, embed_corpus

RECALL_AT = (1, 5, 10)


@dataclass(frozen=True)
class Asked:
    """A model that is asked for some kinds alone, and for speech of some languages."""

    model: Model
    kinds: tuple[Kind, ...]
    languages: tuple[str, ...] = ()

    def embed_speech(self, sounds: Sequence[Samples], language: str) -> Vectors:
        """Vectors (N, D)."""
        return self.model.embed_speech(sounds, language)

    def embed_picture(self, pictures: Sequence[Pixels]) -> Vectors:
        """Vectors (N, D)."""
        return self.model.embed_picture(pictures)

    def embed_text(self, texts: Sequence[str], language: str) -> Vectors:
        """Vectors (N, D)."""
        return self.model.embed_text(texts, language)

    def embed(self, corpus: Corpus, split: str, text_language: str) -> list[VectorSet]:
        """The sets that are wanted."""
        return embed_corpus(self, corpus, split, (text_language,), self.languages)


class Measurement:
    """Measures cells on one corpus; pictures and sentences are embedded once for each clip."""

    def __init__(self, settings: EnglishOnlySettings, corpus: Path, stages: Path) -> None:
        self.settings = settings
        self._corpus, self._stages = Corpus.open(corpus), stages
        self._space = cache(self._make_space)

    def sign(self, cell: Cell, trained: Path) -> Signature:
        """What decides every number of a cell: its model, and the texts' and the pictures'."""
        clip = checkpoint.newest(self._stages / clip_name(cell.axes["towers"]))
        return Signature(
            task=f"study/english-only@{self.settings.recall_at}",
            corpus=self._corpus.card.fingerprint,
            split=self.settings.split,
            text=f"clip:{checkpoint.checksum(clip)[:12]}",
            model=checkpoint.checksum(trained),
        )

    def measure(self, cell: Cell, trained: Path, signature: Signature) -> Measured:
        """Every recall of a trained cell, both ways, and its layer weights."""
        settings, language = self.settings, cell.axes["language"]
        model = Model.load(trained)
        spoken = settings.languages if language == MULTI else (language,)
        heard = Asked(model, ("speech",), spoken).embed(self._corpus, settings.split, settings.home)
        found = run(
            [*heard, *self._space(cell.axes["towers"])],
            RetrievalSettings(
                recall_at=tuple(sorted({*RECALL_AT, settings.recall_at})),
                resamples=settings.resamples,
            ),
            signature,
        )
        # What stands for all is of the recall that the study is about.
        overall = _led_by(found.overall, f"recall@{settings.recall_at}")
        return Measured(
            cell=cell.name, axes=dict(cell.axes), seed=cell.seed, signature=signature,
            scores=(overall, *(pair.score for pair in found.compared)),
            curves=layer_weights(model),
        )  # fmt: skip

    def _make_space(self, size: str) -> list[VectorSet]:
        """Pictures and English sentences, as a clip has them."""
        clip = Model.load(self._stages / clip_name(size))
        return Asked(clip, ("text", "picture")).embed(
            self._corpus, self.settings.split, self.settings.home
        )


def layer_weights(model: Model) -> dict[str, tuple[float, ...]]:
    """How much each state of the speech tower counts, from what enters the first layer up."""
    weights = getattr(model.system, "layer_weights", None)
    if weights is None:
        raise TriviumError(f"the {model.name} has no layer weights to tell of")
    rows = weights.detach().float().softmax(1).tolist()
    return {f"layer weights {place}" if place else "layer weights": tuple(row)
            for place, row in enumerate(rows)}  # fmt: skip


def _led_by(score: Score, name: str) -> Score:
    return score.model_copy(update={"primary": name})
