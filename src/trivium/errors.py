"""What goes wrong through no fault of ours, in one sentence each."""

import difflib
from collections.abc import Iterable


class TriviumError(Exception):
    """A mistake in what we were given; its text is one sentence for the person who gave it."""


class SettingsError(TriviumError):
    """A settings file, an override or a checkpoint says something we cannot do."""


class CorpusError(TriviumError):
    """A corpus folder, a table or a row is not what it should be."""


class MediaError(TriviumError):
    """Sound or picture bytes that cannot be decoded within the limits."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to end a sentence with: the nearest known words, or all of them if few."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    if 0 < len(names) <= 12:
        return f"known are {', '.join(names)}"
    return "nothing is named like it"
