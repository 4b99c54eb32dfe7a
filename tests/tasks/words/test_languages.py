"""Codes of languages: whatever their form, nothing falls back to cutting at spaces in silence."""

import pytest

from trivium.data.text import SCRIPTS
from trivium.errors import TriviumError
from trivium.tasks.words.languages import (
    SPACELESS,
    TOKENIZERS,
    check_spaces,
    is_spaceless,
    short,
    tokenizer,
)

JAPANESE = "赤い星が二つある。"


@pytest.mark.parametrize(
    ("codes", "name", "cut"),
    [
        ("zh zh-CN zh-TW zh_CN ZH-cn cmn cmn_hans_cn zho_Hans zh-Hans-CN", "zh", "zh"),
        ("yue yue_hant_hk", "yue", "zh"),
        ("ja ja_XX ja-JP jpn jpn_Jpan", "ja", "char"),
        ("ko ko_KR kor_Hang", "ko", "char"),
        ("th tha lo_la lao my_mm mya km khm_Khmr", None, "char"),
        ("en en-US fr_XX de hi hin_Deva sv-SE", None, "13a"),
    ],
)
def test_codes_are_understood_in_every_form(codes: str, name: str | None, cut: str) -> None:
    for code in codes.split():
        assert tokenizer(code) == cut
        assert is_spaceless(code) == (cut != "13a" and short(code) != "ko")
        if name:
            assert short(code) == name


def test_every_language_in_a_script_without_spaces_is_known() -> None:
    apart = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "MYANMAR", "KHMER"}
    without = {code for code, scripts in SCRIPTS.items() if scripts <= apart}
    assert without == SPACELESS
    assert TOKENIZERS.keys() == SPACELESS | {"ko"}


@pytest.mark.parametrize("code", ["jp", "chinese", "", "en"])
def test_texts_without_spaces_under_a_code_with_spaces_are_refused(code: str) -> None:
    with pytest.raises(TriviumError, match=rf"language '{code}' is Hiragana.*ja, km.*zh"):
        check_spaces([JAPANESE, "a star"], code)


@pytest.mark.parametrize(
    "texts", [["two red stars", "見"], ["दो तारे"], ["빨간 별"], [], ["12 + 3!"]]
)
def test_texts_with_spaces_pass(texts: list[str]) -> None:
    check_spaces(texts, "xx")
