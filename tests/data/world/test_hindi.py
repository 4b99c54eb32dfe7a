"""Hindi sentences as a reader expects them, written from the language's rules."""

import unicodedata

import pytest

from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import hindi

CAPTIONS = [
    # Masculine in -ā, and its oblique before the postposition.
    ("1 large red star", 0, "यहाँ एक बड़ा लाल तारा है।"),
    ("2 large red star", 2, "दो बड़े लाल तारे।"),
    ("1 small blue fish above 1 large blue star", 1, "एक छोटी नीली मछली एक बड़े नीले तारे के ऊपर है।"),
    ("1 medium black cat below 3 small yellow leaf", 0,
     "तीन छोटे पीले पत्तों के नीचे एक काली बिल्ली है।"),
    ("1 medium red ball left 1 small green cup", 2, "एक छोटे हरे प्याले के बाईं ओर एक लाल गेंद।"),
    ("4 medium white hat right 2 large black umbrella", 1,
     "चार सफ़ेद टोपियाँ दो बड़े काले छातों के दाईं ओर हैं।"),
    # Masculine without an ending: the plural shows in the adjective only.
    ("3 large green tree", 1, "तीन बड़े हरे पेड़ दिख रहे हैं।"),
    ("1 small brown house", 1, "एक छोटा भूरा घर दिख रहा है।"),
    ("2 medium pink flower above 4 medium brown house", 0, "चार भूरे घरों के ऊपर दो गुलाबी फूल हैं।"),
    ("1 medium yellow moon above 1 medium black cloud", 1, "एक पीला चाँद एक काले बादल के ऊपर है।"),
    ("1 large purple mushroom left 1 small red apple", 2,
     "एक छोटे लाल सेब के बाईं ओर एक बड़ा बैंगनी मशरूम।"),
    # Feminine: -ī in every adjective, -iyā̃, -ẽ or -yā̃ in the plural.
    ("1 large blue bird", 1, "एक बड़ी नीली चिड़िया दिख रही है।"),
    ("3 large blue bird", 1, "तीन बड़ी नीली चिड़ियाँ दिख रही हैं।"),
    ("2 small yellow butterfly above 2 large green bird", 0,
     "दो बड़ी हरी चिड़ियों के ऊपर दो छोटी पीली तितलियाँ हैं।"),
    ("4 medium black car", 0, "यहाँ चार काली कारें हैं।"),
    ("2 large brown boat right 1 small black car", 1,
     "दो बड़ी भूरी नावें एक छोटी काली कार के दाईं ओर हैं।"),
    ("3 small green book below 4 medium blue boat", 2, "चार नीली नावों के नीचे तीन छोटी हरी किताबें।"),
    ("1 small black key below 3 large yellow bell", 0,
     "तीन बड़ी पीली घंटियों के नीचे एक छोटी काली चाबी है।"),
    # Colours that never bend.
    ("4 large white carrot", 2, "चार बड़ी सफ़ेद गाजरें।"),
    ("2 small orange carrot left 1 large pink heart", 1,
     "दो छोटी नारंगी गाजरें एक बड़े गुलाबी दिल के बाईं ओर हैं।"),
]  # fmt: skip

REQUESTS = [
    ("alarm", ("5", "tomorrow"), 0, "कल पाँच बजे का अलार्म लगाओ।"),
    ("alarm", ("9", "monday"), 1, "कृपया सोमवार को नौ बजे का अलार्म लगाइए।"),
    ("timer", ("45",), 2, "क्या आप पैंतालीस मिनट का टाइमर लगा सकते हैं?"),
    ("weather", ("delhi", "today"), 0, "मुझे बताओ कि आज दिल्ली में मौसम कैसा रहेगा।"),
    ("music", ("classical", "slow"), 1, "कृपया धीमा शास्त्रीय संगीत बजाइए।"),
    ("light", ("garden", "off"), 2, "क्या आप बगीचे की बत्ती बुझा सकते हैं?"),
    ("light", ("kitchen", "on"), 0, "रसोई की बत्ती जलाओ।"),
    ("call", ("sister",), 1, "कृपया मेरी बहन को फ़ोन कीजिए।"),
    ("message", ("brother", "late"), 2, "क्या आप मेरे भाई को संदेश भेज सकते हैं कि मुझे देर हो जाएगी?"),
    ("volume", ("down", "3"), 0, "आवाज़ तीन स्तर घटाओ।"),
    ("route", ("airport", "bus"), 1, "कृपया मुझे बस से हवाई अड्डे जाने का रास्ता बताइए।"),
    ("shopping", ("eggs", "remove"), 0, "अंडे मेरी ख़रीदारी की सूची से हटाओ।"),
    ("shopping", ("milk", "add"), 2, "क्या आप दूध मेरी ख़रीदारी की सूची में जोड़ सकते हैं?"),
]

FEELINGS = [
    ("film", 3, 3, "इससे बेहतर फ़िल्म हो ही नहीं सकती।"),
    ("song", 3, 3, "इससे बेहतर गाना हो ही नहीं सकता।"),
    ("room", 2, 0, "यह कमरा बहुत अच्छा है।"),
    ("trip", 2, 3, "यह बहुत ही अच्छी यात्रा है।"),
    ("meal", 1, 2, "मुझे यह खाना अच्छा लगा।"),
    ("book", 1, 1, "यह किताब बुरी नहीं है।"),
    ("song", 0, 0, "अगला सवाल इस गाने के बारे में है।"),
    ("room", 0, 2, "यहाँ इस कमरे की बात हो रही है।"),
    ("trip", -1, 1, "यह यात्रा और बेहतर हो सकती थी।"),
    ("weather", -1, 0, "यह मौसम ख़ास अच्छा नहीं है।"),
    ("game", -2, 3, "यह खेल काफ़ी बुरा है।"),
    ("film", -3, 1, "यह फ़िल्म एकदम बेकार है।"),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "paper")


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_a_caption_agrees_in_gender_number_and_case(said, style, expected):
    assert hindi.caption(scene(said), style).text == expected


@pytest.mark.parametrize(("intent", "values", "style", "expected"), REQUESTS)
def test_a_request_reads_as_expected(intent, values, style, expected):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    assert hindi.request(asked, style).text == expected


@pytest.mark.parametrize(("topic", "sentiment", "wording", "expected"), FEELINGS)
def test_a_feeling_agrees_with_its_topic(topic, sentiment, wording, expected):
    assert hindi.feeling(Feeling("angry", sentiment, topic, wording)).text == expected


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_nukta_letters_are_spelled_in_one_way(said, style, expected):
    # ड़ can be one code point or two; a tokenizer must meet only the normal form.
    line = hindi.caption(scene(said), style)
    assert line.text == unicodedata.normalize("NFC", line.text) == line.spoken
