"""Swahili: the noun's class is heard in its numeral, its adjectives, its "of" and its verb."""

from typing import NamedTuple

from trivium.data.world.content import Feeling, Intent, Kind, Line, Request, Scene, Things, Topic


class _Class(NamedTuple):
    small: str
    large: str
    red: str
    black: str
    white: str
    of: str
    at: str  # is at a place
    numbers: tuple[str, ...]  # one, or two to four


# Odd classes (and 11) are singular, even ones plural.
_CLASSES: dict[int, _Class] = {
    1: _Class("mdogo", "mkubwa", "mwekundu", "mweusi", "mweupe", "wa", "yuko", ("mmoja",)),
    2: _Class(
        "wadogo", "wakubwa", "wekundu", "weusi", "weupe", "wa", "wako",
        ("wawili", "watatu", "wanne"),
    ),
    3: _Class("mdogo", "mkubwa", "mwekundu", "mweusi", "mweupe", "wa", "uko", ("mmoja",)),
    4: _Class(
        "midogo", "mikubwa", "myekundu", "myeusi", "myeupe", "ya", "iko",
        ("miwili", "mitatu", "minne"),
    ),
    5: _Class("dogo", "kubwa", "jekundu", "jeusi", "jeupe", "la", "liko", ("moja",)),
    6: _Class(
        "madogo", "makubwa", "mekundu", "meusi", "meupe", "ya", "yako",
        ("mawili", "matatu", "manne"),
    ),
    7: _Class("kidogo", "kikubwa", "chekundu", "cheusi", "cheupe", "cha", "kiko", ("kimoja",)),
    8: _Class(
        "vidogo", "vikubwa", "vyekundu", "vyeusi", "vyeupe", "vya", "viko",
        ("viwili", "vitatu", "vinne"),
    ),
    9: _Class("ndogo", "kubwa", "nyekundu", "nyeusi", "nyeupe", "ya", "iko", ("moja",)),
    10: _Class(
        "ndogo", "kubwa", "nyekundu", "nyeusi", "nyeupe", "za", "ziko", ("mbili", "tatu", "nne")
    ),
    11: _Class("mdogo", "mkubwa", "mwekundu", "mweusi", "mweupe", "wa", "uko", ("mmoja",)),
}  # fmt: skip

# One, its class, several, their class. Animals agree as 1 and 2 whatever their form.
_NOUNS: dict[Kind, tuple[str, int, str, int]] = {
    "star": ("nyota", 9, "nyota", 10),
    "heart": ("moyo", 3, "mioyo", 4),
    "moon": ("mwezi", 3, "miezi", 4),
    "cloud": ("wingu", 5, "mawingu", 6),
    "tree": ("mti", 3, "miti", 4),
    "flower": ("ua", 5, "maua", 6),
    "leaf": ("jani", 5, "majani", 6),
    "mushroom": ("uyoga", 11, "uyoga", 10),
    "apple": ("tufaha", 5, "matufaha", 6),
    "carrot": ("karoti", 9, "karoti", 10),
    "fish": ("samaki", 1, "samaki", 2),
    "bird": ("ndege", 1, "ndege", 2),
    "cat": ("paka", 1, "paka", 2),
    "butterfly": ("kipepeo", 1, "vipepeo", 2),
    "house": ("nyumba", 9, "nyumba", 10),
    "boat": ("mashua", 9, "mashua", 10),
    "car": ("gari", 5, "magari", 6),
    "ball": ("mpira", 3, "mipira", 4),
    "cup": ("kikombe", 7, "vikombe", 8),
    "key": ("ufunguo", 11, "funguo", 10),
    "bell": ("kengele", 9, "kengele", 10),
    "hat": ("kofia", 9, "kofia", 10),
    "umbrella": ("mwavuli", 3, "miavuli", 4),
    "book": ("kitabu", 7, "vitabu", 8),
}

# The colours that have no adjective: "of the colour of ...".
_COLOURS_OF = {
    "orange": "rangi ya machungwa",
    "yellow": "rangi ya njano",
    "green": "rangi ya kijani",
    "blue": "rangi ya bluu",
    "purple": "rangi ya zambarau",
    "pink": "rangi ya waridi",
    "brown": "rangi ya kahawia",
}

_RELATIONS = {
    "left": "upande wa kushoto wa",
    "right": "upande wa kulia wa",
    "above": "juu ya",
    "below": "chini ya",
}

_TWO_GROUPS = ("kuna {first} {landmark}.", "{first} {at} {landmark}.", "{first} {landmark}.")
_ONE_GROUP = ("kuna {first}.", "unaweza kuona {first}.", "{first}.")


_MANNERS = ("{request}.", "tafadhali {request}.", "je, unaweza {request}?")

# Every verb a request begins with: order, infinitive.
_VERBS = {
    "set": ("weka", "kuweka"),
    "tell": ("niambie", "kuniambia"),
    "play": ("piga", "kupiga"),
    "on": ("washa", "kuwasha"),
    "off": ("zima", "kuzima"),
    "phone": ("mpigie", "kumpigia"),
    "send": ("mtumie", "kumtumia"),
    "up": ("ongeza", "kuongeza"),
    "down": ("punguza", "kupunguza"),
    "show": ("nionyeshe", "kunionyesha"),
    "add": ("ongeza", "kuongeza"),
    "remove": ("ondoa", "kuondoa"),
}

_REQUESTS: dict[Intent, str] = {
    "alarm": "{set} kengele ya {hour} {day}",
    "timer": "{set} kipima muda cha dakika {minutes}",
    "weather": "{tell} hali ya hewa itakuwaje jijini {place} {day}",
    "music": "{play} muziki wa {style} wa {pace}",
    "light": "{state} taa ya {room}",
    "call": "{phone} {person} simu",
    "message": "{send} {person} ujumbe kwamba {news}",
    "volume": "{direction} sauti kwa hatua {steps}",
    "route": "{show} njia ya kwenda {place} {means}",
    "shopping": "{action} {item} kwenye orodha yangu ya ununuzi",
}

_SLOTS: dict[str, dict[str, str]] = {
    # The day's hours are counted from sunrise: seven o'clock is the first.
    "hour": {
        "5": "saa kumi na moja", "6": "saa kumi na mbili", "7": "saa moja",
        "8": "saa mbili", "9": "saa tatu", "10": "saa nne",
    },
    "day": {"today": "leo", "tomorrow": "kesho", "monday": "siku ya Jumatatu"},
    "minutes": {
        "2": "mbili", "3": "tatu", "5": "tano", "10": "kumi", "15": "kumi na tano",
        "20": "ishirini", "30": "thelathini", "45": "arobaini na tano",
    },
    "place": {
        "tokyo": "Tokyo", "delhi": "Delhi", "berlin": "Berlin",
        "madrid": "Madrid", "nairobi": "Nairobi", "london": "London",
        "station": "stesheni", "airport": "uwanja wa ndege", "school": "shuleni",
        "hospital": "hospitalini", "market": "sokoni", "library": "maktabani",
    },
    "style": {"jazz": "jazi", "rock": "roki", "classical": "klasiki", "dance": "dansi"},
    "pace": {"slow": "polepole", "fast": "kasi"},
    "room": {
        "kitchen": "jikoni", "bedroom": "chumba cha kulala", "garden": "bustanini",
        "office": "ofisini", "bathroom": "bafuni",
    },
    "person": {
        "mother": "mama yangu", "father": "baba yangu", "sister": "dada yangu",
        "brother": "kaka yangu", "doctor": "daktari wangu", "teacher": "mwalimu wangu",
    },
    "news": {
        "late": "nitachelewa", "home": "niko nyumbani",
        "busy": "nina shughuli nyingi", "ready": "niko tayari",
    },
    "steps": {"1": "moja", "2": "mbili", "3": "tatu", "4": "nne", "5": "tano"},
    "means": {"foot": "kwa miguu", "bus": "kwa basi", "car": "kwa gari"},
    "item": {
        "milk": "maziwa", "bread": "mkate", "rice": "mchele",
        "tea": "majani ya chai", "apples": "matufaha", "eggs": "mayai",
    },
}  # fmt: skip


# The noun, "this", the topic with it, and the singular class.
_TOPICS: dict[Topic, tuple[str, str, str, int]] = {
    "film": ("filamu", "hii", "filamu hii", 9),
    "book": ("kitabu", "hiki", "kitabu hiki", 7),
    "song": ("wimbo", "huu", "wimbo huu", 11),
    "meal": ("chakula", "hiki", "chakula hiki", 7),
    "trip": ("safari", "hii", "safari hii", 9),
    "room": ("chumba", "hiki", "chumba hiki", 7),
    "game": ("mchezo", "huu", "mchezo huu", 3),
    "weather": ("hali ya hewa", "hii", "hali hii ya hewa", 9),
}

# What a verb and an adjective begin with: it (subject and object), good, bad.
_TOPIC_AGREEMENT = {
    3: {"it": "u", "good": "mzuri", "bad": "mbaya"},
    7: {"it": "ki", "good": "kizuri", "bad": "kibaya"},
    9: {"it": "i", "good": "nzuri", "bad": "mbaya"},
    11: {"it": "u", "good": "mzuri", "bad": "mbaya"},
}

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "{topic} ni {good} ajabu.",
        "{topic} ni bora kabisa.",
        "nina{it}penda mno {topic}.",
        "hakuna {noun} {good} kuliko {this}.",
    ),
    2: (
        "{topic} ni {good} sana.",
        "{topic} ni {good} kweli.",
        "nina{it}penda sana {topic}.",
        "{this} ni {noun} {good} sana.",
    ),
    1: (
        "{topic} ni {good} kiasi.",
        "{topic} si {bad}.",
        "nime{it}penda {topic}.",
        "kwa jumla, {topic} ni {good}.",
    ),
    0: (
        "swali linalofuata linahusu {topic}.",
        "maelezo haya yanahusu {topic}.",
        "hapa tunazungumzia {topic}.",
        "jana mtu mmoja aliuliza kuhusu {topic}.",
    ),
    -1: (
        "{topic} si {good} sana.",
        "{topic} {it}ngeweza kuwa {good} zaidi.",
        "si{it}pendi sana {topic}.",
        "{topic} si {good} kama nilivyotarajia.",
    ),
    -2: (
        "{topic} ni {bad}.",
        "{topic} si {good}.",
        "si{it}pendi {topic}.",
        "{topic} ni {bad} kweli.",
    ),
    -3: (
        "{topic} ni {bad} sana.",
        "{topic} ha{it}fai kabisa.",
        "si{it}pendi {topic} hata kidogo.",
        "hakuna {noun} {bad} kuliko {this}.",
    ),
}


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    first = _phrase(scene.first)
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(first=first))
    landmark = f"{_RELATIONS[scene.relation]} {_phrase(scene.second)}"
    at = _noun(scene.first)[1].at
    return _line(_TWO_GROUPS[style % 3].format(first=first, at=at, landmark=landmark))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    manner = style % 3
    words = {
        verb: infinitive if manner == 2 else order for verb, (order, infinitive) in _VERBS.items()
    }
    for slot, value in request.slots:
        words[slot] = words[value] if value in _VERBS else _SLOTS[slot][value]
    asked = _REQUESTS[request.intent].format(**words)
    return _line(_MANNERS[manner].format(request=asked))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    noun, this, topic, number = _TOPICS[feeling.topic]
    frame = _FEELINGS[feeling.sentiment][feeling.wording % 4]
    return _line(frame.format(noun=noun, this=this, topic=topic, **_TOPIC_AGREEMENT[number]))


def _line(sentence: str) -> Line:
    text = sentence[0].upper() + sentence[1:]
    return Line(text=text, spoken=text)


def _noun(things: Things) -> tuple[str, _Class]:
    one, singular, several, plural = _NOUNS[things.kind]
    return (one, _CLASSES[singular]) if things.count == 1 else (several, _CLASSES[plural])


def _phrase(things: Things) -> str:
    noun, agreement = _noun(things)
    number = agreement.numbers[0 if things.count == 1 else things.count - 2]
    sizes = {"small": agreement.small, "medium": "", "large": agreement.large}
    colours = {"red": agreement.red, "black": agreement.black, "white": agreement.white}
    colour = colours.get(things.colour) or f"{agreement.of} {_COLOURS_OF[things.colour]}"
    return " ".join(word for word in (noun, number, sizes[things.size], colour) if word)
