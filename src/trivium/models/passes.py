"""Forward passes: what a model is given, cut into parts that fit one, and put back in order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch

from trivium.data.audio import SAMPLE_RATE_HZ, Samples

Item = TypeVar("Item")
Made = TypeVar("Made")

# What one forward pass is given: seconds of sound with padding, or items.
SECONDS, ITEMS = 120.0, 64


def by_length(sounds: Sequence[Samples]) -> Iterable[list[int]]:
    """Places in order of length, as many at a time as fit a forward pass."""
    part: list[int] = []
    for place in sorted(range(len(sounds)), key=lambda place: len(sounds[place])):
        if part and (len(part) + 1) * len(sounds[place]) > SECONDS * SAMPLE_RATE_HZ:
            yield part
            part = []
        part.append(place)
    if part:
        yield part


def by_characters(texts: Sequence[str]) -> Iterable[list[int]]:
    """Places in order of length, a few at a time."""
    return parts(sorted(range(len(texts)), key=lambda place: len(texts[place])))


def parts(items: Sequence[Item]) -> Iterable[list[Item]]:
    """Items in their order, a few at a time."""
    for start in range(0, len(items), ITEMS):
        yield list(items[start : start + ITEMS])


def ordered(places: Iterable[list[int]], make: Callable[[list[int]], Iterable[Made]]) -> list[Made]:
    """What is made of the places of each part, in the order of the places."""
    made: dict[int, Any] = {}
    with torch.inference_mode():
        for part in places:
            made.update(zip(part, make(part), strict=True))
    return [made[place] for place in range(len(made))]
