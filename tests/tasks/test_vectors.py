"""A corpus becomes sets of vectors: every caption with its picture, in order, in bounded parts."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import TriviumError
from trivium.tasks import vectors
from trivium.tasks.vectors import VectorSet, embed_corpus


class Plain:
    """Vectors that tell what they were made of."""

    def __init__(self, kinds: Sequence[str] = ("speech", "text", "picture")) -> None:
        self.most, self.kinds = 0, kinds

    def embed_speech(self, sounds: Sequence[np.ndarray], language: str) -> np.ndarray:
        self.most = max(self.most, len(sounds))
        return np.array([[len(sound) / 16_000, 0, 0] for sound in sounds])

    def embed_picture(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([picture.mean((0, 1)) for picture in pictures])

    def embed_text(self, texts: Sequence[str], language: str) -> np.ndarray:
        return np.array([[len(text), len(language), 0] for text in texts])


def sets_of(corpus: Corpus, **options: object) -> dict[str, VectorSet]:
    return {each.name: each for each in embed_corpus(Plain(), corpus, "train", **options)}


def test_captions_have_the_ids_of_their_pictures(by_hand: Corpus) -> None:
    sets = sets_of(by_hand)
    assert list(sets) == ["speech.en", "text.en", "picture"]
    blue, red = sets["picture"].vectors
    assert blue.tolist() == [0, 0, 255]
    assert red.tolist() == [255, 0, 0]
    numbers = [number for number in range(20) if number % 3 != 2]  # the others have no picture
    speech = sets["speech.en"]
    assert speech.ids.tolist() == [1 if number % 3 == 0 else 0 for number in numbers]
    assert speech.vectors[:, 0] == pytest.approx([0.2 + 0.05 * (n % 7) for n in numbers], abs=1e-4)
    assert len(sets["text.en"].ids) == len(numbers)


def test_parts_are_small_and_change_nothing(
    by_hand: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sets_of(by_hand)
    monkeypatch.setattr(vectors, "EMBED_ITEMS", 3)
    embedder = Plain()
    for each in embed_corpus(embedder, by_hand, "train"):
        assert np.array_equal(each.vectors, whole[each.name].vectors)
        assert np.array_equal(each.ids, whole[each.name].ids)
    assert embedder.most == 3


def test_languages_are_apart_and_a_repeated_text_is_one(by_hand: Corpus) -> None:
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number in range(30, 34):
            writer.add(
                "utterances",
                utterance(number, picture="p-red", language="hi", text=f"line {number // 32}"),
            )
    sets = sets_of(Corpus.open(by_hand.path), text_languages=("hi",))
    assert list(sets) == ["speech.en", "speech.hi", "text.hi", "picture"]
    assert len(sets["speech.hi"].ids) == 4
    assert sets["text.hi"].vectors[:, 1].tolist() == [2, 2]
    assert sets["text.hi"].ids.tolist() == [1, 1]


@pytest.mark.parametrize("split", ["test", "o'clock"])
def test_a_split_without_captions_is_named(by_hand: Corpus, split: str) -> None:
    with pytest.raises(TriviumError, match=split):
        embed_corpus(Plain(), by_hand, split)


def test_unit_length_leaves_zero_alone() -> None:
    each = VectorSet("picture", np.array([[3.0, 4.0], [0.0, 0.0]]), np.arange(2))
    assert each.of_unit_length().vectors == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))


@pytest.mark.parametrize("kinds", [("speech",), ("text", "picture"), ("picture",)])
def test_what_a_model_does_not_embed_is_not_asked_for(by_hand: Corpus, kinds: tuple[str]) -> None:
    found = embed_corpus(Plain(kinds), by_hand, "train")
    assert {each.kind for each in found} == set(kinds)


def test_every_item_is_counted(by_hand: Corpus) -> None:
    counts: list[int] = []
    sets = embed_corpus(Plain(), by_hand, "train", advance=counts.append)
    assert sum(counts) == sum(len(each.ids) for each in sets)


def test_only_the_speech_that_is_asked_for_is_embedded(world_folder):
    corpus = Corpus.open(world_folder)
    whole = embed_corpus(Plain(("speech", "picture")), corpus, "train")
    some = embed_corpus(Plain(("speech", "picture")), corpus, "train", speech_languages=["ja"])
    assert [each.name for each in whole if each.kind == "speech"] == ["speech.en", "speech.ja"]
    assert [each.name for each in some if each.kind == "speech"] == ["speech.ja"]
    assert len(some[-1].ids) == len(whole[-1].ids)


def test_captions_without_sound_are_read_and_not_heard(by_hand: Corpus) -> None:
    before = sets_of(by_hand)
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number, language in ((30, "en"), (31, "hi")):
            writer.add("utterances", utterance(number, audio=None, seconds=None, picture="p-red",
                                               language=language, text="read alone"))  # fmt: skip
    sets = sets_of(Corpus.open(by_hand.path), text_languages=("en", "hi"))
    assert list(sets) == ["speech.en", "text.en", "text.hi", "picture"]
    assert np.array_equal(sets["speech.en"].vectors, before["speech.en"].vectors)
    assert np.array_equal(sets["speech.en"].ids, before["speech.en"].ids)
    assert len(sets["text.en"].ids) == len(before["text.en"].ids) + 1
