"""A trained system, read back and ready to embed whatever it is given."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import SerializeAsAny
from torch import Tensor, nn

from trivium import checkpoint
from trivium.config import Settings, read_json
from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.data.batch import Ragged
from trivium.data.image import Pixels
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.given import Picture, Sound, is_with_rate, pixels_of, samples_of
from trivium.models.passes import Made, by_characters, by_length, ordered, parts
from trivium.models.system import described, load_stored, system_class, tokenizer_of
from trivium.models.towers import Frames
from trivium.models.towers.networks import Kind
from trivium.models.towers.text import TOKENIZER, read_tokenizer
from trivium.models.towers.weights import fetch

Vectors = NDArray[np.float32]
# Models that come with the package.
SHIPPED = ("world-speechclip", "world-composite")
# What a system may be able to do, by the method that does it, as errors say it.
WISHES = {
    "transcribe": "write down what it hears",
    "translate_speech": "translate speech",
    "translate_text": "translate texts",
    "classify": "tell labels",
    "score": "give scores",
    "embed_voice": "tell voices apart",
}


class ModelSettings(Settings):
    """What `config.json` of an exported model says: enough to build it."""

    system: str
    """Name of the system."""
    settings: SerializeAsAny[Settings]
    """Its settings, whose towers need no source."""


class Model:
    """A system with its weights; its vectors are of unit length."""

    def __init__(self, name: str, system: nn.Module, checksum: str, readme: str = "") -> None:
        self.name = name
        self.checksum = checksum
        self.system = system.eval()
        self.readme = readme
        """The model card."""

    @classmethod
    def load(cls, folder: Path | str, device: str | None = None) -> Self:
        """The model of a name that ships, a checkpoint folder, a run, or a hub repository.

        It computes on a GPU if there is one, or where it is told to.
        """
        path = _find(folder)
        recipe = read_json(path / checkpoint.CONFIG)
        kind = system_class(str(recipe.get("system")))
        settings = kind.Settings.parse(recipe["settings"], str(path / checkpoint.CONFIG))
        reads_text = (path / TOKENIZER).exists()
        system = kind(settings, read_tokenizer(path)) if reads_text else kind(settings)
        load_stored(system, path)
        system.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        card = path / checkpoint.README
        readme = card.read_text(encoding="utf-8") if card.exists() else ""
        return cls(str(recipe["system"]), system, checkpoint.checksum(path), readme)

    def export(self, folder: Path, half: bool = False) -> None:
        """Write the whole model, frozen towers with it, as a folder that needs nothing else."""
        kept = checkpoint.model_tensors(self.system)
        if half:
            kept = {name: _half(name, tensor) for name, tensor in kept.items()}
        settings = described(self.system, whole=True)
        with checkpoint.new_folder(folder) as new:
            told = ModelSettings(system=self.name, settings=settings)
            checkpoint.fill(new, told, kept, self.readme)
            tokenizer = tokenizer_of(self.system)
            if tokenizer is not None:
                (new / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the system embeds."""
        found: tuple[Kind, ...] = self.system.kinds  # type: ignore[assignment]
        return found

    def embed(
        self,
        *,
        speech: Sound | Sequence[Sound] | None = None,
        text: str | Sequence[str] | None = None,
        image: Picture | Sequence[Picture] | None = None,
        language: str | None = None,
    ) -> Vectors:
        """Vectors (N, D) of a list or a tuple, or (D,) of a single item; one kind at a time.

        Sounds are paths, encoded bytes, 16 kHz samples, or samples with their rate, of one channel
        or of two (S, 2); pictures are paths, encoded bytes or RGB pixels.
        """
        given = {"speech": speech, "text": text, "image": image}
        named = [kind for kind, value in given.items() if value is not None]
        if len(named) != 1:
            raise TriviumError(f"embed was given {named or 'nothing'}; give speech, text or image")
        items: Any = given[named[0]]
        single = is_with_rate(items) or not isinstance(items, list | tuple)
        things = [items] if single else list(items)
        if named[0] == "speech":
            vectors = self.embed_speech([samples_of(sound) for sound in things], language or "")
        elif named[0] == "text":
            vectors = self.embed_text(things, language or "")
        else:
            vectors = self.embed_picture([pixels_of(picture) for picture in things])
        return vectors[0] if single else vectors

    def embed_speech(self, sounds: Sequence[Samples], language: str) -> Vectors:
        """Vectors of 16 kHz sounds in one language; batched by length, order kept."""
        embed = self._function("speech")
        return np.stack(self._of_speech(
            sounds, lambda places, waves: _numpy(embed(waves, [language or None] * len(places)))
        ))  # fmt: skip

    def embed_text(self, texts: Sequence[str], language: str) -> Vectors:  # noqa: ARG002
        """Vectors of texts; today's systems read every language alike."""
        embed = self._function("text")
        return np.concatenate([_numpy(embed(part)) for part in parts(list(texts))])

    def embed_picture(self, pictures: Sequence[Pixels]) -> Vectors:
        """Vectors of RGB pictures of any sizes."""
        embed = self._function("picture")
        tensors = [torch.from_numpy(np.array(picture)) for picture in pictures]
        return np.concatenate([_numpy(embed(part)) for part in parts(tensors)])

    def transcribe_speech(self, sounds: Sequence[Samples], language: str = "") -> list[str]:
        """What is said in 16 kHz sounds; only some systems must be told the language."""
        write = self._able("transcribe")
        told = getattr(self.system, "told_language", False)

        def make(places: list[int], waves: Ragged) -> list[str]:
            written: list[str] = (
                write(waves, [language or None] * len(places)) if told else write(waves)
            )
            return written

        return self._of_speech(sounds, make)

    def translate_speech(self, sounds: Sequence[Samples], language: str, to: str) -> list[str]:
        """What 16 kHz sounds of one language say, in another."""
        write = self._able("translate_speech")
        return self._of_speech(
            sounds, lambda places, waves: write(waves, [language or None] * len(places), to)
        )

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> list[str]:
        """What texts of one language say, in another."""
        write = self._able("translate_text")
        return ordered(
            by_characters(texts),
            lambda places: write([texts[p] for p in places], [language or None] * len(places), to),
        )

    @property
    def tells_confidence(self) -> bool:
        """Whether it has `guess_speech` and `guess_text`: a system that says how sure it is."""
        return hasattr(self.system, "guess")

    def guess_speech(
        self, sounds: Sequence[Samples], language: str, to: str | None = None
    ) -> list[tuple[str, float]]:
        """Transcripts, or translations into `to`, and the mean log-probability of their tokens."""
        guess: Any = self.system.guess
        return self._of_speech(
            sounds, lambda places, waves: guess(waves, [language or None] * len(places), to)
        )

    def guess_text(self, texts: Sequence[str], language: str, to: str) -> list[tuple[str, float]]:
        """Translations of texts, and the mean log-probability of their tokens."""
        guess: Any = self.system.guess_text
        return ordered(
            by_characters(texts),
            lambda places: guess([texts[p] for p in places], [language or None] * len(places), to),
        )

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of those that the system has to be told of; none where it takes any."""
        return tuple(getattr(self.system, "languages", ()))

    @property
    def reads(self) -> tuple[str, ...]:
        """What the system labels and scores: speech, text, or both."""
        return tuple(getattr(self.system, "reads", ())) or ("speech",)

    @property
    def pairs(self) -> bool:
        """Whether a text is two sentences, with a tab between them."""
        return bool(getattr(self.system, "pairs", False))

    @property
    def voice_reads(self) -> tuple[str, ...]:
        """What the system tells speakers by."""
        return self.reads if self.can("embed_voice") else ("speech",)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that `classify` chooses from."""
        self._able("classify")
        return tuple(self.system.labels)  # type: ignore[arg-type]

    @property
    def label_column(self) -> str:
        """The column of a corpus that the labels are from."""
        return str(getattr(self.system, "label_column", "label"))

    def classify(
        self, sounds: Sequence[Samples] | None = None, texts: Sequence[str] | None = None
    ) -> tuple[tuple[str, ...], Vectors]:
        """The labels, and how much speaks for each of them: logits (N, labels).

        A row is what the system `reads`: a 16 kHz sound, a text (a pair of sentences has a tab
        between them), or both.
        """
        return self.labels, self._of_rows("classify", sounds, texts)

    def score(
        self, sounds: Sequence[Samples] | None = None, texts: Sequence[str] | None = None
    ) -> Vectors:
        """A number (N,) for each row, such as sentiment; rows are as those of `classify`."""
        return self._of_rows("score", sounds, texts)

    def embed_voice(
        self, sounds: Sequence[Samples] | None = None, texts: Sequence[str] | None = None
    ) -> Vectors:
        """Vectors (N, D) of who speaks; of a system that makes none, those of the speech."""
        if sounds is None or self.can("embed_voice") or "speech" not in self.kinds:
            return self._of_rows("embed_voice", sounds, texts)
        return self.embed_speech(sounds, "")

    def can(self, ability: str) -> bool:
        """Whether the system has the method of one of `WISHES`, and labels to tell."""
        if ability == "classify" and not getattr(self.system, "labels", ()):
            return False
        return getattr(self.system, ability, None) is not None

    def layer_states(
        self, sounds: Sequence[Samples], layers: Sequence[int] | None = None
    ) -> Iterator[tuple[int, dict[int, Vectors]]]:
        """The place of each 16 kHz sound and its frames (T, D) by layer; short sounds first.

        Layer 0 is what enters the first layer. All layers, or those asked for, come from one pass.
        """
        for places in by_length(sounds):
            waves = Ragged.from_rows([sounds[place] for place in places])
            frames: Frames = self._showing.frames(waves.to(self.device))
            last = len(frames.states) - 1
            chosen = layers or range(last + 1)
            if min(chosen) < 0 or max(chosen) > last:
                wrong = min(chosen) if min(chosen) < 0 else max(chosen)
                raise TriviumError(f"{self.name} has no layer {wrong}; it has 0 to {last}")
            states = {layer: _numpy(frames.states[layer]) for layer in chosen}
            lengths = frames.lengths.tolist()
            for row, place in enumerate(places):
                yield place, {layer: states[layer][row, : lengths[row]] for layer in chosen}

    @property
    def frame_rate_hz(self) -> Fraction:
        """Frames a second of `layer_states`, exactly."""
        hour = 3600 * SAMPLE_RATE_HZ
        one, two = self._showing.speech.num_frames(torch.tensor([hour, 2 * hour])).tolist()
        return Fraction(SAMPLE_RATE_HZ, round(hour / (two - one)))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.system.parameters()).device

    @property
    def _showing(self) -> Any:
        """The system, if it shows what its layers make of speech."""
        if not hasattr(self.system, "frames"):
            raise TriviumError(f"the system {self.name!r} does not show the states of its layers")
        return self.system

    def _of_rows(
        self, ability: str, sounds: Sequence[Samples] | None, texts: Sequence[str] | None
    ) -> Vectors:
        """What the system makes of rows, batched by length, in their order."""
        make = self._able(ability)
        given = {"speech": sounds, "text": texts}
        there = {kind: len(items) for kind, items in given.items() if items is not None}
        if there.keys() != {*self.reads} or len({*there.values()}) > 1:
            told = " and ".join(f"{n} of {kind}" for kind, n in there.items()) or "nothing"
            raise TriviumError(
                f"{self.name} was given {told}; to {WISHES[ability]} it reads "
                f"{' and '.join(self.reads)} of each row"
            )

        def read(places: list[int]) -> list[str] | None:
            return None if texts is None else [texts[place] for place in places]

        if sounds is None:
            made = ordered(by_characters(texts or []), lambda p: _numpy(make(None, read(p))))
        else:
            made = self._of_speech(sounds, lambda p, waves: _numpy(make(waves, read(p))))
        return np.stack(made) if made else np.zeros((0,), np.float32)

    def _of_speech(
        self, sounds: Sequence[Samples], make: Callable[[list[int], Ragged], Iterable[Made]]
    ) -> list[Made]:
        """What is made of each sound, batched by length, in their order."""

        def hear(places: list[int]) -> Iterable[Made]:
            waves = Ragged.from_rows([sounds[place] for place in places])
            return make(places, waves.to(self.device))

        return ordered(by_length(sounds), hear)

    def _able(self, ability: str) -> Any:
        """A method of the system, if it has it."""
        if not self.can(ability):
            can = [wish for name, wish in WISHES.items() if self.can(name)]
            can += [f"embed {' and '.join(self.kinds)}"] if self.kinds else []
            raise TriviumError(
                f"the system {self.name!r} does not {WISHES[ability]}; it can "
                f"{', '.join(can) or 'do none of what a task asks'}"
            )
        return getattr(self.system, ability)

    def _function(self, kind: str) -> Any:
        if kind not in self.kinds:
            raise TriviumError(
                f"{self.name} embeds {' and '.join(self.kinds) or 'nothing'}, not {kind}"
            )
        return getattr(self.system, f"embed_{kind}")


def load(folder: Path | str, device: str | None = None) -> Model:
    """The model of a name that ships, a checkpoint folder, a run, or a hub repository.

    `load("world-speechclip")` needs nothing but the package. It computes on a GPU if there is one,
    or on the `device` that is named.
    """
    return Model.load(folder, device)


def _half(name: str, tensor: Tensor) -> Tensor:
    """A tensor in half precision, if it fits there."""
    small = tensor.half() if tensor.is_floating_point() else tensor
    if not torch.isfinite(small).all():
        raise TriviumError(
            f"{name} holds {float(tensor.abs().max()):.3g}, which half precision cannot; "
            "export it without --half"
        )
    return small


def _find(name: Path | str) -> Path:
    if Path(name).exists() or checkpoint.shipped(str(name)) is not None:
        return checkpoint.find(name)
    if str(name).count("/") != 1:
        raise SettingsError(
            f"{name} is no folder and no model that ships; {did_you_mean(str(name), SHIPPED)}"
        )
    return fetch(str(name), "main")


def _numpy(vectors: Tensor) -> Vectors:
    return vectors.float().cpu().numpy()
