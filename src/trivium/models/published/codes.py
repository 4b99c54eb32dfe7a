"""Codes of languages, as corpora and published models write them."""

from collections.abc import Collection

from trivium.errors import TriviumError, did_you_mean

# Two letters, and SeamlessM4T's three.
_PAIRS = """
af:afr am:amh ar:arb as:asm az:azj be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu
el:ell en:eng es:spa et:est eu:eus fa:pes fi:fin fr:fra ga:gle gl:glg gu:guj he:heb hi:hin hr:hrv
hu:hun hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jw:jav jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor
ky:kir lg:lug lo:lao lt:lit lv:lvs mk:mkd ml:mal mn:khk mr:mar ms:zlm mt:mlt my:mya nb:nob no:nob
ne:npi nl:nld nn:nno ny:nya om:gaz or:ory pa:pan pl:pol ps:pbt pt:por ro:ron ru:rus sd:snd sk:slk
sl:slv sn:sna so:som sr:srp sv:swe sw:swh ta:tam te:tel tg:tgk th:tha tl:tgl tr:tur uk:ukr ur:urd
uz:uzn vi:vie yo:yor yue:yue zh:cmn zu:zul
"""
LONG: dict[str, str] = dict(pair.split(":") for pair in _PAIRS.split())
SHORT: dict[str, str] = {long: short for short, long in LONG.items()}
# One language under two codes: FLEURS and Whisper write Norwegian, Filipino and Javanese otherwise.
ALIKE: dict[str, str] = {"nb": "no", "no": "nb", "fil": "tl", "jv": "jw", "jw": "jv"}


def short(language: str) -> str:
    """`zh` of `zh-CN` and `cmn`, `hi` of `hi_in` and `hin`."""
    first = language.replace("_", "-").lower().partition("-")[0]
    return SHORT.get(first, first)


def code_of(language: str, known: Collection[str]) -> str:
    """What a model calls a language, of the codes that it knows."""
    own = short(language)
    other = ALIKE.get(own, own)
    found = (language, own, LONG.get(own), other, LONG.get(other))
    code = next((code for code in found if code is not None and code in known), None)
    if code is None:
        alike = sorted(code for code in known if code[:1] == language[:1].lower())
        hint = did_you_mean(language, known) if len(known) <= 12 else f"it knows {len(known)}"
        near = f", of which {', '.join(alike)} begin alike" if alike and len(known) > 12 else ""
        raise TriviumError(f"knows no language {language!r}; {hint}{near}")
    return code
