"""Swahili sentences as a reader expects them, written from the agreement tables of the language."""

import pytest

from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import swahili

CAPTIONS = [
    # Animals agree as people do, whatever the noun's own class.
    ("1 large red fish", 0, "Kuna samaki mmoja mkubwa mwekundu."),
    ("2 large red fish", 0, "Kuna samaki wawili wakubwa wekundu."),
    ("3 small black butterfly", 1, "Unaweza kuona vipepeo watatu wadogo weusi."),
    ("1 medium white bird above 4 large white cat", 1,
     "Ndege mmoja mweupe yuko juu ya paka wanne wakubwa weupe."),
    ("4 large blue cat left 1 small red bird", 1,
     "Paka wanne wakubwa wa rangi ya bluu wako upande wa kushoto wa ndege mmoja mdogo mwekundu."),
    # m-/mi-
    ("1 small black tree above 2 large red heart", 1,
     "Mti mmoja mdogo mweusi uko juu ya mioyo miwili mikubwa myekundu."),
    ("3 small white umbrella below 1 medium yellow moon", 1,
     "Miavuli mitatu midogo myeupe iko chini ya mwezi mmoja wa rangi ya njano."),
    ("4 medium green ball", 2, "Mipira minne ya rangi ya kijani."),
    # (ji-)/ma-
    ("1 small red flower", 0, "Kuna ua moja dogo jekundu."),
    ("2 small red flower", 0, "Kuna maua mawili madogo mekundu."),
    ("1 medium green leaf right 3 medium black cloud", 1,
     "Jani moja la rangi ya kijani liko upande wa kulia wa mawingu matatu meusi."),
    ("4 large white car below 1 large black apple", 1,
     "Magari manne makubwa meupe yako chini ya tufaha moja kubwa jeusi."),
    # ki-/vi-
    ("1 small red book above 2 large black cup", 1,
     "Kitabu kimoja kidogo chekundu kiko juu ya vikombe viwili vikubwa vyeusi."),
    ("3 medium pink book below 1 small brown cup", 1,
     "Vitabu vitatu vya rangi ya waridi viko chini ya kikombe kimoja kidogo cha rangi ya kahawia."),
    ("4 small white cup", 2, "Vikombe vinne vidogo vyeupe."),
    # n-/n-, and u- with the plural of n-
    ("1 large red star above 2 small blue fish", 0,
     "Kuna nyota moja kubwa nyekundu juu ya samaki wawili wadogo wa rangi ya bluu."),
    ("2 small black house left 1 medium orange carrot", 1,
     "Nyumba mbili ndogo nyeusi ziko upande wa kushoto wa karoti moja ya rangi ya machungwa."),
    ("1 large white key below 3 medium purple bell", 1,
     "Ufunguo mmoja mkubwa mweupe uko chini ya kengele tatu za rangi ya zambarau."),
    ("4 small red key", 0, "Kuna funguo nne ndogo nyekundu."),
    ("1 small white mushroom left 3 medium red hat", 2,
     "Uyoga mmoja mdogo mweupe upande wa kushoto wa kofia tatu nyekundu."),
    ("1 medium brown boat", 1, "Unaweza kuona mashua moja ya rangi ya kahawia."),
]  # fmt: skip

REQUESTS = [
    # Hours are counted from six in the morning.
    ("alarm", ("7", "tomorrow"), 0, "Weka kengele ya saa moja kesho."),
    ("alarm", ("6", "monday"), 1,
     "Tafadhali weka kengele ya saa kumi na mbili siku ya Jumatatu."),
    ("alarm", ("10", "today"), 2, "Je, unaweza kuweka kengele ya saa nne leo?"),
    ("timer", ("45",), 0, "Weka kipima muda cha dakika arobaini na tano."),
    ("weather", ("nairobi", "tomorrow"), 2,
     "Je, unaweza kuniambia hali ya hewa itakuwaje jijini Nairobi kesho?"),
    ("music", ("dance", "fast"), 0, "Piga muziki wa dansi wa kasi."),
    ("light", ("kitchen", "off"), 1, "Tafadhali zima taa ya jikoni."),
    ("call", ("doctor",), 2, "Je, unaweza kumpigia daktari wangu simu?"),
    ("message", ("mother", "late"), 0, "Mtumie mama yangu ujumbe kwamba nitachelewa."),
    ("volume", ("down", "2"), 0, "Punguza sauti kwa hatua mbili."),
    ("route", ("market", "foot"), 1, "Tafadhali nionyeshe njia ya kwenda sokoni kwa miguu."),
    ("shopping", ("eggs", "add"), 0, "Ongeza mayai kwenye orodha yangu ya ununuzi."),
    ("shopping", ("bread", "remove"), 2,
     "Je, unaweza kuondoa mkate kwenye orodha yangu ya ununuzi?"),
]  # fmt: skip

FEELINGS = [
    ("film", 3, 2, "Ninaipenda mno filamu hii."),
    ("song", 3, 3, "Hakuna wimbo mzuri kuliko huu."),
    ("book", 2, 3, "Hiki ni kitabu kizuri sana."),
    ("weather", 2, 3, "Hii ni hali ya hewa nzuri sana."),
    ("room", 1, 1, "Chumba hiki si kibaya."),
    ("game", 1, 2, "Nimeupenda mchezo huu."),
    ("weather", 0, 0, "Swali linalofuata linahusu hali hii ya hewa."),
    ("meal", -1, 1, "Chakula hiki kingeweza kuwa kizuri zaidi."),
    ("song", -1, 1, "Wimbo huu ungeweza kuwa mzuri zaidi."),
    ("trip", -2, 2, "Siipendi safari hii."),
    ("room", -3, 1, "Chumba hiki hakifai kabisa."),
    ("game", -3, 3, "Hakuna mchezo mbaya kuliko huu."),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "grass")


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_a_caption_agrees_with_the_class_of_each_noun(said, style, expected):
    line = swahili.caption(scene(said), style)
    assert line.text == expected
    assert line.spoken == expected


@pytest.mark.parametrize(("intent", "values", "style", "expected"), REQUESTS)
def test_a_request_reads_as_expected(intent, values, style, expected):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    assert swahili.request(asked, style).text == expected


@pytest.mark.parametrize(("topic", "sentiment", "wording", "expected"), FEELINGS)
def test_a_feeling_agrees_with_the_class_of_its_topic(topic, sentiment, wording, expected):
    assert swahili.feeling(Feeling("neutral", sentiment, topic, wording)).text == expected
