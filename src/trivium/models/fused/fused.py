"""CTAL: a text encoder, and an audio encoder that attends to it in every layer.

Li et al., "CTAL: Pre-training Cross-modal Transformer for Audio-and-Language Representations"
(2109.00181).

Text is encoded first, alone; audio sees its own frames in both directions, and the last states of
the text. What is hidden, of whom, and who sees it:

- `mlm`: tokens of the text are hidden, and said by the text encoder, which never hears;
- `mcam`: spans of frames are hidden, and said by the audio encoder beside the text with *its*
  hidden tokens.

Then a head pools both streams, joins them in one vector, and answers: a class, a number, or who
speaks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import ClassVar, Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from trivium import checkpoint
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.layers.fusion import FusionHead, Joined
from trivium.models.fused.audio import AudioEncoder, Front, MelFront, TowerFront
from trivium.models.fused.preparation import Preparation
from trivium.models.fused.settings import FusedSettings
from trivium.models.fused.text import TextEncoder, published_folder
from trivium.models.system import as_ragged, as_tensor
from trivium.models.towers import SpeechTower
from trivium.models.towers.networks import Kind
from trivium.models.towers.text import read_tokenizer
from trivium.objectives.acoustic import acoustic_loss, show
from trivium.objectives.classify import absolute_loss, class_loss, margin_loss, overlap_loss
from trivium.objectives.masked import gather_frames
from trivium.objectives.spans import prediction_loss
from trivium.objectives.terms import Pairs, Term

Losses = dict[str, Callable[[], Tensor]]


class Fused(nn.Module):
    """The system `fused`.

    Its objectives, as far as the settings have what they need: `mlm` and `mcam` before, the one
    that settings.task names afterwards, and beside it `orthogonality` of the two streams.
    """

    Settings: ClassVar = FusedSettings
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "mlm": ("pairs",), "mcam": ("pairs",), "classify": ("rows",), "regress": ("rows",),
        "voices": ("rows",), "orthogonality": ("rows",),
    }  # fmt: skip
    pair_objectives: ClassVar[tuple[str, ...]] = ()
    kinds: ClassVar[tuple[Kind, ...]] = ()

    def __init__(self, settings: FusedSettings, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        folder = None if settings.start is None else checkpoint.find(settings.start)
        self.settings = settings.model_copy(update={"start": None})
        hears = "speech" in settings.reads
        self.text: TextEncoder | None = None
        if "text" in settings.reads or settings.audio.cross_attention:
            self.text = TextEncoder(settings, _tokenizer(settings, tokenizer))
        published = settings.speech
        self.speech = None if published is None else SpeechTower.from_settings(published)
        if self.speech is not None and not settings.train_speech:
            self.speech.freeze()
        self.front: Front | None = None
        self.audio: AudioEncoder | None = None
        if hears:
            self.front = (
                MelFront(settings.audio) if self.speech is None else TowerFront(self.speech)
            )
            self.audio = AudioEncoder(self.front.channels, settings)
        if settings.task is not None:
            if settings.task != "regress" and not settings.labels:
                raise SettingsError(
                    f"task {settings.task!r} has the labels {settings.labels}; name two or more, "
                    "or give the recipe a corpus that has some"
                )
            joins = settings.fusion != "none"
            self.head = FusionHead(settings.width, settings.fusion, joins or not hears, hears)
            self.answer = nn.Linear(self.head.width, max(1, len(settings.labels)), bias=False)
        if folder is not None:
            for name in settings.start_with:
                encoder = getattr(self, name)
                if encoder is not None:
                    checkpoint.load_into(encoder, folder, f"{name}.")
        frames = None if self.front is None else self.front.num_frames
        self.preparation = Preparation(self.settings, self.text, frames)

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(FusedSettings.tiny())

    @property
    def reads(self) -> tuple[str, ...]:
        """What an answer is made of."""
        return self.settings.reads

    @property
    def labels(self) -> tuple[str, ...]:
        """What may be answered."""
        return self.settings.labels

    @property
    def label_column(self) -> str:
        """The corpus column that has the answers."""
        return self.settings.column or self.settings.label_column

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """`pairs` are heard and read, `rows` have an answer too."""
        names = {"speech": "audio", "text": "text"}
        read = tuple(names[kind] for kind in self.reads)
        column = self.settings.column
        return {"pairs": read} | ({} if column is None else {"rows": (*read, column)})

    @property
    def objectives(self) -> tuple[str, ...]:
        """Those that the settings have all for."""
        found = ["mlm"] if "text" in self.reads else []
        if self.audio is not None and not self.settings.train_speech:
            found.append("mcam")
        if self.settings.task is not None:
            found.append(self.settings.task)
            found += ["orthogonality"] if self.settings.fusion != "none" else []
        return tuple(found)

    @property
    def guesses(self) -> dict[str, float]:
        """Losses of a system that answers all classes alike."""
        return {"classify": math.log(len(self.labels))} if self.settings.task == "classify" else {}

    def train(self, mode: bool = True) -> Self:
        """A frozen network drops nothing: what it gives is the target."""
        super().train(mode)
        if self.speech is not None and self.speech.frozen:
            self.speech.eval()
        return self

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Tokens, what is hidden, answers; rows that cannot count are left out."""
        make = {"pairs": self.preparation.pairs, "rows": self.preparation.rows}
        made = {role: make[role](batch) for role, batch in parts.items()}
        return {role: batch for role, batch in made.items() if batch is not None}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro; what several of them need is made once."""
        make = {"pairs": self._of_pairs, "rows": self._of_rows}
        losses: Losses = {}
        for role, batch in parts.items():
            losses |= make[role](batch)

        def nothing() -> Tensor:
            """Of a role none of whose rows counts."""
            return 0 * next(p for p in self.parameters() if p.requires_grad).sum()

        return {name: Term(losses.get(name, nothing)()) for name in active}

    def _of_pairs(self, batch: Batch) -> Losses:
        """What is hidden is said: of a text from itself, of sound beside its text."""
        inputs = {name: as_ragged(thing) for name, thing in batch.inputs.items()}

        @cache
        def text() -> Ragged | None:
            return None if self.text is None else self.text(inputs["seen_tokens"])

        def mlm() -> Tensor:
            """Hidden tokens are said from those around them."""
            encoder, states, hidden = self.preparation.encoder, text(), inputs["hidden_tokens"]
            if states is None:
                raise TriviumError(f"no text of {batch.ids[0]!r} is read")
            scores = encoder.network.predict(gather_frames(states.data, hidden))
            targets = inputs["tokens"].data.gather(1, hidden.data)
            return prediction_loss(scores, Ragged(targets, hidden.lengths))

        def mcam() -> Tensor:
            """Hidden frames are said from those around them, and from what is left of the text."""
            audio, frames = self._audio, self._hear(batch.speech)
            hidden = inputs["hidden_frames"]
            states = audio(show(frames, inputs["seen_frames"]), text() if audio.attends else None)
            said = audio.predict(gather_frames(states.data, hidden))
            there = gather_frames(frames.data, hidden)
            return acoustic_loss(said, Ragged(there, hidden.lengths))

        return {"mlm": mlm, "mcam": mcam}

    def _of_rows(self, batch: Batch) -> Losses:
        """Both streams are joined, and answer."""
        targets = as_tensor(batch.inputs["targets"])

        @cache
        def joined() -> Joined:
            tokens = batch.inputs.get("tokens")
            return self._join(batch.speech, None if tokens is None else as_ragged(tokens))

        def classify() -> Tensor:
            """The right class is likely."""
            return class_loss(self.answer(joined().vectors), targets)

        def regress() -> Tensor:
            """The number is near."""
            return absolute_loss(self.answer(joined().vectors)[:, 0], targets)

        def voices() -> Tensor:
            """The right speaker is nearer than all others by a margin."""
            settings, centres = self.settings, self.answer.weight
            return margin_loss(
                joined().vectors, centres, targets, settings.margin, settings.scale
            )  # fmt: skip

        def orthogonality() -> Tensor:
            """What is pooled of one stream stands upright on what is pooled of the other."""
            text, audio = joined().text, joined().audio
            if text is None or audio is None:
                raise TriviumError(f"fusion {self.settings.fusion!r} looks at one stream alone")
            return overlap_loss(text.chosen, audio.chosen) + overlap_loss(
                text.largest, audio.largest
            )

        return {"classify": classify, "regress": regress, "voices": voices,
                "orthogonality": orthogonality}  # fmt: skip

    def observe(self) -> dict[str, float]:
        """Rows left out since the run began."""
        return self.preparation.left_out.observed()

    def remarks(self) -> dict[str, str]:
        """What was left out since the run began, and a sentence that names the first rows."""
        return self.preparation.left_out.sentences()

    @torch.inference_mode()
    def classify(self, waves: Ragged | None, texts: Sequence[str] | None = None) -> Tensor:
        """A score for each label: (B, labels)."""
        vectors = self._answered(("classify", "voices"), waves, texts)
        if self.settings.task == "classify":
            logits: Tensor = self.answer(vectors)
            return logits
        near = F.normalize(vectors, dim=1) @ F.normalize(self.answer.weight, dim=1).T
        return self.settings.scale * near

    @torch.inference_mode()
    def score(self, waves: Ragged | None, texts: Sequence[str] | None = None) -> Tensor:
        """A number for each row: (B,)."""
        vectors = self._answered(("regress",), waves, texts)
        scores: Tensor = self.answer(vectors)[:, 0]
        return scores

    @torch.inference_mode()
    def embed_voice(self, waves: Ragged | None, texts: Sequence[str] | None = None) -> Tensor:
        """Unit vectors of who speaks: (B, D)."""
        vectors = self._answered(("classify", "regress", "voices"), waves, texts)
        return F.normalize(vectors, dim=1)

    def _answered(
        self, tasks: tuple[str, ...], waves: Ragged | None, texts: Sequence[str] | None
    ) -> Tensor:
        """The head's vectors of what is given, where it was made for one of these tasks."""
        if self.settings.task not in tasks:
            raise TriviumError(
                f"settings.task is {self.settings.task!r}; this is asked of a system that was "
                f"trained for {' or '.join(tasks)}"
            )
        given = {"speech": waves, "text": texts}
        for kind in self.reads:
            if given[kind] is None:
                raise TriviumError(
                    f"modality is {self.settings.modality!r}, and no {kind} was given"
                )
        count = len(waves if waves is not None else texts or ())
        if texts is not None and len(texts) != count:
            raise TriviumError(f"{count} utterances were given {len(texts)} texts")
        if waves is not None:
            self.preparation.check_length(waves)
        tokens = None
        if self.text is not None:
            tokens = self.text.tokens(self.preparation.texts(count, texts))
            tokens = tokens.to(self.answer.weight.device)
        return self._join(waves, tokens).vectors

    def _join(self, waves: Ragged | None, tokens: Ragged | None) -> Joined:
        """Both streams, nothing of them hidden, as one vector."""
        text = None if self.text is None or tokens is None else self.text(tokens)
        audio = None if self.audio is None else self.audio(self._hear(waves), text)
        joined: Joined = self.head(text, audio)
        return joined

    def _hear(self, waves: Ragged | None) -> Ragged:
        if self.front is None or waves is None:
            raise TriviumError(f"modality {self.settings.modality!r} was given {waves} to hear")
        return self.front.hear(waves)

    @property
    def _audio(self) -> AudioEncoder:
        if self.audio is None:
            raise TriviumError(f"modality {self.settings.modality!r} has no audio encoder")
        return self.audio


def _tokenizer(settings: FusedSettings, given: Tokenizer | None) -> Tokenizer | None:
    """The one that is given, or that of the run or the network that this one begins with."""
    if settings.start is not None and given is not None:
        raise SettingsError(
            f"{settings.start} brings a tokenizer of its own; leave tokens out of the recipe"
        )
    if settings.start is not None:
        return read_tokenizer(checkpoint.find(settings.start))
    if given is None and settings.text.source is not None:
        return read_tokenizer(published_folder(settings.text.source))
    return given
