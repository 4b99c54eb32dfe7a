"""A published model behind the methods of a trained one.

It is read from a folder in the hub's format and writes through transformers' own generation.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch

from trivium import checkpoint
from trivium.config import read_json
from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.passes import by_characters, ordered
from trivium.models.published.network import Written, confidences, quiet
from trivium.models.towers.networks import NETWORKS, Kind
from trivium.models.towers.weights import fetch
from trivium.models.towers.writing import WritingSettings

# By what config.json calls `model_type`.
FAMILIES: dict[str, tuple[str, str]] = {
    "whisper": ("trivium.models.published.whisper", "Whisper"),
    "seamless_m4t_v2": ("trivium.models.published.seamless", "Seamless"),
}
# Short names of repositories on the hub.
REPOSITORIES: dict[str, str] = {
    "seamless-m4t-v2-large": "facebook/seamless-m4t-v2-large",
    **{
        name: network.repository
        for name, network in NETWORKS.items()
        if network.family == "whisper" and network.repository
    },
}
# What the family needs for what a model of ours would be asked.
NEEDS = {"transcribe": "hear", "translate_speech": "hear", "translate_text": "read"}
FILES = ("generation_config.json", "preprocessor_config.json", "tokenizer.json")
WRITING = WritingSettings(max_tokens=224)  # as many as Whisper was trained to write


class Guess(NamedTuple):
    """A text that a model wrote, and how sure it was."""

    text: str
    confidence: float
    """Mean log-probability of its tokens, the end included; 0 is certain."""


class Published:
    """A published model: it writes down speech and translates, as far as its family can."""

    kinds: tuple[Kind, ...] = ()
    tells_confidence = True
    """That it has `guess_speech` and `guess_text`."""
    readme = ""
    """No model card of ours."""

    def __init__(self, folder: Path, name: str, family: Any) -> None:
        self.name = name
        self.licence = _licence(folder) or str(family.licence)
        self.max_seconds: float | None = family.max_seconds
        """The longest sound that it hears at once."""
        self._folder, self._family = folder, family

    @cached_property
    def checksum(self) -> str:
        """sha256 of its weights; where they are in several files, of one after the other."""
        whole = self._folder / checkpoint.TENSORS
        files = [whole] if whole.exists() else sorted(self._folder.glob("model*.safetensors"))
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                while block := file.read(2**22):
                    digest.update(block)
        return digest.hexdigest()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of those that it knows."""
        return tuple(self._family.languages)

    def can(self, ability: str) -> bool:
        """Whether it can `transcribe`, `translate_speech`, `translate_text`, into some language."""
        return ability in NEEDS and hasattr(self._family, NEEDS[ability])

    def transcribe_speech(self, sounds: Sequence[Samples], language: str = "") -> list[str]:
        """What is said in 16 kHz sounds of one language."""
        return [guess.text for guess in self._heard(sounds, language, None)]

    def translate_speech(self, sounds: Sequence[Samples], language: str, to: str) -> list[str]:
        """What 16 kHz sounds of one language say, in another."""
        return [guess.text for guess in self._heard(sounds, language, to)]

    def translate_text(self, texts: Sequence[str], language: str, to: str) -> list[str]:
        """What texts of one language say, in another."""
        return [guess.text for guess in self._read(texts, language, to)]

    def guess_speech(
        self, sounds: Sequence[Samples], language: str, to: str | None = None
    ) -> list[Guess]:
        """Transcripts, or translations into `to`, and how sure the model is of each."""
        return self._heard(sounds, language, to, sure=True)

    def guess_text(self, texts: Sequence[str], language: str, to: str) -> list[Guess]:
        """Translations of texts, and how sure the model is of each."""
        return self._read(texts, language, to, sure=True)

    def _heard(
        self, sounds: Sequence[Samples], language: str, to: str | None, sure: bool = False
    ) -> list[Guess]:
        family = self._checked("hear", language, to)
        longest = max(map(len, sounds), default=0) / SAMPLE_RATE_HZ
        if self.max_seconds is not None and longest > self.max_seconds:
            raise TriviumError(
                f"a sound lasts {longest:.2f} s, and {self.name} hears {self.max_seconds:g} s at "
                "once; cut it, as `trivium transcribe` does"
            )
        return self._guesses(
            family.batches(sounds),
            lambda places: family.hear([sounds[place] for place in places], language, to),
            sure,
        )

    def _read(
        self, texts: Sequence[str], language: str, to: str, sure: bool = False
    ) -> list[Guess]:
        family = self._checked("read", language, to)
        return self._guesses(
            by_characters(texts),
            lambda places: family.read([texts[place] for place in places], language, to),
            sure,
        )

    def _checked(self, ability: str, language: str, to: str | None) -> Any:
        """The family, if it can do what is asked."""
        if not hasattr(self._family, ability):
            can = self._family.can
            raise TriviumError(f"{self.name} does not {ability} texts; it can {can}")
        try:
            self._family.check(ability, language, to)
        except TriviumError as error:
            raise TriviumError(f"{self.name} {error}") from error
        return self._family

    def _guesses(
        self, batches: Iterable[list[int]], write: Callable[[list[int]], Written], sure: bool
    ) -> list[Guess]:
        decode = self._family.tokenizer.decode

        def make(places: list[int]) -> list[Guess]:
            written = write(places)
            texts = [decode(ids, skip_special_tokens=True).strip() for ids in written.made]
            return list(map(Guess, texts, confidences(written) if sure else [0.0] * len(texts)))

        with quiet():
            return ordered(batches, make)


def find(name: Path | str) -> Path | None:
    """The folder of a model that others published; None of one that was trained here."""
    path, repository = Path(name), REPOSITORIES.get(str(name))
    if not path.exists() and (repository or str(name).count("/") == 1):
        path = fetch(repository or str(name), "main")
    config = path / checkpoint.CONFIG
    return path if config.exists() and "model_type" in read_json(config) else None


def load(
    name: Path | str, device: str | None = None, settings: WritingSettings = WRITING
) -> Published:
    """A published model: a folder in the hub's format, a hub repository, or its short name.

    It computes on a GPU if there is one (in bfloat16 there), or where it is told to.
    """
    folder = find(name)
    if folder is None:
        hint = did_you_mean(str(name), REPOSITORIES)
        raise SettingsError(f"{name} is no folder or repository in the hub's format; {hint}")
    stated = str(read_json(folder / checkpoint.CONFIG)["model_type"])
    if stated not in FAMILIES:
        raise SettingsError(
            f"{folder}/config.json says model_type {stated!r}; those that write here are "
            f"{', '.join(FAMILIES)}"
        )
    for file in FILES:
        if not (folder / file).exists():
            raise SettingsError(
                f"{folder} holds no {file}; load model and AutoProcessor with transformers, "
                "`save_pretrained` both in a new folder, and name that"
            )
    module, class_name = FAMILIES[stated]
    there = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with quiet():
        family = getattr(import_module(module), class_name)(folder, there, settings)
    return Published(folder, str(name), family)


def _licence(folder: Path) -> str:
    """What the model card says on its licence, if there is one."""
    card = folder / checkpoint.README
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    stated = re.search(r"^license: *[\"']?([\w.-]+)", text, re.MULTILINE)
    return stated[1].upper() if stated else ""
