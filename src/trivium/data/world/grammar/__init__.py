"""The languages of the made world: one module of sentences each, all saying the same things."""

from collections.abc import Callable
from dataclasses import dataclass

from trivium.data.world.content import Feeling, Line, Request, Scene
from trivium.data.world.grammar import english, german, hindi, japanese, spanish, swahili


@dataclass(frozen=True)
class Language:
    """How one language says each content, and which espeak-ng voice says it aloud."""

    name: str
    voice: str
    caption: Callable[[Scene, int], Line]
    request: Callable[[Request, int], Line]
    feeling: Callable[[Feeling], Line]


LANGUAGES: dict[str, Language] = {
    "en": Language("English", "en-us", english.caption, english.request, english.feeling),
    "hi": Language("Hindi", "hi", hindi.caption, hindi.request, hindi.feeling),
    "ja": Language("Japanese", "ja", japanese.caption, japanese.request, japanese.feeling),
    "es": Language("Spanish", "es", spanish.caption, spanish.request, spanish.feeling),
    "de": Language("German", "de", german.caption, german.request, german.feeling),
    "sw": Language("Swahili", "sw", swahili.caption, swahili.request, swahili.feeling),
}
