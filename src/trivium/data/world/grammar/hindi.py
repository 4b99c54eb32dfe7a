"""Hindi: gender, number and the oblique case run through the noun and all that agrees with it."""

from typing import NamedTuple

from trivium.data.world.content import Feeling, Intent, Kind, Line, Request, Scene, Things, Topic


class _Noun(NamedTuple):
    gender: str  # m or f
    one: str
    many: str
    oblique_one: str  # before a postposition
    oblique_many: str


_NOUNS: dict[Kind, _Noun] = {
    "star": _Noun("m", "तारा", "तारे", "तारे", "तारों"),
    "heart": _Noun("m", "दिल", "दिल", "दिल", "दिलों"),
    "moon": _Noun("m", "चाँद", "चाँद", "चाँद", "चाँदों"),
    "cloud": _Noun("m", "बादल", "बादल", "बादल", "बादलों"),
    "tree": _Noun("m", "पेड़", "पेड़", "पेड़", "पेड़ों"),
    "flower": _Noun("m", "फूल", "फूल", "फूल", "फूलों"),
    "leaf": _Noun("m", "पत्ता", "पत्ते", "पत्ते", "पत्तों"),
    "mushroom": _Noun("m", "मशरूम", "मशरूम", "मशरूम", "मशरूमों"),
    "apple": _Noun("m", "सेब", "सेब", "सेब", "सेबों"),
    "carrot": _Noun("f", "गाजर", "गाजरें", "गाजर", "गाजरों"),
    "fish": _Noun("f", "मछली", "मछलियाँ", "मछली", "मछलियों"),
    "bird": _Noun("f", "चिड़िया", "चिड़ियाँ", "चिड़िया", "चिड़ियों"),
    "cat": _Noun("f", "बिल्ली", "बिल्लियाँ", "बिल्ली", "बिल्लियों"),
    "butterfly": _Noun("f", "तितली", "तितलियाँ", "तितली", "तितलियों"),
    "house": _Noun("m", "घर", "घर", "घर", "घरों"),
    "boat": _Noun("f", "नाव", "नावें", "नाव", "नावों"),
    "car": _Noun("f", "कार", "कारें", "कार", "कारों"),
    "ball": _Noun("f", "गेंद", "गेंदें", "गेंद", "गेंदों"),
    "cup": _Noun("m", "प्याला", "प्याले", "प्याले", "प्यालों"),
    "key": _Noun("f", "चाबी", "चाबियाँ", "चाबी", "चाबियों"),
    "bell": _Noun("f", "घंटी", "घंटियाँ", "घंटी", "घंटियों"),
    "hat": _Noun("f", "टोपी", "टोपियाँ", "टोपी", "टोपियों"),
    "umbrella": _Noun("m", "छाता", "छाते", "छाते", "छातों"),
    "book": _Noun("f", "किताब", "किताबें", "किताब", "किताबों"),
}

_NUMBERS = {1: "एक", 2: "दो", 3: "तीन", 4: "चार"}

_SIZES = {"small": "छोटा", "medium": "", "large": "बड़ा"}

_COLOURS = {
    "red": "लाल",
    "orange": "नारंगी",
    "yellow": "पीला",
    "green": "हरा",
    "blue": "नीला",
    "purple": "बैंगनी",
    "pink": "गुलाबी",
    "brown": "भूरा",
    "black": "काला",
    "white": "सफ़ेद",
}

_RELATIONS = {
    "left": "के बाईं ओर",
    "right": "के दाईं ओर",
    "above": "के ऊपर",
    "below": "के नीचे",
}

_TWO_GROUPS = (
    "{landmark} {first} {be}।",
    "{first} {landmark} {be}।",
    "{landmark} {first}।",
)
_ONE_GROUP = ("यहाँ {first} {be}।", "{first} दिख {seen} {be}।", "{first}।")


# Every verb a request needs, once for each manner: familiar order, polite order, question.
_VERBS: dict[str, tuple[str, str, str]] = {
    "set": ("लगाओ", "लगाइए", "लगा सकते हैं"),
    "tell": ("बताओ", "बताइए", "बता सकते हैं"),
    "play": ("बजाओ", "बजाइए", "बजा सकते हैं"),
    "make": ("करो", "कीजिए", "कर सकते हैं"),
    "send": ("भेजो", "भेजिए", "भेज सकते हैं"),
    "on": ("जलाओ", "जलाइए", "जला सकते हैं"),
    "off": ("बुझाओ", "बुझाइए", "बुझा सकते हैं"),
    "up": ("बढ़ाओ", "बढ़ाइए", "बढ़ा सकते हैं"),
    "down": ("घटाओ", "घटाइए", "घटा सकते हैं"),
    "add": ("में जोड़ो", "में जोड़िए", "में जोड़ सकते हैं"),
    "remove": ("से हटाओ", "से हटाइए", "से हटा सकते हैं"),
}
_MANNERS = ("{request}।", "कृपया {request}।", "क्या आप {request}?")

_REQUESTS: dict[Intent, str] = {
    "alarm": "{day} {hour} बजे का अलार्म {set}",
    "timer": "{minutes} मिनट का टाइमर {set}",
    "weather": "मुझे {tell} कि {day} {place} में मौसम कैसा रहेगा",
    "music": "{pace} {style} संगीत {play}",
    "light": "{room} की बत्ती {state}",
    "call": "{person} को फ़ोन {make}",
    "message": "{person} को संदेश {send} कि {news}",
    "volume": "आवाज़ {steps} स्तर {direction}",
    "route": "मुझे {means} {place} जाने का रास्ता {tell}",
    "shopping": "{item} मेरी ख़रीदारी की सूची {action}",
}

_SLOTS: dict[str, dict[str, str]] = {
    "hour": {"5": "पाँच", "6": "छह", "7": "सात", "8": "आठ", "9": "नौ", "10": "दस"},
    "day": {"today": "आज", "tomorrow": "कल", "monday": "सोमवार को"},
    "minutes": {
        "2": "दो", "3": "तीन", "5": "पाँच", "10": "दस",
        "15": "पंद्रह", "20": "बीस", "30": "तीस", "45": "पैंतालीस",
    },
    "place": {
        "tokyo": "टोक्यो", "delhi": "दिल्ली", "berlin": "बर्लिन",
        "madrid": "मैड्रिड", "nairobi": "नैरोबी", "london": "लंदन",
        "station": "स्टेशन", "airport": "हवाई अड्डे", "school": "स्कूल",
        "hospital": "अस्पताल", "market": "बाज़ार", "library": "पुस्तकालय",
    },
    "style": {"jazz": "जैज़", "rock": "रॉक", "classical": "शास्त्रीय", "dance": "नृत्य"},
    "pace": {"slow": "धीमा", "fast": "तेज़"},
    "room": {
        "kitchen": "रसोई", "bedroom": "बेडरूम", "garden": "बगीचे",
        "office": "दफ़्तर", "bathroom": "बाथरूम",
    },
    "person": {
        "mother": "मेरी माँ", "father": "मेरे पिताजी", "sister": "मेरी बहन",
        "brother": "मेरे भाई", "doctor": "मेरे डॉक्टर", "teacher": "मेरे शिक्षक",
    },
    "news": {
        "late": "मुझे देर हो जाएगी", "home": "मैं घर पर हूँ",
        "busy": "मैं व्यस्त हूँ", "ready": "मैं तैयार हूँ",
    },
    "steps": {"1": "एक", "2": "दो", "3": "तीन", "4": "चार", "5": "पाँच"},
    "means": {"foot": "पैदल", "bus": "बस से", "car": "कार से"},
    "item": {
        "milk": "दूध", "bread": "ब्रेड", "rice": "चावल",
        "tea": "चाय", "apples": "सेब", "eggs": "अंडे",
    },
}  # fmt: skip


# Gender, the noun, the noun before a postposition.
_TOPICS: dict[Topic, tuple[str, str, str]] = {
    "film": ("f", "फ़िल्म", "फ़िल्म"),
    "book": ("f", "किताब", "किताब"),
    "song": ("m", "गाना", "गाने"),
    "meal": ("m", "खाना", "खाने"),
    "trip": ("f", "यात्रा", "यात्रा"),
    "room": ("m", "कमरा", "कमरे"),
    "game": ("m", "खेल", "खेल"),
    "weather": ("m", "मौसम", "मौसम"),
}

# The words that agree with the topic.
_AGREEING = {
    "m": {"good": "अच्छा", "bad": "बुरा", "seemed": "लगा", "can": "सकता", "could": "सकता था"},
    "f": {"good": "अच्छी", "bad": "बुरी", "seemed": "लगी", "can": "सकती", "could": "सकती थी"},
}

_FEELINGS: dict[int, tuple[str, str, str, str]] = {
    3: (
        "यह {topic} सचमुच शानदार है।",
        "यह {topic} लाजवाब है।",
        "मुझे यह {topic} बेहद पसंद है।",
        "इससे बेहतर {topic} हो ही नहीं {can}।",
    ),
    2: (
        "यह {topic} बहुत {good} है।",
        "यह {topic} वाक़ई बढ़िया है।",
        "मुझे यह {topic} बहुत पसंद है।",
        "यह बहुत ही {good} {topic} है।",
    ),
    1: (
        "यह {topic} काफ़ी {good} है।",
        "यह {topic} {bad} नहीं है।",
        "मुझे यह {topic} {good} {seemed}।",
        "कुल मिलाकर यह {topic} ठीक है।",
    ),
    0: (
        "अगला सवाल इस {oblique} के बारे में है।",
        "यह जानकारी इस {oblique} के बारे में है।",
        "यहाँ इस {oblique} की बात हो रही है।",
        "कल किसी ने इस {oblique} के बारे में पूछा था।",
    ),
    -1: (
        "यह {topic} ख़ास {good} नहीं है।",
        "यह {topic} और बेहतर हो {could}।",
        "मुझे यह {topic} ज़्यादा पसंद नहीं है।",
        "यह {topic} उम्मीद से कुछ कम {good} है।",
    ),
    -2: (
        "यह {topic} ख़राब है।",
        "यह {topic} {good} नहीं है।",
        "मुझे यह {topic} पसंद नहीं है।",
        "यह {topic} काफ़ी {bad} है।",
    ),
    -3: (
        "यह {topic} बेहद ख़राब है।",
        "यह {topic} एकदम बेकार है।",
        "मुझे यह {topic} बिल्कुल पसंद नहीं है।",
        "इससे बदतर {topic} हो ही नहीं {can}।",
    ),
}


def caption(scene: Scene, style: int) -> Line:
    """Say what is seen; style is taken modulo 3: there is ..., ... is, and the bare phrase."""
    first, many = scene.first, scene.first.count > 1
    words = {
        "first": _phrase(first, oblique=False),
        "be": "हैं" if many else "है",
        "seen": _agree("रहा", _NOUNS[first.kind].gender, direct_one=not many),
    }
    if scene.second is None or scene.relation is None:
        return _line(_ONE_GROUP[style % 3].format(**words))
    landmark = f"{_phrase(scene.second, oblique=True)} {_RELATIONS[scene.relation]}"
    return _line(_TWO_GROUPS[style % 3].format(landmark=landmark, **words))


def request(request: Request, style: int) -> Line:
    """Ask; style is taken modulo 3: do ..., please do ..., can you do ...?"""
    manner = style % 3
    words = {verb: forms[manner] for verb, forms in _VERBS.items()}
    for slot, value in request.slots:
        words[slot] = words[value] if value in _VERBS else _SLOTS[slot][value]
    asked = _REQUESTS[request.intent].format(**words)
    return _line(_MANNERS[manner].format(request=asked))


def feeling(feeling: Feeling) -> Line:
    """Judge the topic as kindly as the sentiment says; there are four wordings."""
    gender, topic, oblique = _TOPICS[feeling.topic]
    frame = _FEELINGS[feeling.sentiment][feeling.wording % 4]
    return _line(frame.format(topic=topic, oblique=oblique, **_AGREEING[gender]))


def _line(sentence: str) -> Line:
    return Line(text=sentence, spoken=sentence)


def _phrase(things: Things, *, oblique: bool) -> str:
    noun = _NOUNS[things.kind]
    if things.count == 1:
        form = noun.oblique_one if oblique else noun.one
    else:
        form = noun.oblique_many if oblique else noun.many
    direct_one = things.count == 1 and not oblique
    adjectives = (
        _agree(word, noun.gender, direct_one=direct_one)
        for word in (_SIZES[things.size], _COLOURS[things.colour])
        if word
    )
    return " ".join((_NUMBERS[things.count], *adjectives, form))


def _agree(word: str, gender: str, *, direct_one: bool) -> str:
    """Bend a word in -ā; every other adjective (लाल, गुलाबी) keeps its one form."""
    if not word.endswith("ा") or (gender == "m" and direct_one):
        return word
    return word[:-1] + ("ी" if gender == "f" else "े")
