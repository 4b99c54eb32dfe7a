"""mSLAM: one Conformer for speech and characters, pre-trained on each alone and on pairs.

Bapna et al., "mSLAM: Massively multilingual joint pre-training for speech and text" (2202.01374),
on Chung et al., "w2v-BERT" (2108.06209). No code of it is public.

Speech goes through convolutions and the layers of its own, then through the layers that it shares
with characters, which enter there directly. What is hidden, of whom, and who sees it:

- speech alone: spans of frames are replaced, in front of the first layer, by one learned vector
  (w2v-BERT's authors put noise there; nothing is drawn inside this network). The codes of hidden
  frames are made of what was there before, never of the vector;
- text alone: spans of characters are replaced by the mask's character;
- pairs, `ctc`: nothing is hidden and no text is read, so that nothing of it can leak;
- pairs, `tlm_text` and `tlm_speech`: both are hidden in parts, text stands directly behind speech,
  and each sees what is left of the other in the shared layers alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.layers.conformer import ConformerSettings
from trivium.layers.norms import padding_of
from trivium.layers.quantizer import GumbelQuantizer, Quantized
from trivium.models.joint.bodies import Body, Conformer, Heard, Published, join
from trivium.models.joint.preparation import OF_PAIRS, OF_SPEECH, OF_TEXT, Preparation, sound_of
from trivium.models.joint.settings import JointSettings
from trivium.models.system import as_ragged, as_tensor
from trivium.models.towers import Frames, SpeechTower
from trivium.models.towers.networks import Kind
from trivium.objectives.masked import (
    code_perplexity,
    contrastive_loss,
    covered_frames,
    diversity_loss,
    gather_frames,
)
from trivium.objectives.sequence import ctc_loss, greedy, prefix_beam
from trivium.objectives.spans import prediction_loss
from trivium.objectives.terms import Pairs, Term


class Joint(nn.Module):
    """The system `joint`.

    Its objectives: `contrastive`, `diversity` and `codes` are w2v-BERT's, `spans` is SpanBERT's,
    `ctc`, `tlm_text` and `tlm_speech` need pairs. Only `contrastive` and `diversity` train the
    codes; `codes` and `tlm_speech` predict the likeliest ones, and send nothing back to them.
    """

    Settings: ClassVar = JointSettings
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "speech": ("audio",), "text": ("text",), "pairs": ("audio", "text"),
    }  # fmt: skip
    objectives: ClassVar[tuple[str, ...]] = (*OF_SPEECH, *OF_TEXT, *OF_PAIRS)
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **dict.fromkeys(OF_SPEECH, ("speech",)), **dict.fromkeys(OF_TEXT, ("text",)),
        **dict.fromkeys(OF_PAIRS, ("pairs",)),
    }  # fmt: skip
    pair_objectives: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: JointSettings) -> None:
        super().__init__()
        self.settings = settings
        self.speech: Conformer | SpeechTower
        if settings.speech is not None:
            self.speech = SpeechTower.from_settings(settings.speech)
            self._body: tuple[Body] = (Published(self.speech),)
        else:
            self.speech = Conformer(settings.conformer or ConformerSettings())
            self._body = (self.speech,)  # in a tuple it is not registered once more
        depth, width = len(self.body.layers), self.body.width
        if settings.speech_layers >= depth:
            raise SettingsError(
                f"speech_layers is {settings.speech_layers} of {depth} layers in all; leave at "
                "least one that is shared"
            )
        codes = settings.quantizer
        self.mask_vector = nn.Parameter(torch.randn(width) * 0.1)
        self.quantizer = GumbelQuantizer(self.body.clean_width, codes)
        self.project_prediction = nn.Linear(width, settings.match_width)
        self.project_code = nn.Linear(codes.width, settings.match_width)
        self.predict_codes = nn.Linear(width, codes.groups * codes.entries)
        self.preparation = Preparation(settings, self.body.num_frames)
        self.characters = self.preparation.characters
        if settings.alphabet:
            self.embedding = nn.Embedding(len(self.characters), width)
            self.embedding_norm = nn.LayerNorm(width)
            self.text_dropout = nn.Dropout(settings.text_dropout)
            self.predict_characters = nn.Linear(width, self.characters.mask)
            self.write_characters = nn.Linear(width, self.characters.unknown)
        self._used: Tensor | None = None

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(JointSettings.tiny())

    @property
    def body(self) -> Body:
        """What is between waves and heads."""
        return self._body[0]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be embedded."""
        return ("speech", "text") if self.settings.alphabet else ("speech",)

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """What is hidden, negatives, characters as numbers; rows that cannot be read are left out.

        What is drawn is seeded by run, epoch and row: a row loses the same in every batch.
        """
        make = {
            "speech": self.preparation.speech,
            "text": self.preparation.text,
            "pairs": self.preparation.pairs,
        }
        made = {role: make[role](batch) for role, batch in parts.items()}
        return {role: batch for role, batch in made.items() if batch is not None}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro; what several of them need is made once."""
        make = {"speech": self._of_speech, "text": self._of_text, "pairs": self._of_pairs}
        terms: dict[str, Callable[[], Tensor]] = {}
        for role, batch in parts.items():
            terms |= make[role](batch)

        def nothing() -> Tensor:
            """Of a role none of whose rows can be read."""
            return 0 * self.mask_vector.sum()

        return {name: Term(terms.get(name, nothing)()) for name in active}

    def _of_speech(self, batch: Batch) -> dict[str, Callable[[], Tensor]]:
        """w2v-BERT: section 2.2 of its paper."""
        hidden = as_ragged(batch.inputs["hidden"])

        @cache
        def heard() -> Heard:
            return self.body.hear(sound_of(batch))

        @cache
        def alone() -> Ragged:
            return self._alone(heard(), hidden)

        @cache
        def quantized() -> Quantized:
            temperature = as_tensor(batch.inputs["temperature"])
            made: Quantized = self.quantizer(gather_frames(heard().clean, hidden), temperature)
            self._used = code_perplexity(made.shares.detach(), hidden)
            return made

        def contrastive() -> Tensor:
            """After the layers of speech a hidden frame's code is told from those of others."""
            predictions = self.project_prediction(gather_frames(alone().data, hidden))
            targets, codes = self.project_code(quantized().vectors), quantized().codes
            negatives, temperature = batch.inputs["negatives"], self.settings.match_temperature
            return contrastive_loss(predictions, targets, codes, as_ragged(negatives), temperature)

        def diversity() -> Tensor:
            """All codes are used; a loss of each micro, weighted by its hidden frames."""
            return diversity_loss(quantized().shares, hidden)

        def codes() -> Tensor:
            """At the top a hidden frame's likeliest code is predicted."""
            return self._predict_codes(self._shared(alone())[-1], hidden, heard().clean)

        return {"contrastive": contrastive, "diversity": diversity, "codes": codes}

    def _of_text(self, batch: Batch) -> dict[str, Callable[[], Tensor]]:
        """SpanBERT on characters."""
        characters, hidden = (as_ragged(batch.inputs[n]) for n in ("characters", "hidden_text"))

        def spans() -> Tensor:
            """At the top hidden characters are predicted from those around them."""
            top = self._shared(self._embed(characters, hidden))[-1]
            return self._predict_characters(top, hidden, characters, hidden)

        return {"spans": spans}

    def _of_pairs(self, batch: Batch) -> dict[str, Callable[[], Tensor]]:
        """CTC hears speech alone; translation language modelling sees both, hidden in parts."""
        inputs = {name: as_ragged(thing) for name, thing in batch.inputs.items()}
        characters, hidden_text = inputs["characters"], inputs["hidden_text"]

        @cache
        def heard() -> Heard:
            return self.body.hear(sound_of(batch))

        @cache
        def joined() -> Tensor:
            texts = self._embed(characters, hidden_text)
            return self._shared(join(self._alone(heard(), inputs["hidden"]), texts))[-1]

        def ctc() -> Tensor:
            """A transcript is likely, heard in speech of which nothing is hidden."""
            return ctc_loss(self._write(heard()), inputs["transcripts"])

        def tlm_text() -> Tensor:
            """Hidden characters are predicted from the others and from what is left of speech."""
            places = Ragged(hidden_text.data + heard().lengths[:, None], hidden_text.lengths)
            return self._predict_characters(joined(), places, characters, hidden_text)

        def tlm_speech() -> Tensor:
            """Likeliest codes of hidden frames are predicted from the others and from the text."""
            return self._predict_codes(joined(), inputs["hidden"], heard().clean)

        return {"ctc": ctc, "tlm_text": tlm_text, "tlm_speech": tlm_speech}

    def observe(self) -> dict[str, float]:
        """Codes in use, in the last micro that had any; and rows left out since the run began."""
        used = {} if self._used is None else {"code_perplexity": float(self._used.min())}
        return used | self.preparation.left_out.observed()

    def remarks(self) -> dict[str, str]:
        """What was left out since the run began, and a sentence that names the first rows."""
        return self.preparation.left_out.sentences()

    def write(self, speech: Ragged) -> Ragged:
        """A score for the blank and each character at every frame: (B, T, 1 + alphabet)."""
        self._check_alphabet("written")
        return self._write(self.body.hear(speech))

    @torch.inference_mode()
    def transcribe(self, speech: Ragged, beam: int = 1) -> list[str]:
        """What was said: the likeliest character of each frame, or the best of a prefix beam."""
        scores = self.write(speech)
        found = greedy(scores) if beam == 1 else prefix_beam(scores, beam)
        return [self.characters.write(row) for row in found]

    @torch.inference_mode()
    def frames(self, speech: Ragged) -> Frames:
        """Frames of utterances with the state of every layer."""
        return self.states_of_speech(speech)

    @torch.inference_mode()
    def text_frames(self, texts: Sequence[str]) -> Frames:
        """Characters of texts with the state of every shared layer."""
        return self.states_of_text(self.numbers(texts).to(self.mask_vector.device))

    def states_of_speech(self, speech: Ragged) -> Frames:
        """As `frames`, with gradients: what fine-tuning stands on."""
        heard = self.body.hear(speech)
        below = self._through(Ragged(heard.state, heard.lengths), self._below)
        above = self._shared(Ragged(below[-1], heard.lengths))
        return _frames((*below, *above[1:]), heard.lengths)

    def states_of_text(self, numbers: Ragged) -> Frames:
        """As `text_frames`, of characters that are numbers already, with gradients."""
        embedded = self._embed(numbers)
        return _frames(self._shared(embedded), embedded.lengths)

    def numbers(self, texts: Sequence[str]) -> Ragged:
        """Characters as numbers, cut to what the layers read; an empty text is one unknown.

        A tab in a text parts two sentences.
        """
        self._check_alphabet("read")
        unknown = np.array([self.characters.unknown])
        read, most = self.characters.read_parted, self.settings.max_characters
        rows = [read(text)[:most] for text in texts]
        return Ragged.from_rows([row if len(row) else unknown for row in rows])

    def embed_speech(self, speech: Ragged, _: Sequence[str | None] = ()) -> Tensor:
        """Unit vectors of utterances, of whatever language: the mean of the top layer."""
        return _mean(self.frames(speech).last)

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of texts: the mean of the top layer."""
        return _mean(self.text_frames(texts).last)

    @property
    def _below(self) -> slice:
        return slice(0, self.settings.speech_layers)

    def _alone(self, heard: Heard, hidden: Ragged | None = None) -> Ragged:
        """Utterances through the layers of speech, with a vector in place of what is hidden."""
        state = heard.state
        if hidden is not None:
            covered = covered_frames(hidden, state.shape[1])[..., None]
            state = torch.where(covered, self.mask_vector.to(state.dtype), state)
        states = self._through(Ragged(state, heard.lengths), self._below)
        return Ragged(states[-1], heard.lengths)

    def _shared(self, entered: Ragged) -> tuple[Tensor, ...]:
        """Whatever has entered through the layers that all share."""
        return self._through(entered, slice(self.settings.speech_layers, None))

    def _check_alphabet(self, wish: str) -> None:
        if not self.settings.alphabet:
            alphabet = self.settings.alphabet
            raise TriviumError(f"nothing is {wish} where settings.alphabet is {alphabet!r}")

    def _write(self, heard: Heard) -> Ragged:
        top = self._shared(self._alone(heard))[-1]
        return Ragged(self.write_characters(top), heard.lengths)

    def _through(self, entered: Ragged, which: slice) -> tuple[Tensor, ...]:
        """States of rows, from what enters the first of some layers to what leaves the last."""
        told = self.body.told(entered.lengths, entered.data.shape[1])
        states = [entered.data]
        for layer in self.body.layers[which]:
            states.append(layer(states[-1], **told))
        return tuple(states)

    def _embed(self, characters: Ragged, hidden: Ragged | None = None) -> Ragged:
        """Characters with their positions, as they enter the shared layers."""
        numbers = characters.data
        if hidden is not None:
            covered = covered_frames(hidden, numbers.shape[1])
            numbers = numbers.masked_fill(covered, self.characters.mask)
        places = sinusoids(numbers.shape[1], self.body.width, numbers.device)
        embedded = self.embedding_norm(self.embedding(numbers) + places)
        return Ragged(self.text_dropout(embedded), characters.lengths)

    def _predict_codes(self, top: Tensor, hidden: Ragged, clean: Tensor) -> Tensor:
        codes = self.quantizer.likeliest(gather_frames(clean, hidden))  # (B, N, G)
        scores = self.predict_codes(gather_frames(top, hidden))
        shape = (self.settings.quantizer.groups, self.settings.quantizer.entries)
        return prediction_loss(scores.unflatten(-1, shape), Ragged(codes, hidden.lengths))

    def _predict_characters(
        self, top: Tensor, places: Ragged, characters: Ragged, hidden: Ragged
    ) -> Tensor:
        """`places` is where the hidden characters stand at the top."""
        scores = self.predict_characters(gather_frames(top, places))
        targets = characters.data.gather(1, hidden.data)
        return prediction_loss(scores, Ragged(targets, hidden.lengths))


def sinusoids(length: int, width: int, device: torch.device) -> Tensor:
    """Positions as sines and cosines, (length, width): Vaswani et al. (1706.03762)."""
    places = torch.arange(length, device=device)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000) / width))
    return torch.stack([(places * rates).sin(), (places * rates).cos()], -1).flatten(1)[:, :width]


def _frames(states: tuple[Tensor, ...], lengths: Tensor) -> Frames:
    behind = padding_of(lengths, states[0].shape[1])[..., None]
    kept = tuple(state.masked_fill(behind, 0) for state in states)
    return Frames(Ragged(kept[-1], lengths), kept)


def _mean(frames: Ragged) -> Tensor:
    """Unit vectors; zeros stand behind the rows."""
    return F.normalize(frames.data.sum(1), dim=1)
