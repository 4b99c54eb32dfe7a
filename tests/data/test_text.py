import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivium.data.text import NORMALISERS, foreign_script, normaliser
from trivium.errors import SettingsError

HINDI = "दो बड़ी मछलियाँ हैं।"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("raw", "  As it  IS. ", "  As it  IS. "),
        ("lower", "  Hello,  World ", "hello, world"),
        ("words", "Don't — STOP, ng'ombe!", "don't stop ng'ombe"),
        ("words", "It’s 'quoted'", "it's quoted"),
        ("words", HINDI, "दो बड़ी मछलियाँ हैं"),
        ("words", "Straße ＡＢＣ", "strasse abc"),
        ("characters", "赤い 星。", "赤 い 星"),
        ("characters", "बड़ी", "ब ड़ी"),
        ("whisper_basic", "Hello, World!", "hello world"),
        ("whisper_basic", "[noise] 50 ㎐ (softly) <unk> so", "50 hz so"),
    ],
)
def test_normalisers_do_what_their_name_says(name, text, expected):
    assert normaliser(name)(unicodedata.normalize("NFC", text)) == unicodedata.normalize(
        "NFKC" if name != "raw" else "NFC", expected
    )


def test_whispers_normaliser_shreds_hindi_and_words_does_not():
    marks = [c for c in unicodedata.normalize("NFKC", HINDI) if unicodedata.category(c)[0] == "M"]
    assert len(marks) > 5
    assert not any(mark in normaliser("whisper_basic")(HINDI) for mark in marks)
    assert all(mark in normaliser("words")(HINDI) for mark in marks)


@example("C\N{CEDILLA}", "characters")
@example("A'A", "characters")
@example("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{COMBINING GRAVE ACCENT BELOW}", "lower")
@given(st.text(), st.sampled_from(sorted(NORMALISERS)))
def test_normalising_twice_changes_nothing(text, name):
    once = normaliser(name)(text)
    assert normaliser(name)(once) == once


def test_an_unknown_normaliser_is_named_with_its_neighbours():
    with pytest.raises(SettingsError, match=r"'wrods'; did you mean 'words'"):
        normaliser("wrods")


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("a red star", "en", None),
        (HINDI, "hi", None),
        ("ek bada tara", "hi", "Latin"),
        ("赤い星が魚の上にあります。", "ja", None),
        ("カタカナ", "ja", None),
        ("a red star", "ja", "Latin"),
        (HINDI, "en", "Devanagari"),
        ("Иван, known as Ivan", "en", None),  # names in other scripts turn up
        ("12 + 3!", "hi", None),
        ("", "en", None),
        ("whatever", "tlh", None),
        ("你好", "zh-CN", None),
    ],
)
def test_scripts_of_languages(text, language, script):
    assert foreign_script(text, language) == script
