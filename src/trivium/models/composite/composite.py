"""ComSL: a speech tower and a text encoder-decoder as one model that translates speech.

Le et al., "ComSL: A Composite Speech-Language Model for End-to-End Speech-to-Text Translation"
(2305.14838). Four passes of the one text encoder, each made once and only where it is needed:

- speech: the language's token, then frames of the speech tower behind the adapter;
- text: the transcript's tokens;
- joined: the transcript with some tokens hidden, and directly behind it the speech;
- the frozen teacher's own, on the transcript.

The decoder writes transcripts and translations of each, told a start token and a language first, as
the text network was trained. Padding is masked everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from trivium.data.batch import Batch, Ragged
from trivium.data.source import Source
from trivium.errors import SettingsError, TriviumError
from trivium.layers.adapter import LengthAdapter
from trivium.models.composite.passes import Passes, fitted, translate, write_states
from trivium.models.composite.preparation import SPOKEN, WRITTEN, Preparation
from trivium.models.composite.settings import CompositeSettings
from trivium.models.system import as_ragged, as_tensor
from trivium.models.towers import SpeechTower
from trivium.models.towers.networks import Kind
from trivium.models.towers.translator import Translator
from trivium.models.towers.writing import confidences, write
from trivium.objectives.distill import Taught, guided_loss, matching_loss
from trivium.objectives.terms import Pairs, Term

Terms = dict[str, Callable[[], Tensor]]
Guess = tuple[str, float]  # a text, and the mean log-probability of its tokens


class Composite(nn.Module):
    """The system `composite`.

    Its objectives on utterances: `st` and `asr` write the translation and the text of speech, `mt`
    translates the text; on text and speech joined, `stm` and `mst` write both from the half that is
    speech, `mtp` what was hidden from the half that is text; `erm` brings the speech alone near to
    the speech beside its text. `mt_written` translates sentences.
    """

    Settings: ClassVar = CompositeSettings
    kinds: ClassVar[tuple[Kind, ...]] = ()
    objectives: ClassVar[tuple[str, ...]] = (*SPOKEN, *WRITTEN)
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **dict.fromkeys(SPOKEN, ("spoken",)), **dict.fromkeys(WRITTEN, ("written",)),
    }  # fmt: skip
    pair_objectives: ClassVar[tuple[str, ...]] = ()
    told_language: ClassVar[bool] = True
    """It has to be told the language of what it hears or reads."""

    def __init__(self, settings: CompositeSettings, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.translator = Translator.from_settings(
            settings.translator, tokenizer, settings.languages
        )
        longest = settings.writing.max_tokens + 2  # the start and a language
        if longest > self.translator.max_tokens:
            raise SettingsError(
                f"writing.max_tokens is {settings.writing.max_tokens}, and the text network has "
                f"positions for {self.translator.max_tokens - 2} tokens behind a language"
            )
        self.speech: SpeechTower | None = None
        if settings.speech is not None:
            depth = self.translator.network.config.encoder_layers
            if settings.match_layer > depth:
                raise SettingsError(
                    f"match_layer is {settings.match_layer}, and the text encoder has {depth} "
                    "layers"
                )
            self.speech = SpeechTower.from_settings(settings.speech)
            self.adapter = LengthAdapter(self.speech.width, self.translator.width)
        self.preparation = Preparation(settings, self.translator, self.num_frames)
        self._teacher: tuple[Translator, ...] = ()  # in a tuple it is no part of what is trained

    @classmethod
    def tiny(cls, tokenizer: Tokenizer | None = None) -> Self:
        """A system that learns a toy in seconds."""
        return cls(CompositeSettings.tiny(), tokenizer)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of those that the text network was told of, as short as they are known."""
        return tuple(name for name in self.translator.languages if "_" not in name)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Utterances and sentences, with their translations; sentences alone without a tower."""
        told = ("text", "language", "translation", "translation_language")
        return {"written": told} if self.speech is None else {
            "spoken": ("audio", *told), "written": told,
        }  # fmt: skip

    def begin(self, _: Mapping[str, Source]) -> None:
        """Read the frozen teacher, where there is one."""
        if self.settings.teacher is None:
            return
        own = self.translator
        teacher = Translator.from_settings(self.settings.teacher, own.tokenizer)
        if len(teacher.head.weight) != len(own.head.weight):
            raise SettingsError(
                f"the teacher scores {len(teacher.head.weight):,} tokens and the text network "
                f"{len(own.head.weight):,}; both need the same vocabulary"
            )
        teacher.freeze()
        self._teacher = (teacher.to(own.head.weight.device),)

    def prepare(self, parts: dict[str, Batch], _: np.random.Generator) -> dict[str, Batch]:
        """Tokens, what is hidden, and counts; a row loses the same tokens in every batch."""
        make = {"spoken": self.preparation.spoken, "written": self.preparation.written}
        return {role: make[role](batch) for role, batch in parts.items()}

    def forward(
        self, parts: Mapping[str, Batch], active: tuple[str, ...]
    ) -> dict[str, Term | Pairs]:
        """Each active objective of a micro; a pass that several of them need is made once."""
        make = {"spoken": self._of_spoken, "written": self._of_written}
        terms: Terms = {}
        for role, batch in parts.items():
            terms |= make[role](batch, active)
        return {name: Term(terms[name]()) for name in active}

    def _of_spoken(self, batch: Batch, active: tuple[str, ...]) -> Terms:
        """Translation, recognition, and what the paper calls cross-modality learning."""
        made = Passes(self.translator, self.settings, batch, active, self._hear)
        source, target = made.source, made.target

        def written(read: Ragged, numbers: Ragged, places: Tensor) -> Tensor:
            states = write_states(self.translator, read, numbers, places)
            return self._loss(states, numbers, places)

        def guided(read: Ragged) -> Tensor:
            """Decoder distribution matching: text translation, as it now is, teaches."""
            guide = self.settings.guide
            if not guide:
                return written(read, target, made.target_places)
            taught = Taught(made.translated.detach(), self.translator.head, guide)
            states = write_states(self.translator, read, target, made.target_places)
            return self._loss(states, target, made.target_places, taught)

        def mt() -> Tensor:
            taught = self._taught(source, target, made.target_places)
            return self._loss(made.translated, target, made.target_places, taught)

        def erm() -> Tensor:
            layer = self.settings.match_layer
            alone = Ragged(made.speech.states[layer], made.frames.lengths)
            return matching_loss(alone, made.behind(made.joined.states[layer]))

        return {
            "st": lambda: guided(made.speech.last),
            "asr": lambda: written(made.speech.last, source, made.source_places),
            "mt": mt,
            "mtp": lambda: written(made.before(made.joined.last.data), source, made.hidden_places),
            "stm": lambda: written(made.behind(made.joined.last.data), source, made.source_places),
            "mst": lambda: guided(made.behind(made.joined.last.data)),
            "erm": erm,
        }

    def _of_written(self, batch: Batch, _: tuple[str, ...]) -> Terms:
        """Translation of sentences."""
        source, target = (as_ragged(batch.inputs[name]) for name in ("source", "target"))
        places = as_tensor(batch.inputs["target_places"])

        def mt_written() -> Tensor:
            scale = self.settings.encoder_gradient
            states = translate(self.translator, source, target, places, scale)
            return self._loss(states, target, places, self._taught(source, target, places))

        return {"mt_written": mt_written}

    def num_frames(self, samples: Tensor) -> Tensor:
        """How many frames of utterances of so many samples the text encoder is given."""
        if self.speech is None:
            raise TriviumError(
                f"{len(samples)} utterances cannot be heard: settings.speech is {self.speech}"
            )
        return self.adapter.num_frames(self.speech.num_frames(samples))

    def hear(self, speech: Ragged, languages: Tensor, names: Sequence[str] = ()) -> Ragged:
        """The tokens of languages (B,), and behind each the frames of its utterance."""
        if self.speech is None:
            raise TriviumError(
                f"{len(speech)} utterances cannot be heard: settings.speech is {self.speech}"
            )
        frames: Ragged = self.adapter(self.speech(speech).last)
        first = self.translator.embed(languages)[:, None]
        heard = Ragged(torch.cat([first, frames.data], dim=1), 1 + frames.lengths)
        return fitted("speech", heard, self.translator.max_tokens, names)

    @torch.inference_mode()
    def transcribe(self, speech: Ragged, languages: Sequence[str | None]) -> list[str]:
        """What is said in utterances of these languages."""
        return [text for text, _ in self._heard(speech, languages, None)]

    @torch.inference_mode()
    def translate_speech(
        self, speech: Ragged, languages: Sequence[str | None], to: str
    ) -> list[str]:
        """What is said in utterances of these languages, in another."""
        return [text for text, _ in self._heard(speech, languages, to)]

    @torch.inference_mode()
    def translate_text(
        self, texts: Sequence[str], languages: Sequence[str | None], to: str
    ) -> list[str]:
        """Texts of these languages in another."""
        return [text for text, _ in self._read(texts, languages, to)]

    @torch.inference_mode()
    def guess(
        self, speech: Ragged, languages: Sequence[str | None], to: str | None = None
    ) -> list[Guess]:
        """As `transcribe`, or `translate_speech`, with how sure it is of each text."""
        return self._heard(speech, languages, to, sure=True)

    @torch.inference_mode()
    def guess_text(
        self, texts: Sequence[str], languages: Sequence[str | None], to: str
    ) -> list[Guess]:
        """As `translate_text`, with how sure it is of each text."""
        return self._read(texts, languages, to, sure=True)

    def _heard(
        self, speech: Ragged, languages: Sequence[str | None], to: str | None, sure: bool = False
    ) -> list[Guess]:
        numbers = [self.translator.language(language) for language in languages]
        wanted = numbers if to is None else [self.translator.language(to)] * len(numbers)
        told = torch.tensor(numbers, device=speech.data.device)
        return self._written(self.translator.read(self.hear(speech, told)).last, wanted, sure)

    def _read(
        self, texts: Sequence[str], languages: Sequence[str | None], to: str, sure: bool = False
    ) -> list[Guess]:
        wanted = [self.translator.language(to)] * len(texts)
        if not texts:
            return []
        names = [f"line {number}" for number in range(1, len(texts) + 1)]
        rows = Ragged.from_rows(self.preparation.numbers(texts, languages, names))
        rows = rows.to(self.translator.head.weight.device)
        embedded = Ragged(self.translator.embed(rows.data), rows.lengths)
        return self._written(self.translator.read(embedded).last, wanted, sure)

    def _written(self, read: Ragged, languages: Sequence[int], sure: bool) -> list[Guess]:
        """What the decoder writes of each row, told its language; rows of one at a time."""
        made: dict[int, Guess] = {}
        translator, settings = self.translator, self.settings.writing
        for number in dict.fromkeys(languages):
            rows = [row for row, own in enumerate(languages) if own == number]
            asked = (translator.network, read.data[rows], read.mask()[rows],
                     [translator.start, number])  # fmt: skip
            found = write(*asked, settings)
            means = confidences(*asked, found, settings) if sure else [0.0] * len(found)
            made.update(
                zip(rows, zip(map(translator.text, found), means, strict=True), strict=True)
            )
        return [made[row] for row in range(len(languages))]

    def _hear(self, batch: Batch) -> Ragged:
        if batch.speech is None:
            raise TriviumError(f"the batch of {batch.ids[0]!r} has no sound")
        return self.hear(batch.speech, as_ragged(batch.inputs["source"]).data[:, 0], batch.ids)

    def _loss(
        self, states: Tensor, numbers: Ragged, places: Tensor, taught: Taught | None = None
    ) -> Tensor:
        targets = numbers.data.flatten().index_select(0, places)
        return guided_loss(states, self.translator.head, targets, taught)

    def _taught(self, source: Ragged, target: Ragged, places: Tensor) -> Taught | None:
        """What the frozen teacher makes of a translation, if there is one."""
        if self.settings.teacher is None:
            return None
        if not self._teacher:
            raise TriviumError(
                f"the teacher {self.settings.teacher.source!r} has not been read; `begin` reads it"
            )
        teacher = self._teacher[0]
        with torch.no_grad():
            states = translate(teacher, source, target, places)
        return Taught(states, teacher.head, self.settings.teacher_guide)
