"""Fine-tuning: a pre-trained encoder that learns to recognise, to translate, to classify.

Bapna et al., "mSLAM" (2202.01374), section 4: one encoder for speech and text, and what stands on
it. A decoder that has learned from speech alone also translates texts, as far as both have met in
the encoder. With a frozen encoder and learned weights of its layers it is a probe, as in Yang et
al., "SUPERB" (2105.01051).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.joint.characters import Characters
from trivium.models.joint.preparation import sound_of
from trivium.models.system import as_ragged, as_tensor
from trivium.models.towers import Frames
from trivium.models.towers.networks import Kind
from trivium.models.tuned.encoder import Encoder
from trivium.models.tuned.heads import Classifier, Decoder
from trivium.models.tuned.preparation import Preparation
from trivium.models.tuned.settings import TunedSettings
from trivium.objectives.sequence import ctc_loss, greedy, prefix_beam
from trivium.objectives.terms import Pairs, Term

# Objective, and the role that it reads.
ROLES: dict[str, str] = {
    "ctc": "spoken",
    "speech_translation": "spoken_translations",
    "text_translation": "translations",
    "speech_label": "labelled_speech",
    "text_label": "labelled_text",
}
HEARD = ("ctc", "speech_translation", "speech_label")
Languages = Sequence[str | None]


class Tuned(nn.Module):
    """The system `tuned`.

    Its objectives are those of its heads: `ctc` of `ctc`, `speech_translation` and
    `text_translation` of `decoder`, `speech_label` and `text_label` of `classifier`.
    """

    Settings: ClassVar = TunedSettings
    kinds: ClassVar[tuple[Kind, ...]] = ()
    pair_objectives: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: TunedSettings) -> None:
        super().__init__()
        encoder = Encoder(settings.encoder, settings.train_encoder)
        known = encoder.characters
        alphabet, normaliser = settings.alphabet, settings.normaliser
        if alphabet is None:
            alphabet = "" if known is None else known.alphabet
        if normaliser is None:
            normaliser = "lower" if known is None else known.normaliser_name
        # All that came from elsewhere is told, so that a checkpoint needs nothing else.
        self.settings = settings.model_copy(
            update={"encoder": encoder.described, "alphabet": alphabet, "normaliser": normaliser}
        )
        self.encoder = encoder
        self.characters = Characters(alphabet, normaliser)
        if settings.ctc is not None:
            if not alphabet:
                raise SettingsError(f"ctc writes in the alphabet {alphabet!r}; set one")
            self.dropout = nn.Dropout(settings.ctc.dropout)
            self.write_characters = nn.Linear(encoder.width, self.characters.unknown)
        self.decoder: Decoder | None = None
        if settings.decoder is not None:
            self.decoder = Decoder(encoder.width, self.characters, settings.decoder)
        self.classifier: Classifier | None = None
        if settings.classifier is not None:
            self.classifier = Classifier(encoder.width, encoder.states, settings.classifier)
            self._check_reads(settings.classifier.reads)
        self.preparation = Preparation(self.settings, encoder, self.characters, self.decoder)

    @classmethod
    def tiny(cls) -> Self:
        """A system that learns a toy in seconds."""
        return cls(TunedSettings.tiny())

    @property
    def objectives(self) -> tuple[str, ...]:
        """What its heads can learn of what its encoder takes in."""
        heads = {
            "ctc": self.settings.ctc, "speech_translation": self.decoder,
            "text_translation": self.decoder, "speech_label": self.classifier,
            "text_label": self.classifier,
        }  # fmt: skip
        there = [name for name, head in heads.items() if head is not None]
        return tuple(name for name in there if name in HEARD or self.encoder.reads_text)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Role and the columns of its source."""
        translation = ("translation", "translation_language")
        classifier = self.settings.classifier
        label = () if classifier is None else (classifier.column,)
        extra = ("extra",) if classifier is not None and classifier.pairs else ()
        columns = {
            "ctc": ("audio", "text"), "speech_translation": ("audio", *translation),
            "text_translation": ("text", *translation), "speech_label": ("audio", *label),
            "text_label": ("text", *label, *extra),
        }  # fmt: skip
        return {ROLES[name]: columns[name] for name in self.objectives}

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:
        """Role that each objective reads."""
        return {name: (ROLES[name],) for name in self.objectives}

    @property
    def guesses(self) -> Mapping[str, float]:
        """The loss of a classifier that gives each label equally often."""
        even = math.log(max(1, len(self.labels)))
        return {name: even for name in self.objectives if name.endswith("_label")}

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can answer."""
        return () if self.settings.classifier is None else self.settings.classifier.labels

    @property
    def label_column(self) -> str:
        """The column of a corpus that has such labels."""
        classifier = self.settings.classifier
        return "label" if classifier is None else classifier.column

    @property
    def reads(self) -> tuple[str, ...]:
        """What it classifies."""
        return () if self.settings.classifier is None else (self.settings.classifier.reads,)

    @property
    def pairs(self) -> bool:
        """Whether it labels two sentences at once."""
        return self.settings.classifier is not None and self.settings.classifier.pairs

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Texts and labels as numbers; rows that cannot be learned from are left out."""
        make = self.preparation
        by_role: dict[str, Callable[[Batch], Batch | None]] = {
            "spoken": make.transcripts,
            "spoken_translations": partial(make.translations, objective="speech_translation"),
            "translations": partial(make.translations, objective="text_translation"),
            "labelled_speech": partial(make.labels, objective="speech_label"),
            "labelled_text": partial(make.labels, objective="text_label"),
        }
        made = {role: by_role[role](batch) for role, batch in parts.items()}
        return {role: batch for role, batch in made.items() if batch is not None}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro; 0 of a role none of whose rows is left."""
        make = {"ctc": self._ctc, "speech_translation": self._translation,
                "text_translation": self._translation, "speech_label": self._label,
                "text_label": self._label}  # fmt: skip

        def term(name: str) -> Tensor:
            batch = parts.get(ROLES[name])
            if batch is None:
                return cast("Tensor", 0 * sum(p.sum() for p in self._heads()))
            is_heard = name in HEARD
            frames = (
                self.encoder.hear(sound_of(batch)) if is_heard
                else self.encoder.read(as_ragged(batch.inputs["characters"]))
            )  # fmt: skip
            return make[name](batch, frames, "speech" if is_heard else "text")

        return {name: Term(term(name)) for name in active}

    def _ctc(self, batch: Batch, frames: Frames, _: str) -> Tensor:
        """The transcript is likely, over all ways of spreading it over the frames."""
        return ctc_loss(self._scores(frames), as_ragged(batch.inputs["targets"]))

    def _translation(self, batch: Batch, frames: Frames, _: str) -> Tensor:
        """Each character of the translation is predicted from the frames and those before it."""
        begin, targets = as_tensor(batch.inputs["begin"]), as_ragged(batch.inputs["targets"])
        return self._decoding().loss(frames.last, begin, targets)

    def _label(self, batch: Batch, frames: Frames, kind: str) -> Tensor:
        """The label is likely."""
        scores = self._classifying()(frames, kind)
        return F.cross_entropy(scores.float(), as_tensor(batch.inputs["labels"]), reduction="sum")

    def observe(self) -> dict[str, float]:
        """Rows left out since the run began."""
        return self.preparation.left_out.observed()

    def remarks(self) -> dict[str, str]:
        """What was left out since the run began, and a sentence that names the first rows."""
        return self.preparation.left_out.sentences()

    def layer_weights(self) -> dict[str, list[float]]:
        """What a classifier of `mixed` layers makes of each: of speech and text, lowest first."""
        return self._classifying().weights()

    @property
    def transcribe(self) -> Callable[[Ragged], list[str]] | None:
        """What writes down what was said; None where there is no `ctc`."""
        return None if self.settings.ctc is None else self._transcribe

    @property
    def translate_speech(self) -> Callable[[Ragged, Languages, str], list[str]] | None:
        """What says in one language what was said in others; None where there is no `decoder`."""
        return None if self.decoder is None else self._translate_speech

    @property
    def translate_text(self) -> Callable[[Sequence[str], Languages, str], list[str]] | None:
        """The same of texts, though it may have learned from speech alone."""
        can = self.decoder is not None and self.encoder.reads_text
        return self._translate_text if can else None

    @torch.inference_mode()
    def classify(self, speech: Ragged | None, texts: Sequence[str] | None) -> Tensor:
        """A score for each label (B, labels), of speech or of texts."""
        if (speech is None) == (texts is None):
            raise TriviumError(f"classify was given {speech} and {texts}; give speech or texts")
        classifier = self._classifying()
        scores: Tensor = (
            classifier(self.encoder.read(self._numbers(texts or ())), "text") if speech is None
            else classifier(self.encoder.hear(speech), "speech")
        )  # fmt: skip
        return scores

    @torch.inference_mode()
    def _transcribe(self, speech: Ragged) -> list[str]:
        """The likeliest character of each frame, or the best of a prefix beam."""
        scores = self._scores(self.encoder.hear(speech))
        beam = 1 if self.settings.ctc is None else self.settings.ctc.beam
        found = greedy(scores) if beam == 1 else prefix_beam(scores, beam)
        return [self.characters.write(row) for row in found]

    @torch.no_grad()
    def _translate_speech(self, speech: Ragged, _: Languages, to: str) -> list[str]:
        return self._decoding(to).write(self.encoder.hear(speech).last, to)

    @torch.no_grad()
    def _translate_text(self, texts: Sequence[str], _: Languages, to: str) -> list[str]:
        numbers = self._numbers([text.replace("\t", " ") for text in texts])
        return self._decoding(to).write(self.encoder.read(numbers).last, to)

    def _scores(self, frames: Frames) -> Ragged:
        """A score for the blank and each character at every frame: (B, T, 1 + alphabet)."""
        return Ragged(self.write_characters(self.dropout(frames.last.data)), frames.lengths)

    def _numbers(self, texts: Sequence[str]) -> Ragged:
        self._check_reads("text")
        device = next(self.parameters()).device
        return self.encoder.numbers(list(texts)).to(device)

    def _check_reads(self, kind: str) -> None:
        if kind == "text" and not self.encoder.reads_text:
            name = self.settings.encoder.system
            raise SettingsError(f"the encoder is a {name} and does not read text as it is")

    def _heads(self) -> list[nn.Parameter]:
        return [p for name, p in self.named_parameters() if not name.startswith("encoder.")]

    def _decoding(self, to: str | None = None) -> Decoder:
        if self.decoder is None:
            raise TriviumError(f"decoder is {self.decoder}: it was not tuned to translate")
        if to is not None and to not in self.decoder.begin:
            raise TriviumError(
                f"it was not tuned to translate into {to!r}; {did_you_mean(to, self.decoder.begin)}"
            )
        return self.decoder

    def _classifying(self) -> Classifier:
        if self.classifier is None:
            raise TriviumError(f"classifier is {self.classifier}: it was not tuned to classify")
        return self.classifier
