"""What all languages of the made world have in common."""

import itertools
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.text import foreign_script
from trivium.data.world import content
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import LANGUAGES

KINDS, COLOURS, SIZES, RELATIONS, BACKGROUNDS, EMOTIONS, TOPICS = map(
    get_args,
    (
        content.Kind, content.Colour, content.Size, content.Relation,
        content.Background, content.Emotion, content.Topic,
    ),
)  # fmt: skip
COUNTS = range(1, 5)
SENTIMENTS = range(-3, 4)
STYLES = range(3)

LETTERS = {
    "en": r"[A-Za-z',.? -]",
    "es": r"[A-Za-zÁÉÍÓÚÑáéíóúñ,.¿? ]",
    "de": r"[A-Za-zÄÖÜäöüß,.? ]",
    "sw": r"[A-Za-z',.? ]",
    "hi": r"[\u0900-\u0965,? ]",
    "ja": r"[ぁ-ゖァ-ヺー々一-鿿、。？]",
}
KANA = r"[ぁ-ゖァ-ヺー、。？ ]"
LATIN = ("en", "es", "de", "sw")

every_language = pytest.mark.parametrize("language", sorted(LANGUAGES))

groups = st.builds(
    Things,
    st.sampled_from(KINDS),
    st.sampled_from(COLOURS),
    st.sampled_from(SIZES),
    st.sampled_from(COUNTS),
)
backgrounds = st.sampled_from(BACKGROUNDS)
alone = st.builds(Scene, groups, st.none(), st.none(), backgrounds)
pairs = st.builds(Scene, groups, groups, st.sampled_from(RELATIONS), backgrounds)
feelings = st.builds(
    Feeling,
    st.sampled_from(EMOTIONS),
    st.sampled_from(SENTIMENTS),
    st.sampled_from(TOPICS),
    st.integers(0, 3),
)


def all_requests():
    return [
        Request(intent, tuple(zip(slots, values, strict=True)))
        for intent, slots in SLOTS.items()
        for values in itertools.product(*slots.values())
    ]


def all_feelings():
    return [
        Feeling("neutral", sentiment, topic, wording)
        for sentiment, topic, wording in itertools.product(SENTIMENTS, TOPICS, range(4))
    ]


def all_lone_groups():
    every_word = itertools.product(KINDS, COLOURS, SIZES, COUNTS)
    return [Scene(Things(*words), None, None, "sky") for words in every_word]


requests = st.sampled_from(all_requests())


def say(language, said, style):
    """A content of any kind, by the function it belongs to."""
    grammar = LANGUAGES[language]
    if isinstance(said, Feeling):
        return grammar.feeling(said)
    return (grammar.caption if isinstance(said, Scene) else grammar.request)(said, style)


def assert_well_written(language, line):
    for text in (line.text, line.spoken):
        assert re.search(r"\w.*[.?。？।]$", text), f"{text!r} is no sentence"
        assert "  " not in text
        assert text == text.strip()
        assert not re.search(r"[{}0-9_]", text), f"{text!r} has something left over"
        assert len(re.findall(r"[.?。？।]", text)) == 1, f"{text!r} is not one sentence"
        assert not re.search(r" [,.?、。？।]", text), f"{text!r} has a space before a mark"
    assert re.fullmatch(f"{LETTERS[language]}+", line.text), f"{line.text!r} has a foreign letter"
    assert foreign_script(line.text, language) is None
    if language == "ja":
        assert re.fullmatch(f"{KANA}+", line.spoken), f"{line.spoken!r} is not all kana"
    else:
        assert line.spoken == line.text
    if language in LATIN:
        assert line.text.lstrip("¿")[0].isupper()
        assert ("¿" in line.text) == (language == "es" and "?" in line.text)


def test_the_six_languages_are_in_the_table_with_their_voices():
    voices = {code: language.voice for code, language in LANGUAGES.items()}
    assert voices == {
        "en": "en-us", "hi": "hi", "ja": "ja", "es": "es", "de": "de", "sw": "sw",
    }  # fmt: skip
    assert len({language.name for language in LANGUAGES.values()}) == len(LANGUAGES)


def test_no_two_languages_share_a_function():
    for function in ("caption", "request", "feeling"):
        assert len({getattr(language, function) for language in LANGUAGES.values()}) == 6


@every_language
@settings(max_examples=60)
@given(pairs, st.sampled_from(STYLES))
def test_a_scene_of_two_groups_is_well_written(language, scene, style):
    assert_well_written(language, say(language, scene, style))


@every_language
def test_every_kind_colour_size_and_count_is_said_and_no_two_alike(language):
    for style in STYLES:
        lines = [say(language, scene, style) for scene in all_lone_groups()]
        for line in lines:
            assert_well_written(language, line)
        assert len({line.text for line in lines}) == len(lines)
        assert len({line.spoken for line in lines}) == len(lines)


@every_language
def test_every_request_is_said_and_no_two_alike(language):
    for style in STYLES:
        lines = [say(language, request, style) for request in all_requests()]
        for line in lines:
            assert_well_written(language, line)
        assert len({line.text for line in lines}) == len(lines)
        assert len({line.spoken for line in lines}) == len(lines)


@every_language
def test_every_feeling_is_said_and_no_two_alike(language):
    lines = [say(language, feeling, 0) for feeling in all_feelings()]
    for line in lines:
        assert_well_written(language, line)
    assert len({line.text for line in lines}) == len(lines)
    assert len({line.spoken for line in lines}) == len(lines)


@every_language
@settings(max_examples=100)
@given(pairs, groups, st.sampled_from(RELATIONS), st.data())
def test_scenes_that_differ_in_one_thing_differ_in_their_sentence(
    language, scene, other, relation, data
):
    """Neighbours, because two scenes drawn at large would hardly ever be close enough to fail."""
    field = data.draw(st.sampled_from(["kind", "colour", "size", "count"]))
    value = getattr(other, field)
    neighbours = {
        replace(scene, first=replace(scene.first, **{field: value})),
        replace(scene, second=replace(scene.second, **{field: value})),
        replace(scene, first=scene.second, second=scene.first),
        replace(scene, relation=relation),
        replace(scene, second=None, relation=None),
        scene,
    }
    combinations = {neighbour.combination for neighbour in neighbours}
    for style in STYLES:
        lines = [say(language, neighbour, style) for neighbour in neighbours]
        assert len({line.text for line in lines}) == len(combinations)
        assert len({line.spoken for line in lines}) == len(combinations)


@every_language
@given(st.one_of(alone, pairs, requests), st.integers(0, 10**9))
def test_a_style_is_taken_modulo_the_number_of_phrasings(language, said, style):
    phrasings = [say(language, said, style).text for style in STYLES]
    assert len(set(phrasings)) == len(STYLES)
    assert say(language, said, style).text == phrasings[style % len(STYLES)]


@every_language
@given(st.one_of(alone, pairs), backgrounds, st.sampled_from(STYLES))
def test_the_background_is_seen_and_never_said(language, scene, background, style):
    there = replace(scene, background=background)
    assert say(language, there, style) == say(language, scene, style)


@every_language
@given(feelings, st.sampled_from(EMOTIONS))
def test_the_emotion_is_in_the_voice_and_never_in_the_words(language, feeling, emotion):
    assert say(language, replace(feeling, emotion=emotion), 0) == say(language, feeling, 0)


@every_language
@given(feelings, st.integers(0, 10**6))
def test_a_wording_is_taken_modulo_four(language, feeling, turns):
    later = replace(feeling, wording=feeling.wording + 4 * turns)
    assert say(language, later, 0) == say(language, feeling, 0)
