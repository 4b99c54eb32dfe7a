"""English sentences as a reader expects them, written from the language's rules."""

import itertools
import re
from typing import get_args

import pytest

from trivium.data.world import content
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.grammar import english

CAPTIONS = [
    ("1 large red star above 2 small blue fish", 0,
     "There is a large red star above two small blue fish."),
    ("1 large red star above 2 small blue fish", 1,
     "A large red star is above two small blue fish."),
    ("1 large red star above 2 small blue fish", 2,
     "A large red star above two small blue fish."),
    # The article goes by the sound after it, whatever the noun.
    ("1 medium orange carrot", 0, "There is an orange carrot."),
    ("1 small orange carrot", 0, "There is a small orange carrot."),
    ("1 medium orange umbrella", 2, "An orange umbrella."),
    ("1 medium yellow umbrella", 1, "You can see a yellow umbrella."),
    ("1 medium green apple left 1 medium orange apple", 0,
     "There is a green apple to the left of an orange apple."),
    ("1 medium orange hat below 1 large orange cup", 1,
     "An orange hat is below a large orange cup."),
    # Plurals that are more than an s.
    ("3 medium green leaf", 0, "There are three green leaves."),
    ("1 medium green leaf", 0, "There is a green leaf."),
    ("4 small pink butterfly", 1, "You can see four small pink butterflies."),
    ("2 large black fish", 2, "Two large black fish."),
    ("1 large black fish", 2, "A large black fish."),
    ("2 medium white house right 3 medium brown boat", 2,
     "Two white houses to the right of three brown boats."),
    # The verb goes with the first group, not with the second.
    ("2 medium purple bell below 1 medium pink key", 1, "Two purple bells are below a pink key."),
    ("1 medium pink key below 2 medium purple bell", 1, "A pink key is below two purple bells."),
    ("1 small white moon right 4 medium yellow flower", 0,
     "There is a small white moon to the right of four yellow flowers."),
    ("4 medium yellow flower left 1 small white moon", 0,
     "There are four yellow flowers to the left of a small white moon."),
    ("3 small brown mushroom", 1, "You can see three small brown mushrooms."),
]  # fmt: skip

REQUESTS = [
    ("alarm", ("7", "tomorrow"), 0, "Set an alarm for seven o'clock tomorrow."),
    ("alarm", ("10", "monday"), 1, "Please set an alarm for ten o'clock on Monday."),
    ("alarm", ("5", "today"), 2, "Can you set an alarm for five o'clock today?"),
    ("timer", ("45",), 0, "Set a timer for forty-five minutes."),
    ("weather", ("nairobi", "monday"), 2,
     "Can you tell me what the weather will be like in Nairobi on Monday?"),
    ("music", ("dance", "fast"), 0, "Play some fast dance music."),
    ("light", ("kitchen", "off"), 1, "Please turn off the kitchen light."),
    ("light", ("office", "on"), 2, "Can you turn on the office light?"),
    ("call", ("doctor",), 0, "Call my doctor."),
    ("message", ("mother", "late"), 0, "Send my mother a message saying that I will be late."),
    ("message", ("teacher", "home"), 2,
     "Can you send my teacher a message saying that I am at home?"),
    ("volume", ("up", "1"), 0, "Turn up the volume by one step."),
    ("volume", ("down", "5"), 1, "Please turn down the volume by five steps."),
    ("route", ("market", "foot"), 0, "Show me how to get to the market on foot."),
    ("route", ("airport", "bus"), 2, "Can you show me how to get to the airport by bus?"),
    ("shopping", ("eggs", "add"), 0, "Add eggs to my shopping list."),
    ("shopping", ("bread", "remove"), 1, "Please remove bread from my shopping list."),
]  # fmt: skip

FEELINGS = [
    ("film", 3, 2, "I love this film."),
    ("trip", 3, 3, "There is no better trip than this."),
    ("song", 2, 3, "This is a very good song."),
    ("weather", 2, 3, "This is very good weather."),
    ("room", 1, 1, "This room is not bad."),
    ("game", 1, 3, "On the whole, this game is all right."),
    ("meal", 0, 3, "Yesterday someone asked about this meal."),
    ("book", -1, 3, "This book is not as good as I expected."),
    ("weather", -2, 2, "I do not like this weather."),
    ("trip", -3, 1, "This trip is simply awful."),
]


def things(count, size, colour, kind):
    return Things(kind, colour, size, int(count))


def scene(said):
    words = said.split()
    second = things(*words[5:]) if words[5:] else None
    return Scene(things(*words[:4]), second, words[4] if second else None, "paper")


@pytest.mark.parametrize(("said", "style", "expected"), CAPTIONS)
def test_a_caption_reads_as_expected(said, style, expected):
    assert english.caption(scene(said), style).text == expected


@pytest.mark.parametrize(("intent", "values", "style", "expected"), REQUESTS)
def test_a_request_reads_as_expected(intent, values, style, expected):
    asked = Request(intent, tuple(zip(SLOTS[intent], values, strict=True)))
    assert english.request(asked, style).text == expected


@pytest.mark.parametrize(("topic", "sentiment", "wording", "expected"), FEELINGS)
def test_a_feeling_reads_as_expected(topic, sentiment, wording, expected):
    assert english.feeling(Feeling("angry", sentiment, topic, wording)).text == expected


def test_an_stands_before_vowels_and_a_before_all_else():
    kinds, colours, sizes = map(get_args, (content.Kind, content.Colour, content.Size))
    for kind, colour, size in itertools.product(kinds, colours, sizes):
        one = Scene(Things(kind, colour, size, 1), None, None, "sky")
        article, letter = re.fullmatch(
            r"there is (an?) (\w).*\.", english.caption(one, 0).text.lower()
        ).groups()
        assert article == ("an" if letter in "aeiou" else "a")


@pytest.mark.parametrize("kind", get_args(content.Kind))
def test_every_noun_is_its_own_name_and_three_plurals_are_more_than_an_s(kind):
    several = {"leaf": "leaves", "fish": "fish", "butterfly": "butterflies"}.get(kind, f"{kind}s")
    both = Scene(Things(kind, "red", "medium", 1), Things(kind, "red", "medium", 4), "left", "sky")
    assert english.caption(both, 2).text == f"A red {kind} to the left of four red {several}."
