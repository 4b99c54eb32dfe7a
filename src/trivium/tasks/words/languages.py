"""What the code of a language says about scoring its texts: spaces, and sacrebleu's tokenizer."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

from trivium.errors import TriviumError

# Codes of three letters that corpora and models use for languages that need more than 13a.
SHORT = {
    "cmn": "zh", "zho": "zh", "jpn": "ja", "kor": "ko", "tha": "th", "lao": "lo", "mya": "my",
    "khm": "km",
}  # fmt: skip
# Written without spaces: their words are scored as characters.
SPACELESS = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
SPACELESS_SCRIPTS = frozenset(
    {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "MYANMAR", "KHMER"}
)  # fmt: skip
# Of sacrebleu; `ja-mecab` and `ko-mecab` need MeCab, which is not installed with this package.
TOKENIZERS = {
    "zh": "zh",
    "yue": "zh",
    "ko": "char",
    **dict.fromkeys(SPACELESS - {"zh", "yue"}, "char"),
}


def short(code: str) -> str:
    """`zh` of `zh-CN`, `zh_TW`, `cmn_hans_cn` and `zho_Hans`; `fr` of `fr` and `fr_XX`."""
    first = code.replace("_", "-").lower().partition("-")[0]
    return SHORT.get(first, first)


def is_spaceless(code: str) -> bool:
    """Whether the language is written without spaces."""
    return short(code) in SPACELESS


def tokenizer(code: str) -> str:
    """The tokenizer that makes sense of a language; `13a` is for those that put spaces."""
    return TOKENIZERS.get(short(code), "13a")


def check_spaces(texts: Iterable[str], code: str) -> None:
    """Refuse texts without spaces under the code of a language that has them, such as `jp`."""
    scripts: Counter[str] = Counter()
    for character, count in Counter("".join(texts)).items():
        if character.isalpha():
            scripts[unicodedata.name(character, "UNNAMED").split()[0].split("-")[0]] += count
    spaceless = {name: count for name, count in scripts.items() if name in SPACELESS_SCRIPTS}
    if 2 * sum(spaceless.values()) > scripts.total():
        script = max(spaceless, key=lambda name: spaceless[name]).title()
        raise TriviumError(
            f"most of what is said to be of the language {code!r} is {script}, which is written "
            f"without spaces; give it the code of such a language: {', '.join(sorted(SPACELESS))}"
        )


def listed(codes: Iterable[str]) -> str:
    """Codes, each once and sorted, between commas."""
    return ", ".join(sorted(set(codes)))
