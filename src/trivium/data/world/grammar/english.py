"""English: the article is chosen by the sound that follows it, all else only by number."""

from trivium.data.world.content import Colour, Feeling, Kind, Line, Request, Scene, Things, Topic

# One, several.
_NOUNS: dict[Kind, tuple[str, str]] = {
    "star": ("star", "stars"),
    "heart": ("heart", "hearts"),
    "moon": ("moon", "moons"),
    "cloud": ("cloud", "clouds"),
    "tree": ("tree", "trees"),
    "flower": ("flower", "flowers"),
    "leaf": ("leaf", "leaves"),
    "mushroom": ("mushroom", "mushrooms"),
    "apple": ("apple", "apples"),
    "carrot": ("carrot", "carrots"),
    "fish": ("fish", "fish"),
    "bird": ("bird", "birds"),
    "cat": ("cat", "cats"),
    "butterfly": ("butterfly", "butterflies"),
    "house": ("house", "houses"),
    "boat": ("boat", "boats"),
    "car": ("car", "cars"),
    "ball": ("ball", "balls"),
    "cup": ("cup", "cups"),
    "key": ("key", "keys"),
    "bell": ("bell", "bells"),
    "hat": ("hat", "hats"),
    "umbrella": ("umbrella", "umbrellas"),
    "book": ("book", "books"),
}

_NUMBERS = {2: "two", 3: "three", 4: "four"}  # one is the article
_SIZES = {"small": "small", "medium": "", "large": "large"}
_AN: frozenset[Colour] = frozenset({"orange"})  # the one adjective here with a vowel in front

_RELATIONS = {
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}

_TWO_GROUPS = (
    "there {be} {first} {landmark}.",
    "{first} {be} {landmark}.",
    "{first} {landmark}.",
)
_ONE_GROUP = ("there {be} {first}.", "you can see {first}.", "{first}.")


_MANNERS = ("{request}.", "please {request}.", "can you {request}?")

# By intent, or by the value that asks for a verb of its own.
_REQUESTS = {
    "alarm": "set an alarm for {hour} o'clock {day}",
    "timer": "set a timer for {minutes} minutes",
    "weather": "tell me what the weather will be like in {place} {day}",
    "music": "play some {pace} {style} music",
    "on": "turn on the {room} light",
    "off": "turn off the {room} light",
    "call": "call my {person}",
    "message": "send my {person} a message saying that {news}",
    "up": "turn up the volume by {steps}",
    "down": "turn down the volume by {steps}",
    "route": "show me how to get to the {place} {means}",
    "add": "add {item} to my shopping list",
    "remove": "remove {item} from my shopping list",
}

# Only the values that are not said as they are named.
_SLOTS: dict[str, dict[str, str]] = {
    "hour": {"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine", "10": "ten"},
    "day": {"monday": "on Monday"},
    "minutes": {
        "2": "two", "3": "three", "5": "five", "10": "ten", "15": "fifteen",
        "20": "twenty", "30": "thirty", "45": "forty-five",
    },
    "place": {
        "tokyo": "Tokyo", "delhi": "Delhi", "berlin": "Berlin",
        "madrid": "Madrid", "nairobi": "Nairobi", "london": "London",
    },
    "news": {
        "late": "I will be late", "home": "I am at home",
        "busy": "I am busy", "ready": "I am ready",
    },
    "steps": {
        "1": "one step", "2": "two steps", "3": "three steps",
        "4": "four steps", "5": "five steps",
    },
    "means": {"foot": "on foot", "bus": "by bus", "car": "by car"},
}  # fmt: skip


_MASS_TOPICS: frozenset[Topic] = frozenset({"weather"})  # no "a" before them

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "this {topic} is absolutely wonderful.",
        "this {topic} is fantastic.",
        "I love this {topic}.",
        "there is no better {topic} than this.",
    ),
    2: (
        "this {topic} is very good.",
        "this {topic} is really good.",
        "I like this {topic} very much.",
        "this is {a}very good {topic}.",
    ),
    1: (
        "this {topic} is quite good.",
        "this {topic} is not bad.",
        "I quite like this {topic}.",
        "on the whole, this {topic} is all right.",
    ),
    0: (
        "the next question is about this {topic}.",
        "this information is about this {topic}.",
        "here we are talking about this {topic}.",
        "yesterday someone asked about this {topic}.",
    ),
    -1: (
        "this {topic} is not very good.",
        "this {topic} could be better.",
        "I do not like this {topic} very much.",
        "this {topic} is not as good as I expected.",
    ),
    -2: (
        "this {topic} is bad.",
        "this {topic} is not good.",
        "I do not like this {topic}.",
        "this {topic} is pretty bad.",
    ),
    -3: (
        "this {topic} is absolutely terrible.",
        "this {topic} is simply awful.",
        "I do not like this {topic} at all.",
        "there is no worse {topic} than this.",
    ),
}


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    first, be = _phrase(scene.first), "is" if scene.first.count == 1 else "are"
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(first=first, be=be))
    landmark = f"{_RELATIONS[scene.relation]} {_phrase(scene.second)}"
    return _line(_TWO_GROUPS[style % 3].format(first=first, be=be, landmark=landmark))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    values = dict(request.slots)
    asked = next((value for value in values.values() if value in _REQUESTS), request.intent)
    words = {slot: _SLOTS.get(slot, {}).get(value, value) for slot, value in values.items()}
    return _line(_MANNERS[style % 3].format(request=_REQUESTS[asked].format(**words)))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    frame = _FEELINGS[feeling.sentiment][feeling.wording % 4]
    article = "" if feeling.topic in _MASS_TOPICS else "a "
    return _line(frame.format(topic=feeling.topic, a=article))


def _line(sentence: str) -> Line:
    text = sentence[0].upper() + sentence[1:]
    return Line(text=text, spoken=text)


def _phrase(things: Things) -> str:
    one, several = _NOUNS[things.kind]
    size = _SIZES[things.size]
    if things.count == 1:
        number, noun = "an" if not size and things.colour in _AN else "a", one
    else:
        number, noun = _NUMBERS[things.count], several
    return " ".join(word for word in (number, size, things.colour, noun) if word)
