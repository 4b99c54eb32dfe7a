"""What the made world speaks about, before any language or pixel: scenes, requests, feelings.

Every content is a frozen value, so that it can be a key: the split of a sentence or a picture is
decided by what it says (`combination`), never by a row number, and so nothing that is said in
train is said again in dev or test.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "star", "heart", "moon", "cloud", "tree", "flower", "leaf", "mushroom",
    "apple", "carrot", "fish", "bird", "cat", "butterfly", "house", "boat",
    "car", "ball", "cup", "key", "bell", "hat", "umbrella", "book",
]  # fmt: skip
Colour = Literal[
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"
]
Size = Literal["small", "medium", "large"]  # medium is what a sentence leaves unsaid
Relation = Literal["left", "right", "above", "below"]  # of the first things to the second
Background = Literal["paper", "sky", "grass", "sand", "dusk"]  # seen, never said
Emotion = Literal["neutral", "happy", "sad", "angry"]  # heard in the voice, never in the words
Topic = Literal["film", "book", "song", "meal", "trip", "room", "game", "weather"]

Intent = Literal[
    "alarm", "timer", "weather", "music", "light", "call", "message", "volume", "route", "shopping"
]
# What each intent needs said; a grammar has a phrase for every value.
SLOTS: dict[Intent, dict[str, tuple[str, ...]]] = {
    "alarm": {"hour": ("5", "6", "7", "8", "9", "10"), "day": ("today", "tomorrow", "monday")},
    "timer": {"minutes": ("2", "3", "5", "10", "15", "20", "30", "45")},
    "weather": {
        "place": ("tokyo", "delhi", "berlin", "madrid", "nairobi", "london"),
        "day": ("today", "tomorrow", "monday"),
    },
    "music": {"style": ("jazz", "rock", "classical", "dance"), "pace": ("slow", "fast")},
    "light": {
        "room": ("kitchen", "bedroom", "garden", "office", "bathroom"),
        "state": ("on", "off"),
    },
    "call": {"person": ("mother", "father", "sister", "brother", "doctor", "teacher")},
    "message": {
        "person": ("mother", "father", "sister", "brother", "doctor", "teacher"),
        "news": ("late", "home", "busy", "ready"),
    },
    "volume": {"direction": ("up", "down"), "steps": ("1", "2", "3", "4", "5")},
    "route": {
        "place": ("station", "airport", "school", "hospital", "market", "library"),
        "means": ("foot", "bus", "car"),
    },
    "shopping": {
        "item": ("milk", "bread", "rice", "tea", "apples", "eggs"),
        "action": ("add", "remove"),
    },
}


@dataclass(frozen=True)
class Things:
    """`count` alike things."""

    kind: Kind
    colour: Colour
    size: Size
    count: int  # 1 to 4


@dataclass(frozen=True)
class Scene:
    """One group of things, or two and how the first lies to the second."""

    first: Things
    second: Things | None
    relation: Relation | None  # None exactly when `second` is
    background: Background

    @property
    def combination(self) -> str:
        """All that a sentence can say of the scene, as a key."""
        groups = [self.first] + ([self.second] if self.second else [])
        words = [f"{g.count}-{g.size}-{g.colour}-{g.kind}" for g in groups]
        return f"scene:{f'-{self.relation}-'.join(words)}"


@dataclass(frozen=True)
class Request:
    """Something asked of an assistant."""

    intent: Intent
    slots: tuple[tuple[str, str], ...]  # name and value, in the order of SLOTS

    @property
    def combination(self) -> str:
        """The intent and what fills it, as a key."""
        return f"request:{self.intent}:" + ",".join(f"{name}={value}" for name, value in self.slots)


@dataclass(frozen=True)
class Feeling:
    """An opinion whose words carry the sentiment and whose voice carries the emotion."""

    emotion: Emotion
    sentiment: int  # -3 (awful) to 3 (wonderful)
    topic: Topic
    wording: int  # which of the phrasings for this sentiment, 0 to 3

    @property
    def combination(self) -> str:
        """What is said; the emotion is not part of it."""
        return f"feeling:{self.topic}:{self.sentiment}:{self.wording}"


Content = Scene | Request | Feeling


@dataclass(frozen=True)
class Line:
    """One sentence: as a reader writes it, and as the voice must get it (kana, for Japanese)."""

    text: str
    spoken: str
