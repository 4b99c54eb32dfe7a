"""What a model does beside embedding: in batches that change nothing, or refused in a sentence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trivium.data.batch import Ragged
from trivium.errors import TriviumError
from trivium.models import passes
from trivium.models.loaded import Model

SOUNDS = [np.full(length, length / 1000, np.float32) for length in (900, 300, 1500, 600, 300)]
TEXTS = ["ccc", "a", "dddd", "bb", "e"]
CODES = st.lists(st.integers(1, 900), min_size=1, max_size=9)


class Toy(nn.Module):
    """Answers with the lengths of what it was given, and remembers the largest batch."""

    kinds = ("speech",)
    labels = ("long", "short")
    label_column = "length"

    def __init__(self, *reads: str) -> None:
        super().__init__()
        self.reads = reads
        self.scale = nn.Parameter(torch.ones(1))
        self.most = 0

    def _lengths(self, waves: Ragged | None, texts: list[str] | None) -> Tensor:
        parts = [] if waves is None else [waves.lengths.float()]
        parts += [] if texts is None else [torch.tensor([float(len(text)) for text in texts])]
        self.most = max(self.most, len(parts[0]))
        return self.scale * sum(parts)

    def transcribe(self, waves: Ragged) -> list[str]:
        return [f"heard {length}" for length in waves.lengths.tolist()]

    def translate_speech(self, waves: Ragged, languages: list[str | None], to: str) -> list[str]:
        pairs = zip(languages, waves.lengths.tolist(), strict=True)
        return [f"{language} {length} {to}" for language, length in pairs]

    def translate_text(self, texts: list[str], languages: list[str | None], to: str) -> list[str]:
        return [f"{code} {text} {to}" for code, text in zip(languages, texts, strict=True)]

    def classify(self, waves: Ragged | None, texts: list[str] | None) -> Tensor:
        lengths = self._lengths(waves, texts)
        return torch.stack([lengths, -lengths], 1)

    def score(self, waves: Ragged | None, texts: list[str] | None) -> Tensor:
        return self._lengths(waves, texts)

    def embed_voice(self, waves: Ragged | None, texts: list[str] | None) -> Tensor:
        return self.classify(waves, texts)

    def embed_speech(self, waves: Ragged, languages: list[str | None]) -> Tensor:
        return torch.nn.functional.normalize(waves.data.abs().sum(1, keepdim=True))


class Told(Toy):
    """Must be told the language of what it hears."""

    told_language = True

    def transcribe(self, waves: Ragged, languages: list[str | None]) -> list[str]:
        return [f"{code} {n}" for code, n in zip(languages, waves.lengths.tolist(), strict=True)]


class Mute(nn.Module):
    """Embeds texts and pictures, and does nothing else."""

    kinds = ("text", "picture")


def model(*reads: str, system: type[Toy] = Toy) -> Model:
    return Model("toy", system(*reads), "0" * 40)


def test_speech_is_written_down_and_translated_in_its_order() -> None:
    assert model().transcribe_speech(SOUNDS) == [f"heard {len(s)}" for s in SOUNDS]
    assert model(system=Told).transcribe_speech(SOUNDS, "hi") == [f"hi {len(s)}" for s in SOUNDS]
    assert model(system=Told).transcribe_speech(SOUNDS[:1]) == ["None 900"]
    assert model().translate_speech(SOUNDS, "hi", "en") == [f"hi {len(s)} en" for s in SOUNDS]
    assert model().translate_text(TEXTS, "", "en") == [f"None {text} en" for text in TEXTS]


@given(CODES, st.integers(1, 5), st.floats(0.001, 0.2))
@settings(max_examples=25)
def test_batches_change_nothing(lengths: list[int], items: int, seconds: float) -> None:
    sounds = [np.ones(length, np.float32) for length in lengths]
    texts = ["x" * (length % 7) for length in lengths]
    both = model("speech", "text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "SECONDS", seconds)
        patch.setattr(passes, "ITEMS", items)
        found = both.score(sounds, texts)
        written = model("text").translate_text(texts, "en", "de")
        read = model("text")
        assert read.score(texts=texts).tolist() == [len(text) for text in texts]
        assert read.system.most <= items
    assert found.tolist() == [n + len(text) for n, text in zip(lengths, texts, strict=True)]
    assert written == [f"en {text} de" for text in texts]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (("speech",), [900, 300, 1500, 600, 300]),
        (("text",), [3, 1, 4, 2, 1]),
        (("speech", "text"), [903, 301, 1504, 602, 301]),
    ],
)
def test_rows_are_what_the_system_reads(reads: tuple[str, ...], expected: list[int]) -> None:
    one = model(*reads)
    sounds = SOUNDS if "speech" in reads else None
    texts = TEXTS if "text" in reads else None
    labels, logits = one.classify(sounds, texts)
    assert labels == one.labels == ("long", "short")
    assert logits.tolist() == [[float(n), float(-n)] for n in expected]
    assert one.score(sounds, texts).tolist() == expected
    assert one.embed_voice(sounds, texts).shape == (5, 2)
    assert (one.reads, one.label_column) == (reads, "length")


def test_without_a_voice_the_vectors_of_speech_are_taken() -> None:
    class Plain(Toy):
        embed_voice = None

    plain = model("speech", system=Plain)
    assert not plain.can("embed_voice")
    assert plain.embed_voice(SOUNDS, TEXTS).tolist() == plain.embed_speech(SOUNDS, "").tolist()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda m: m.transcribe_speech(SOUNDS), "does not write down what it hears; it can embed "),
        (lambda m: m.translate_speech(SOUNDS, "a", "b"), "does not translate speech; it can"),
        (lambda m: m.translate_text(TEXTS, "a", "b"), "does not translate texts; it can embed"),
        (lambda m: m.classify(SOUNDS), "'mute' does not tell labels; it can embed text and pict"),
        (lambda m: m.score(SOUNDS), "does not give scores"),
        (lambda m: m.embed_voice(SOUNDS), "does not tell voices apart"),
    ],
)
def test_what_a_system_cannot_is_refused_with_what_it_can(ask: object, told: str) -> None:
    with pytest.raises(TriviumError, match=told):
        ask(Model("mute", Mute(), ""))


def test_a_system_without_labels_tells_none() -> None:
    class Unlabelled(Toy):
        labels = ()

    blank = model("speech", system=Unlabelled)
    assert not blank.can("classify")
    with pytest.raises(TriviumError, match="'toy' does not tell labels; it can write down"):
        blank.classify(SOUNDS)
    assert model().reads == model().voice_reads == ("speech",)
    assert model("text").voice_reads == ("text",)


def test_what_it_can_is_named_though_it_embeds_nothing() -> None:
    class Translator(nn.Module):
        kinds = ()

        def translate_text(self, *_: object) -> list[str]:
            return []

    with pytest.raises(TriviumError, match=r"does not give scores; it can translate texts$"):
        Model("t", Translator(), "").score(texts=[""])
    nothing = nn.Module()
    nothing.kinds = ()
    with pytest.raises(TriviumError, match="it can do none of what a task asks"):
        Model("n", nothing, "").score(texts=[""])


@pytest.mark.parametrize(
    ("reads", "sounds", "texts", "told"),
    [
        (("speech",), None, TEXTS, "given 5 of text; to tell labels it reads speech of each row"),
        (("speech",), SOUNDS, TEXTS, "given 5 of speech and 5 of text"),
        (("speech", "text"), SOUNDS, None, "it reads speech and text of each row"),
        (("speech", "text"), SOUNDS, TEXTS[:2], "given 5 of speech and 2 of text"),
        (("text",), None, None, "given nothing"),
    ],
)
def test_rows_that_are_not_what_the_system_reads_are_refused(
    reads: tuple[str, ...], sounds: object, texts: object, told: str
) -> None:
    with pytest.raises(TriviumError, match=told):
        model(*reads).classify(sounds, texts)
