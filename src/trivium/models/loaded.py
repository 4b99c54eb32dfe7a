"""A trained system, read back and ready to embed whatever it is given."""

from collections.abc import Iterable, Iterator, Sequence
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
from trivium.data.audio import SAMPLE_RATE_HZ, Samples, decode_audio, resample
from trivium.data.batch import Ragged
from trivium.data.image import Pixels, decode_image
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.system import described, load_stored, system_class, tokenizer_of
from trivium.models.towers import Frames
from trivium.models.towers.networks import Kind
from trivium.models.towers.text import TOKENIZER, read_tokenizer
from trivium.models.towers.weights import fetch

Vectors = NDArray[np.float32]
Sound = Path | str | bytes | Samples | tuple[Samples, int]
Picture = Path | str | bytes | Pixels
# Models that come with the package.
SHIPPED = ("world-speechclip",)
# What one forward pass is given: seconds of sound with padding, or items.
SECONDS, ITEMS = 120.0, 64


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
        """Vectors (N, D) of a list, or (D,) of a single item; exactly one kind at a time.

        Sounds are paths, encoded bytes, 16 kHz samples, or samples with their rate; pictures are
        paths, encoded bytes or RGB pixels.
        """
        given = {"speech": speech, "text": text, "image": image}
        named = [kind for kind, value in given.items() if value is not None]
        if len(named) != 1:
            raise TriviumError(f"embed was given {named or 'nothing'}; give speech, text or image")
        items: Any = given[named[0]]
        single = not isinstance(items, list)
        things = [items] if single else items
        if named[0] == "speech":
            vectors = self.embed_speech([_samples(sound) for sound in things], language or "")
        elif named[0] == "text":
            vectors = self.embed_text(things, language or "")
        else:
            vectors = self.embed_picture([_pixels(picture) for picture in things])
        return vectors[0] if single else vectors

    def embed_speech(self, sounds: Sequence[Samples], language: str) -> Vectors:
        """Vectors of 16 kHz sounds in one language; batched by length, order kept."""
        embed = self._function("speech")
        made: dict[int, Vectors] = {}
        for places in _by_length(sounds):
            waves = Ragged.from_rows([sounds[place] for place in places])
            vectors = _numpy(embed(waves.to(self.device), [language or None] * len(places)))
            made.update(zip(places, vectors, strict=True))
        return np.stack([made[place] for place in range(len(sounds))])

    def embed_text(self, texts: Sequence[str], language: str) -> Vectors:  # noqa: ARG002
        """Vectors of texts; today's systems read every language alike."""
        embed = self._function("text")
        return np.concatenate([_numpy(embed(part)) for part in _parts(list(texts))])

    def embed_picture(self, pictures: Sequence[Pixels]) -> Vectors:
        """Vectors of RGB pictures of any sizes."""
        embed = self._function("picture")
        tensors = [torch.from_numpy(np.array(picture)) for picture in pictures]
        return np.concatenate([_numpy(embed(part)) for part in _parts(tensors)])

    def transcribe_speech(self, sounds: Sequence[Samples], _: str = "") -> list[str]:
        """What is said in 16 kHz sounds, of whatever language; batched by length, order kept."""
        if not hasattr(self.system, "transcribe"):
            raise TriviumError(f"the system {self.name!r} does not write down what it hears")
        write: Any = self.system.transcribe
        made: dict[int, str] = {}
        for places in _by_length(sounds):
            waves = Ragged.from_rows([sounds[place] for place in places])
            made.update(zip(places, write(waves.to(self.device)), strict=True))
        return [made[place] for place in range(len(sounds))]

    def layer_states(
        self, sounds: Sequence[Samples], layers: Sequence[int] | None = None
    ) -> Iterator[tuple[int, dict[int, Vectors]]]:
        """The place of each 16 kHz sound and its frames (T, D) by layer; short sounds first.

        Layer 0 is what enters the first layer. All layers, or those asked for, come from one pass.
        """
        for places in _by_length(sounds):
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


def _samples(sound: Sound) -> Samples:
    if isinstance(sound, tuple):
        samples, rate_hz = sound
        return resample(np.asarray(samples, np.float32), rate_hz)
    if isinstance(sound, np.ndarray):
        return sound.astype(np.float32)
    data = sound if isinstance(sound, bytes) else _read(Path(sound))
    return decode_audio(data)


def _pixels(picture: Picture) -> Pixels:
    if isinstance(picture, np.ndarray):
        return picture
    return decode_image(picture if isinstance(picture, bytes) else _read(Path(picture)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TriviumError(f"{path} cannot be read: {(error.strerror or '').lower()}") from error


def _by_length(sounds: Sequence[Samples]) -> Iterable[list[int]]:
    """Places in order of length, as many at a time as fit a forward pass."""
    part: list[int] = []
    for place in sorted(range(len(sounds)), key=lambda place: len(sounds[place])):
        if part and (len(part) + 1) * len(sounds[place]) > SECONDS * SAMPLE_RATE_HZ:
            yield part
            part = []
        part.append(place)
    if part:
        yield part


def _parts(items: list[Any]) -> Iterable[list[Any]]:
    for start in range(0, len(items), ITEMS):
        yield items[start : start + ITEMS]


def _numpy(vectors: Tensor) -> Vectors:
    return vectors.float().cpu().numpy()
