"""German: gender, number and case are heard in the article, the adjective and sometimes the noun."""

from typing import Literal

from trivium.data.world.content import Feeling, Kind, Line, Request, Scene, Things, Topic

_Case = Literal["nominative", "accusative", "dative"]

# Gender, one, several.
_NOUNS: dict[Kind, tuple[str, str, str]] = {
    "star": ("m", "Stern", "Sterne"),
    "heart": ("n", "Herz", "Herzen"),
    "moon": ("m", "Mond", "Monde"),
    "cloud": ("f", "Wolke", "Wolken"),
    "tree": ("m", "Baum", "Bäume"),
    "flower": ("f", "Blume", "Blumen"),
    "leaf": ("n", "Blatt", "Blätter"),
    "mushroom": ("m", "Pilz", "Pilze"),
    "apple": ("m", "Apfel", "Äpfel"),
    "carrot": ("f", "Karotte", "Karotten"),
    "fish": ("m", "Fisch", "Fische"),
    "bird": ("m", "Vogel", "Vögel"),
    "cat": ("f", "Katze", "Katzen"),
    "butterfly": ("m", "Schmetterling", "Schmetterlinge"),
    "house": ("n", "Haus", "Häuser"),
    "boat": ("n", "Boot", "Boote"),
    "car": ("n", "Auto", "Autos"),
    "ball": ("m", "Ball", "Bälle"),
    "cup": ("f", "Tasse", "Tassen"),
    "key": ("m", "Schlüssel", "Schlüssel"),
    "bell": ("f", "Glocke", "Glocken"),
    "hat": ("m", "Hut", "Hüte"),
    "umbrella": ("m", "Regenschirm", "Regenschirme"),
    "book": ("n", "Buch", "Bücher"),
}
_DATIVE_OF_ONE = {"Herz": "Herzen"}  # every other noun here keeps its form

_NUMBERS = {2: "zwei", 3: "drei", 4: "vier"}  # one is the article

# The article, and the ending of the adjectives after it; then that after a bare number.
_ONE: dict[_Case, dict[str, tuple[str, str]]] = {
    "nominative": {"m": ("ein", "er"), "f": ("eine", "e"), "n": ("ein", "es")},
    "accusative": {"m": ("einen", "en"), "f": ("eine", "e"), "n": ("ein", "es")},
    "dative": {"m": ("einem", "en"), "f": ("einer", "en"), "n": ("einem", "en")},
}
_SEVERAL: dict[_Case, str] = {"nominative": "e", "accusative": "e", "dative": "en"}

_SIZES = {"small": "klein", "medium": "", "large": "groß"}

_COLOURS = {
    "red": "rot",
    "orange": "orangefarben",
    "yellow": "gelb",
    "green": "grün",
    "blue": "blau",
    "purple": "lila",
    "pink": "rosa",
    "brown": "braun",
    "black": "schwarz",
    "white": "weiß",
}
_UNBENT = ("lila", "rosa")  # they take no ending

# All with the dative.
_RELATIONS = {"left": "links von", "right": "rechts von", "above": "über", "below": "unter"}

_TWO_GROUPS = (
    "da {be} {first} {landmark}.",
    "{first} {lie} sich {landmark}.",
    "{first} {landmark}.",
)
_ONE_GROUP = ("da {be} {first}.", "man sieht {first_seen}.", "{first}.")


_MANNERS = ("{order}.", "bitte {order}.", "kannst du {infinitive}?")

# By intent, or by the value that asks for a verb of its own: the order, and the infinitive.
_REQUESTS: dict[str, tuple[str, str]] = {
    "alarm": (
        "stell einen Wecker für {day} um {hour} Uhr",
        "einen Wecker für {day} um {hour} Uhr stellen",
    ),
    "timer": (
        "stell einen Timer auf {minutes} Minuten",
        "einen Timer auf {minutes} Minuten stellen",
    ),
    "weather": (
        "sag mir, wie das Wetter {day_on} in {place} wird",
        "mir sagen, wie das Wetter {day_on} in {place} wird",
    ),
    "music": ("spiel {pace} {style}", "{pace} {style} spielen"),
    "on": ("mach das Licht {room} an", "das Licht {room} anmachen"),
    "off": ("mach das Licht {room} aus", "das Licht {room} ausmachen"),
    "call": ("ruf {person} an", "{person} anrufen"),
    "message": (
        "schick {person_to} eine Nachricht, dass {news}",
        "{person_to} eine Nachricht schicken, dass {news}",
    ),
    "up": ("erhöhe die Lautstärke um {steps}", "die Lautstärke um {steps} erhöhen"),
    "down": ("verringere die Lautstärke um {steps}", "die Lautstärke um {steps} verringern"),
    "route": (
        "zeig mir, wie ich {means} {place} komme",
        "mir zeigen, wie ich {means} {place} komme",
    ),
    "add": ("setz {item} auf meine Einkaufsliste", "{item} auf meine Einkaufsliste setzen"),
    "remove": (
        "streich {item_the} von meiner Einkaufsliste",
        "{item_the} von meiner Einkaufsliste streichen",
    ),
}

# By slot, and where a slot is said in two forms, by slot and form.
_SLOTS: dict[str, dict[str, str]] = {
    "hour": {"5": "fünf", "6": "sechs", "7": "sieben", "8": "acht", "9": "neun", "10": "zehn"},
    "day": {"today": "heute", "tomorrow": "morgen", "monday": "Montag"},
    "day_on": {"today": "heute", "tomorrow": "morgen", "monday": "am Montag"},
    "minutes": {
        "2": "zwei", "3": "drei", "5": "fünf", "10": "zehn", "15": "fünfzehn",
        "20": "zwanzig", "30": "dreißig", "45": "fünfundvierzig",
    },
    "place": {
        "tokyo": "Tokio", "delhi": "Delhi", "berlin": "Berlin",
        "madrid": "Madrid", "nairobi": "Nairobi", "london": "London",
        "station": "zum Bahnhof", "airport": "zum Flughafen", "school": "zur Schule",
        "hospital": "zum Krankenhaus", "market": "zum Markt", "library": "zur Bibliothek",
    },
    "style": {
        "jazz": "Jazzmusik", "rock": "Rockmusik",
        "classical": "klassische Musik", "dance": "Tanzmusik",
    },
    "pace": {"slow": "langsame", "fast": "schnelle"},
    "room": {
        "kitchen": "in der Küche", "bedroom": "im Schlafzimmer", "garden": "im Garten",
        "office": "im Büro", "bathroom": "im Badezimmer",
    },
    "person": {
        "mother": "meine Mutter", "father": "meinen Vater", "sister": "meine Schwester",
        "brother": "meinen Bruder", "doctor": "meinen Arzt", "teacher": "meinen Lehrer",
    },
    "person_to": {
        "mother": "meiner Mutter", "father": "meinem Vater", "sister": "meiner Schwester",
        "brother": "meinem Bruder", "doctor": "meinem Arzt", "teacher": "meinem Lehrer",
    },
    "news": {
        "late": "ich mich verspäte", "home": "ich zu Hause bin",
        "busy": "ich beschäftigt bin", "ready": "ich bereit bin",
    },
    "steps": {
        "1": "eine Stufe", "2": "zwei Stufen", "3": "drei Stufen",
        "4": "vier Stufen", "5": "fünf Stufen",
    },
    "means": {"foot": "zu Fuß", "bus": "mit dem Bus", "car": "mit dem Auto"},
    "item": {
        "milk": "Milch", "bread": "Brot", "rice": "Reis",
        "tea": "Tee", "apples": "Äpfel", "eggs": "Eier",
    },
    "item_the": {
        "milk": "die Milch", "bread": "das Brot", "rice": "den Reis",
        "tea": "den Tee", "apples": "die Äpfel", "eggs": "die Eier",
    },
}  # fmt: skip


_TOPICS: dict[Topic, tuple[str, str]] = {
    "film": ("m", "Film"),
    "book": ("n", "Buch"),
    "song": ("n", "Lied"),
    "meal": ("n", "Essen"),
    "trip": ("f", "Reise"),
    "room": ("n", "Zimmer"),
    "game": ("n", "Spiel"),
    "weather": ("n", "Wetter"),
}
_MASS_TOPICS: frozenset[Topic] = frozenset({"weather"})  # no "ein" before them

# "This" in three cases, "no" in the accusative.
_AGREEING = {
    "m": {"this": "dieser", "this_seen": "diesen", "after_this": "diesem", "no": "keinen"},
    "f": {"this": "diese", "this_seen": "diese", "after_this": "dieser", "no": "keine"},
    "n": {"this": "dieses", "this_seen": "dieses", "after_this": "diesem", "no": "kein"},
}

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "{this} {topic} ist absolut wunderbar.",
        "{this} {topic} ist fantastisch.",
        "ich liebe {this_seen} {topic}.",
        "es gibt {no} besser{ending_seen} {topic} als {this_seen}.",
    ),
    2: (
        "{this} {topic} ist sehr gut.",
        "{this} {topic} ist wirklich gut.",
        "ich mag {this_seen} {topic} sehr.",
        "das ist {a}sehr gut{ending} {topic}.",
    ),
    1: (
        "{this} {topic} ist ziemlich gut.",
        "{this} {topic} ist nicht schlecht.",
        "ich mag {this_seen} {topic} ganz gern.",
        "alles in allem ist {this} {topic} in Ordnung.",
    ),
    0: (
        "in der nächsten Frage geht es um {this_seen} {topic}.",
        "diese Information betrifft {this_seen} {topic}.",
        "hier sprechen wir über {this_seen} {topic}.",
        "gestern hat jemand nach {after_this} {topic} gefragt.",
    ),
    -1: (
        "{this} {topic} ist nicht sehr gut.",
        "{this} {topic} könnte besser sein.",
        "ich mag {this_seen} {topic} nicht besonders.",
        "{this} {topic} ist nicht so gut, wie ich erwartet hatte.",
    ),
    -2: (
        "{this} {topic} ist schlecht.",
        "{this} {topic} ist nicht gut.",
        "ich mag {this_seen} {topic} nicht.",
        "{this} {topic} ist ziemlich schlecht.",
    ),
    -3: (
        "{this} {topic} ist absolut schrecklich.",
        "{this} {topic} ist einfach furchtbar.",
        "ich mag {this_seen} {topic} überhaupt nicht.",
        "es gibt {no} schlechter{ending_seen} {topic} als {this_seen}.",
    ),
}


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    one = scene.first.count == 1
    words = {
        "first": _phrase(scene.first, "nominative"),
        "first_seen": _phrase(scene.first, "accusative"),
        "be": "ist" if one else "sind",
        "lie": "befindet" if one else "befinden",
    }
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(**words))
    landmark = f"{_RELATIONS[scene.relation]} {_phrase(scene.second, 'dative')}"
    return _line(_TWO_GROUPS[style % 3].format(landmark=landmark, **words))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    values = dict(request.slots)
    asked = next((value for value in values.values() if value in _REQUESTS), request.intent)
    words: dict[str, str] = {}
    for form, said in _SLOTS.items():
        slot = form.partition("_")[0]
        if slot in values:
            words[form] = said[values[slot]]
    order, infinitive = (verb_phrase.format(**words) for verb_phrase in _REQUESTS[asked])
    return _line(_MANNERS[style % 3].format(order=order, infinitive=infinitive))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    gender, topic = _TOPICS[feeling.topic]
    article, ending = _ONE["nominative"][gender]
    words = {
        "topic": topic,
        "a": "" if feeling.topic in _MASS_TOPICS else f"{article} ",
        "ending": ending,
        "ending_seen": _ONE["accusative"][gender][1],
        **_AGREEING[gender],
    }
    return _line(_FEELINGS[feeling.sentiment][feeling.wording % 4].format(**words))


def _line(sentence: str) -> Line:
    text = sentence[0].upper() + sentence[1:]
    return Line(text=text, spoken=text)


def _phrase(things: Things, case: _Case) -> str:
    gender, one, several = _NOUNS[things.kind]
    if things.count == 1:
        number, ending = _ONE[case][gender]
        noun = _DATIVE_OF_ONE.get(one, one) if case == "dative" else one
    else:
        number, ending = _NUMBERS[things.count], _SEVERAL[case]
        noun = _dative_of_several(several) if case == "dative" else several
    adjectives = (
        word if word in _UNBENT else word + ending
        for word in (_SIZES[things.size], _COLOURS[things.colour])
        if word
    )
    return " ".join((number, *adjectives, noun))


def _dative_of_several(noun: str) -> str:
    return noun if noun.endswith(("n", "s")) else f"{noun}n"
