"""German sentences as a reader expects them, written from the language's rules."""

import itertools
from typing import get_args

import pytest

from trivium.data.world import content
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import german

CAPTIONS = [
    ("1 large red star above 2 small blue fish", 0,
     "Da ist ein großer roter Stern über zwei kleinen blauen Fischen."),
    ("1 large red star above 2 small blue fish", 1,
     "Ein großer roter Stern befindet sich über zwei kleinen blauen Fischen."),
    ("2 small blue fish below 1 large red star", 1,
     "Zwei kleine blaue Fische befinden sich unter einem großen roten Stern."),
    ("1 large red star above 2 small blue fish", 2,
     "Ein großer roter Stern über zwei kleinen blauen Fischen."),
    # The nominative in three genders and in the plural.
    ("1 small black tree", 0, "Da ist ein kleiner schwarzer Baum."),
    ("1 small black flower", 0, "Da ist eine kleine schwarze Blume."),
    ("1 small black leaf", 0, "Da ist ein kleines schwarzes Blatt."),
    ("3 small black leaf", 0, "Da sind drei kleine schwarze Blätter."),
    # The accusative.
    ("1 large white hat", 1, "Man sieht einen großen weißen Hut."),
    ("1 large white bell", 1, "Man sieht eine große weiße Glocke."),
    ("1 large white boat", 1, "Man sieht ein großes weißes Boot."),
    ("2 large white hat", 1, "Man sieht zwei große weiße Hüte."),
    ("1 medium yellow moon", 1, "Man sieht einen gelben Mond."),
    # The dative: articles, -n in the plural except after -n and -s, and the heart.
    ("1 medium green apple left 1 medium brown cup", 2,
     "Ein grüner Apfel links von einer braunen Tasse."),
    ("1 medium brown cup right 1 medium green apple", 2,
     "Eine braune Tasse rechts von einem grünen Apfel."),
    ("4 medium red car above 3 medium red apple", 2, "Vier rote Autos über drei roten Äpfeln."),
    ("3 medium red apple below 4 medium red car", 2, "Drei rote Äpfel unter vier roten Autos."),
    ("1 medium blue book below 2 medium white key", 2,
     "Ein blaues Buch unter zwei weißen Schlüsseln."),
    ("2 medium white key below 1 medium blue book", 2,
     "Zwei weiße Schlüssel unter einem blauen Buch."),
    ("1 medium yellow bird above 1 small red heart", 2,
     "Ein gelber Vogel über einem kleinen roten Herzen."),
    ("1 small red heart left 4 medium yellow bird", 2,
     "Ein kleines rotes Herz links von vier gelben Vögeln."),
    ("2 medium green mushroom right 2 medium black cat", 2,
     "Zwei grüne Pilze rechts von zwei schwarzen Katzen."),
    ("3 small brown house left 4 large green tree", 1,
     "Drei kleine braune Häuser befinden sich links von vier großen grünen Bäumen."),
    # Two colours never bend; orange does, in its longer form.
    ("1 medium pink umbrella", 1, "Man sieht einen rosa Regenschirm."),
    ("4 small purple cloud below 1 large purple butterfly", 0,
     "Da sind vier kleine lila Wolken unter einem großen lila Schmetterling."),
    ("1 medium orange carrot above 2 medium orange ball", 0,
     "Da ist eine orangefarbene Karotte über zwei orangefarbenen Bällen."),
]  # fmt: skip

# One, and several in the dative: what shows the gender and both plurals of every noun.
NOUNS = {
    "star": ("Ein roter Stern", "roten Sternen"),
    "heart": ("Ein rotes Herz", "roten Herzen"),
    "moon": ("Ein roter Mond", "roten Monden"),
    "cloud": ("Eine rote Wolke", "roten Wolken"),
    "tree": ("Ein roter Baum", "roten Bäumen"),
    "flower": ("Eine rote Blume", "roten Blumen"),
    "leaf": ("Ein rotes Blatt", "roten Blättern"),
    "mushroom": ("Ein roter Pilz", "roten Pilzen"),
    "apple": ("Ein roter Apfel", "roten Äpfeln"),
    "carrot": ("Eine rote Karotte", "roten Karotten"),
    "fish": ("Ein roter Fisch", "roten Fischen"),
    "bird": ("Ein roter Vogel", "roten Vögeln"),
    "cat": ("Eine rote Katze", "roten Katzen"),
    "butterfly": ("Ein roter Schmetterling", "roten Schmetterlingen"),
    "house": ("Ein rotes Haus", "roten Häusern"),
    "boat": ("Ein rotes Boot", "roten Booten"),
    "car": ("Ein rotes Auto", "roten Autos"),
    "ball": ("Ein roter Ball", "roten Bällen"),
    "cup": ("Eine rote Tasse", "roten Tassen"),
    "key": ("Ein roter Schlüssel", "roten Schlüsseln"),
    "bell": ("Eine rote Glocke", "roten Glocken"),
    "hat": ("Ein roter Hut", "roten Hüten"),
    "umbrella": ("Ein roter Regenschirm", "roten Regenschirmen"),
    "book": ("Ein rotes Buch", "roten Büchern"),
}

REQUESTS = [
    ("alarm", ("7", "tomorrow"), 0, "Stell einen Wecker für morgen um sieben Uhr."),
    ("alarm", ("10", "monday"), 1, "Bitte stell einen Wecker für Montag um zehn Uhr."),
    ("alarm", ("5", "today"), 2, "Kannst du einen Wecker für heute um fünf Uhr stellen?"),
    ("timer", ("45",), 0, "Stell einen Timer auf fünfundvierzig Minuten."),
    ("timer", ("30",), 2, "Kannst du einen Timer auf dreißig Minuten stellen?"),
    ("weather", ("tokyo", "monday"), 0, "Sag mir, wie das Wetter am Montag in Tokio wird."),
    ("weather", ("delhi", "tomorrow"), 2,
     "Kannst du mir sagen, wie das Wetter morgen in Delhi wird?"),
    ("music", ("classical", "slow"), 1, "Bitte spiel langsame klassische Musik."),
    ("light", ("kitchen", "off"), 0, "Mach das Licht in der Küche aus."),
    ("light", ("garden", "on"), 2, "Kannst du das Licht im Garten anmachen?"),
    # Who is called is in the accusative, who gets a message in the dative.
    ("call", ("father",), 0, "Ruf meinen Vater an."),
    ("call", ("sister",), 2, "Kannst du meine Schwester anrufen?"),
    ("message", ("father", "late"), 0, "Schick meinem Vater eine Nachricht, dass ich mich verspäte."),
    ("message", ("mother", "home"), 2,
     "Kannst du meiner Mutter eine Nachricht schicken, dass ich zu Hause bin?"),
    ("volume", ("up", "1"), 0, "Erhöhe die Lautstärke um eine Stufe."),
    ("volume", ("down", "2"), 2, "Kannst du die Lautstärke um zwei Stufen verringern?"),
    ("route", ("school", "foot"), 0, "Zeig mir, wie ich zu Fuß zur Schule komme."),
    ("route", ("station", "bus"), 2,
     "Kannst du mir zeigen, wie ich mit dem Bus zum Bahnhof komme?"),
    ("shopping", ("apples", "add"), 0, "Setz Äpfel auf meine Einkaufsliste."),
    ("shopping", ("tea", "remove"), 2, "Kannst du den Tee von meiner Einkaufsliste streichen?"),
]  # fmt: skip

FEELINGS = [
    ("film", 3, 2, "Ich liebe diesen Film."),
    ("film", 3, 3, "Es gibt keinen besseren Film als diesen."),
    ("trip", 3, 3, "Es gibt keine bessere Reise als diese."),
    ("room", 3, 3, "Es gibt kein besseres Zimmer als dieses."),
    ("film", 2, 3, "Das ist ein sehr guter Film."),
    ("song", 2, 3, "Das ist ein sehr gutes Lied."),
    ("trip", 2, 3, "Das ist eine sehr gute Reise."),
    ("weather", 2, 3, "Das ist sehr gutes Wetter."),
    ("meal", 1, 3, "Alles in allem ist dieses Essen in Ordnung."),
    ("film", 0, 3, "Gestern hat jemand nach diesem Film gefragt."),
    ("trip", 0, 3, "Gestern hat jemand nach dieser Reise gefragt."),
    ("book", -1, 3, "Dieses Buch ist nicht so gut, wie ich erwartet hatte."),
    ("game", -2, 2, "Ich mag dieses Spiel nicht."),
    ("film", -3, 3, "Es gibt keinen schlechteren Film als diesen."),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "dusk")


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_a_caption_takes_the_case_its_words_ask_for(said, style, expected):
    assert german.caption(scene(said), style).text == expected


@pytest.mark.parametrize(("intent", "values", "style", "expected"), REQUESTS)
def test_a_request_reads_as_expected(intent, values, style, expected):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    assert german.request(asked, style).text == expected


@pytest.mark.parametrize(("topic", "sentiment", "wording", "expected"), FEELINGS)
def test_a_feeling_agrees_with_its_topic(topic, sentiment, wording, expected):
    assert german.feeling(Feeling("sad", sentiment, topic, wording)).text == expected


@pytest.mark.parametrize("kind", get_args(content.Kind))
def test_every_noun_has_its_gender_and_its_plural(kind):
    one, several = NOUNS[kind]
    both = Scene(Things(kind, "red", "medium", 1), Things(kind, "red", "medium", 2), "above", "sky")
    assert german.caption(both, 2).text == f"{one} über zwei {several}."


def test_after_a_relation_all_adjectives_end_in_en_and_plurals_in_n_or_s():
    kinds, relations = get_args(content.Kind), get_args(content.Relation)
    for kind, relation, count in itertools.product(kinds, relations, range(1, 5)):
        second = Things(kind, "orange", "small", count)
        line = german.caption(Scene(things(1, "medium", "red", "star"), second, relation, "sky"), 2)
        number, size, colour, noun = line.text.removesuffix(".").split()[-4:]
        assert (size, colour) == ("kleinen", "orangefarbenen")
        if count == 1:
            assert number in ("einem", "einer")
        else:
            assert noun.endswith(("n", "s"))


def test_one_gender_serves_a_noun_in_all_its_cases():
    articles = {("Ein", "einen", "einem"), ("Eine", "eine", "einer"), ("Ein", "ein", "einem")}
    seen = set()
    for kind in get_args(content.Kind):
        one = Things(kind, "red", "medium", 1)
        alone = Scene(one, None, None, "sky")
        second = Scene(Things("star", "red", "medium", 2), one, "above", "sky")
        seen.add(
            (
                german.caption(alone, 2).text.split()[0],
                german.caption(alone, 1).text.split()[2],
                german.caption(second, 2).text.split()[-3],
            )
        )
    assert seen == articles
