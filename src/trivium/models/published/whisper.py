"""Whisper: it writes down speech of many languages, and translates it into English."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from trivium.data.audio import SAMPLE_RATE_HZ, Samples
from trivium.errors import SettingsError, TriviumError
from trivium.models.published.codes import code_of, short
from trivium.models.published.network import Written, bare, read, search
from trivium.models.towers.writing import WritingSettings

# However short a sound is, 30 s are heard: rows of a pass are counted, and not their seconds.
SECONDS, ROWS = 30.0, 8
PREFIX = 4  # tokens: the start, the language, the task, and that times are not wanted


class Whisper:
    """A Whisper; that of English alone has no codes of languages."""

    licence = "Apache-2.0"
    max_seconds = SECONDS

    def __init__(self, folder: Path, device: str, settings: WritingSettings) -> None:
        import transformers as hub

        self.network = read(hub.WhisperForConditionalGeneration, folder, device)
        self.tokenizer = hub.AutoTokenizer.from_pretrained(folder)
        self._features = hub.WhisperFeatureExtractor.from_pretrained(folder)
        told = self.network.generation_config
        self._tokens: dict[str, int] = {
            token.strip("<|>"): number for token, number in getattr(told, "lang_to_id", {}).items()
        }
        if not self._tokens and getattr(told, "is_multilingual", True):
            raise SettingsError(
                f"{folder}/generation_config.json has no lang_to_id, nor is_multilingual = false; "
                "copy the file from the Whisper that this one was trained from"
            )
        room = self.network.config.max_target_positions - PREFIX
        self._limit = min(settings.max_tokens, room)
        self._search = search(settings, self._limit)

    @property
    def can(self) -> str:
        """What it can do, as errors say it."""
        if not self._tokens:
            return "write down English"
        return "write down speech, and translate it into English"

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of those that it writes down."""
        return tuple(self._tokens) or ("en",)

    def check(self, _: str, language: str, to: str | None) -> None:
        """Refuse targets other than English, and languages it does not know."""
        if to is not None and (short(to) != "en" or not self._tokens):
            raise TriviumError(f"does not translate speech into {to!r}; it can {self.can}")
        if language:
            code_of(language, self._tokens or ("en",))

    def batches(self, sounds: Sequence[Samples]) -> Iterator[list[int]]:
        """A few at a time, those of like length together."""
        places = sorted(range(len(sounds)), key=lambda place: len(sounds[place]))
        for start in range(0, len(places), ROWS):
            yield places[start : start + ROWS]

    def hear(self, sounds: Sequence[Samples], language: str, to: str | None) -> Written:
        """A transcript, or a translation into English; a language that is not told is heard."""
        extracted = self._features(
            list(sounds), sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt",
            device=self.network.device.type,
        )  # fmt: skip
        features = extracted["input_features"].to(self.network.device, self.network.dtype)
        config, codes = self.network.generation_config, self._codes(features, language)
        task = "transcribe" if to is None else "translate"
        told = {"language": codes, "task": task} if codes else {}
        made = self.network.generate(features, return_timestamps=False, **told, **self._search)
        prefixes = [[config.decoder_start_token_id] for _ in sounds]
        for prefix, code in zip(prefixes, codes, strict=bool(codes)):
            prefix += [self._tokens[code], config.task_to_id[task]]
        rows = bare(made, config)
        return Written(
            self.network,
            {"input_features": features},
            [[*prefix, config.no_timestamps_token_id] for prefix in prefixes],
            rows,
            [len(row) < self._limit for row in rows],
        )

    def _codes(self, features: Tensor, language: str) -> list[str]:
        """The language of each row, told or heard; none of a model of English alone."""
        if not self._tokens:
            return []
        if language:
            return [code_of(language, self._tokens)] * len(features)
        names = {number: code for code, number in self._tokens.items()}
        heard: Tensor = self.network.detect_language(input_features=features)
        return [names[number] for number in heard.tolist()]
