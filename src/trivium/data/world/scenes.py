"""Drawing contents by chance, and the split each content belongs to.

A split is decided by what is said, never by a row number: the same words in train and in test
would be learnt by heart.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Literal, TypeVar, get_args

import numpy as np

from trivium.data.world.content import (
    SLOTS,
    Background,
    Colour,
    Content,
    Emotion,
    Feeling,
    Intent,
    Kind,
    Relation,
    Request,
    Scene,
    Size,
    Things,
    Topic,
)
from trivium.errors import TriviumError
from trivium.runtime import derive_seed

Split = Literal["train", "dev", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLOURS: tuple[Colour, ...] = get_args(Colour)
SIZES: tuple[Size, ...] = get_args(Size)
RELATIONS: tuple[Relation, ...] = get_args(Relation)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
TOPICS: tuple[Topic, ...] = get_args(Topic)
INTENTS: tuple[Intent, ...] = get_args(Intent)
SENTIMENTS = range(-3, 4)
WORDINGS = range(4)
MAX_COUNT = 4  # of one kind
MAX_THINGS = 6  # in a picture
MAX_DRAWS = 100_000

_Choice = TypeVar("_Choice")
Drawn = TypeVar("Drawn", bound=Content)


def sample_scene(rng: np.random.Generator) -> Scene:
    """One group of things in about half of the scenes, two that can be told apart in the rest."""
    first = _sample_things(rng)
    background = _choose(rng, BACKGROUNDS)
    if rng.random() < 0.5:
        return Scene(first, None, None, background)
    while True:
        second = _sample_things(rng)
        alike = (second.kind, second.colour) == (first.kind, first.colour)
        if not alike and first.count + second.count <= MAX_THINGS:
            return Scene(first, second, _choose(rng, RELATIONS), background)


def sample_request(rng: np.random.Generator) -> Request:
    """Every intent is as likely as every other, and so is every value of each of its slots."""
    intent = _choose(rng, INTENTS)
    return Request(
        intent, tuple((name, _choose(rng, values)) for name, values in SLOTS[intent].items())
    )


def sample_feeling(rng: np.random.Generator) -> Feeling:
    """The voice's emotion is independent of what the words say."""
    return Feeling(
        _choose(rng, EMOTIONS), _choose(rng, SENTIMENTS), _choose(rng, TOPICS),
        _choose(rng, WORDINGS),
    )  # fmt: skip


def split_of(combination: str, seed: int) -> Split:
    """The only split in which a content may stand: about 80, 10 and 10 of a hundred.

    Scenes are hashed. Requests and feelings are so few that a hash could leave an intent without
    test items, so each intent and each sentiment gives at least one of its contents to dev and
    one to test, the hash choosing which.
    """
    peers = _peers().get(combination)
    if peers is None:
        tenth = _hash(_one_way_round(combination), seed) % 10
        return "dev" if tenth == 8 else "test" if tenth == 9 else "train"
    held_out = max(1, round(len(peers) / 10))
    order = sorted(peers, key=lambda peer: _hash(peer, seed))
    rank = order.index(combination)
    return "dev" if rank < held_out else "test" if rank < 2 * held_out else "train"


def sample_for(
    split: Split, draw: Callable[[np.random.Generator], Drawn], rng: np.random.Generator, seed: int
) -> Drawn:
    """Draw until a content belongs to `split`; `draw` is one of the samplers above."""
    for _ in range(MAX_DRAWS):
        content = draw(rng)
        if split_of(content.combination, seed) == split:
            return content
    raise TriviumError(
        f"{MAX_DRAWS:,} draws gave no content of split {split!r}; expected train, dev or test"
    )


def _choose(rng: np.random.Generator, options: Sequence[_Choice]) -> _Choice:
    return options[int(rng.integers(len(options)))]


def _sample_things(rng: np.random.Generator) -> Things:
    count = int(rng.integers(1, MAX_COUNT + 1))
    return Things(_choose(rng, KINDS), _choose(rng, COLOURS), _choose(rng, SIZES), count)


def _hash(combination: str, seed: int) -> int:
    return derive_seed(seed, "split", combination)


def _one_way_round(combination: str) -> str:
    """The key of "B left of A" for "A right of B": one picture, so one split."""
    head, body = combination.split(":", 1)
    for relation, inverse in (("-right-", "-left-"), ("-below-", "-above-")):
        first, found, second = body.partition(relation)
        if found:
            return f"{head}:{second}{inverse}{first}"
    return combination


@cache
def _peers() -> dict[str, tuple[str, ...]]:
    """Every request and feeling, with all those that share its intent or its sentiment."""
    groups: list[tuple[str, ...]] = []
    for intent, slots in SLOTS.items():
        fillings = product(*slots.values())
        requests = [Request(intent, tuple(zip(slots, values, strict=True))) for values in fillings]
        groups.append(tuple(request.combination for request in requests))
    for sentiment in SENTIMENTS:
        feelings = [Feeling("neutral", sentiment, *what) for what in product(TOPICS, WORDINGS)]
        groups.append(tuple(feeling.combination for feeling in feelings))
    return {combination: group for group in groups for combination in group}
