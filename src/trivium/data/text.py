"""Texts: normalisers by name, and which script a language is written in.

One table of normalisers serves training and scoring alike, and a score names the one it used.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

from trivium.errors import SettingsError, did_you_mean

# The key of `extra` under which the second sentence of a pair stands.
SECOND = "second"


def joined(*sentences: str) -> str:
    """Sentences as one text, with a tab between them and none in them."""
    return "\t".join(sentence.replace("\t", " ") for sentence in sentences)


def raw(text: str) -> str:
    """The text as it stands."""
    return text


def lower(text: str) -> str:
    """Canonical composition (NFC), one case, single spaces; punctuation stays."""
    return " ".join(_one_case("NFC", text).split())


def words(text: str) -> str:
    """One case, no punctuation or symbols, single spaces.

    Marks (category M) stay: they are the vowels of Hindi and Tamil. Apostrophes inside words
    stay too, for English and Swahili (ng'ombe) need them.
    """
    folded = _one_case("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    kept = [
        character
        if unicodedata.category(character)[0] in "LMN" or _inner_apostrophe(folded, place)
        else " "
        for place, character in enumerate(folded)
    ]
    return " ".join("".join(kept).split())


def characters(text: str) -> str:
    """`words` with a space between all characters, marks kept with their letter: for ja and zh.

    No character stands beside another, so that no apostrophe is inside a word.
    """
    clusters: list[str] = []
    for character in words(text).replace(" ", "").replace("'", ""):
        if clusters and unicodedata.category(character)[0] == "M":
            clusters[-1] += character
        else:
            clusters.append(character)
    # A mark that stood alone may have found a letter.
    return unicodedata.normalize("NFC", " ".join(clusters))


def whisper_basic(text: str) -> str:
    """Whisper's basic normaliser as published numbers use it: marks become spaces.

    What stands in brackets is dropped. It shreds Hindi and Tamil, whose vowels are marks; use
    `words` there.
    """
    bare = re.sub(r"\([^)]+?\)", "", re.sub(r"[<\[][^>\]]*[>\]]", "", text.lower()))
    folded = unicodedata.normalize("NFKC", bare)
    kept = (" " if unicodedata.category(c)[0] in "MSP" else c for c in folded)
    return " ".join("".join(kept).lower().split())


def _one_case(form: Literal["NFC", "NFKC"], text: str) -> str:
    """A text in one case and a normal form, which folding alone would undo."""
    return unicodedata.normalize(form, unicodedata.normalize(form, text).casefold())


NORMALISERS: dict[str, Callable[[str], str]] = {
    "raw": raw,
    "lower": lower,
    "words": words,
    "characters": characters,
    "whisper_basic": whisper_basic,
}


def normaliser(name: str) -> Callable[[str], str]:
    """The normaliser of that name."""
    if name not in NORMALISERS:
        raise SettingsError(f"no normaliser is named {name!r}; {did_you_mean(name, NORMALISERS)}")
    return NORMALISERS[name]


# Scripts a language is written in, as Unicode names its characters. Latin names and figures turn
# up in any text, so a text is only wrong where most of its letters are of another script.
SCRIPTS: dict[str, frozenset[str]] = {
    language: frozenset(scripts.split())
    for scripts, languages in {
        "LATIN": "en es de sw fr it pt nl pl cs sk sl hr hu ro fi et lv lt sv da no is ca eu gl cy "
        "ga tr az uz vi id ms tl so zu xh yo ig ha af sq mt lb eo la",
        "DEVANAGARI": "hi mr ne sa",
        "HIRAGANA KATAKANA CJK": "ja",
        "CJK": "zh yue",
        "HANGUL CJK": "ko",
        "CYRILLIC": "ru uk bg mk be kk ky tg mn",
        "CYRILLIC LATIN": "sr",
        "ARABIC": "ar fa ur ps",
        "GREEK": "el",
        "HEBREW": "he yi",
        "BENGALI": "bn as",
        "TAMIL": "ta",
        "TELUGU": "te",
        "KANNADA": "kn",
        "MALAYALAM": "ml",
        "GUJARATI": "gu",
        "GURMUKHI": "pa",
        "ORIYA": "or",
        "SINHALA": "si",
        "THAI": "th",
        "LAO": "lo",
        "KHMER": "km",
        "MYANMAR": "my",
        "ETHIOPIC": "am ti",
        "GEORGIAN": "ka",
        "ARMENIAN": "hy",
    }.items()
    for language in languages.split()
}


def foreign_script(text: str, language: str) -> str | None:
    """The script most letters of `text` are in, if `language` is not written in it, else None.

    A language we know no script of is never wrong.
    """
    expected = SCRIPTS.get(language.replace("_", "-").lower().partition("-")[0])
    if expected is None:
        return None
    counts: dict[str, int] = {}
    for character in text:
        if character.isalpha():
            script = unicodedata.name(character, "UNNAMED").split()[0].split("-")[0]
            counts[script] = counts.get(script, 0) + 1
    foreign = {script: n for script, n in counts.items() if script not in expected}
    if not foreign or 2 * sum(foreign.values()) <= sum(counts.values()):
        return None
    return max(foreign, key=lambda script: foreign[script]).title()


def _inner_apostrophe(text: str, place: int) -> bool:
    return (
        text[place] == "'"
        and 0 < place < len(text) - 1
        and text[place - 1].isalpha()
        and text[place + 1].isalpha()
    )
