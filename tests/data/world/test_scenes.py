"""Contents by chance: what is drawn is allowed, and no content stands in two splits."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.world import scenes
from trivium.data.world.content import SLOTS, Feeling, Request, Scene, Things
from trivium.data.world.scenes import (
    COLOURS,
    EMOTIONS,
    INTENTS,
    KINDS,
    SENTIMENTS,
    sample_feeling,
    sample_for,
    sample_request,
    sample_scene,
    split_of,
)
from trivium.errors import TriviumError

MIRRORED = {"left": "right", "right": "left", "above": "below", "below": "above"}
SEEDS = st.integers(0, 2**63 - 1)


@given(SEEDS)
def test_a_scene_has_one_or_two_groups_that_can_be_told_apart_and_counted(seed: int) -> None:
    scene = sample_scene(np.random.default_rng(seed))
    groups = [scene.first] + ([scene.second] if scene.second else [])
    assert all(1 <= group.count <= 4 for group in groups)
    assert sum(group.count for group in groups) <= 6
    assert (scene.second is None) == (scene.relation is None)
    assert len({(group.kind, group.colour) for group in groups}) == len(groups)


@given(SEEDS)
def test_a_request_fills_every_slot_of_its_intent_with_a_listed_value(seed: int) -> None:
    request = sample_request(np.random.default_rng(seed))
    assert [name for name, _ in request.slots] == list(SLOTS[request.intent])
    assert all(value in SLOTS[request.intent][name] for name, value in request.slots)


def test_every_choice_is_about_equally_likely() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_scene(rng) for _ in range(6_000)]
    kinds = Counter(scene.first.kind for scene in drawn)
    colours = Counter(scene.first.colour for scene in drawn)
    assert set(kinds) == set(KINDS)
    assert max(kinds.values()) < 1.5 * min(kinds.values())
    assert set(colours) == set(COLOURS)
    assert max(colours.values()) < 1.3 * min(colours.values())
    assert 0.47 < sum(scene.second is None for scene in drawn) / len(drawn) < 0.53
    feelings = Counter(
        (f.emotion, f.sentiment) for f in (sample_feeling(rng) for _ in range(9_000))
    )
    assert set(feelings) == set(product(EMOTIONS, SENTIMENTS))
    assert max(feelings.values()) < 1.6 * min(feelings.values())


def test_the_same_seed_draws_the_same_contents() -> None:
    for draw in (sample_scene, sample_request, sample_feeling):
        once, again = (np.random.default_rng(5) for _ in range(2))
        assert [draw(once) for _ in range(50)] == [draw(again) for _ in range(50)]


def test_splits_are_these_forever() -> None:
    """A changed hash would move contents of published test sets into train."""
    keys = [f"scene:1-small-{colour}-{kind}" for colour, kind in product(COLOURS[:4], KINDS[:10])]
    letters = "".join(split_of(key, 7)[-1] for key in keys)  # traiN, deV, tesT
    assert letters == "tnvntnnntvnnnnnnntnnnnnnvvtnnvnnnnntnvvt"


def test_about_eighty_ten_and_ten_of_a_hundred_scenes() -> None:
    rng = np.random.default_rng(1)
    shares = Counter(split_of(sample_scene(rng).combination, 3) for _ in range(8_000))
    assert 0.78 < shares["train"] / 8_000 < 0.82
    assert 0.085 < shares["dev"] / 8_000 < 0.115
    assert 0.085 < shares["test"] / 8_000 < 0.115


@given(SEEDS, st.integers(0, 100))
def test_a_scene_told_the_other_way_round_stays_in_its_split(draw: int, seed: int) -> None:
    scene = sample_scene(np.random.default_rng(draw))
    if scene.second and scene.relation:
        other = Scene(scene.second, scene.first, MIRRORED[scene.relation], "paper")
        assert split_of(scene.combination, seed) == split_of(other.combination, seed)


def test_scenes_that_differ_in_relation_may_fall_into_different_splits() -> None:
    cat, cup = Things("cat", "red", "small", 1), Things("cup", "blue", "small", 1)
    left, above = Scene(cat, cup, "left", "sky"), Scene(cat, cup, "above", "sky")
    assert any(split_of(left.combination, s) != split_of(above.combination, s) for s in range(30))


@given(st.integers(0, 2**63 - 1))
@settings(max_examples=15)
def test_every_intent_and_every_sentiment_has_contents_in_every_split(seed: int) -> None:
    of_intent: dict[str, Counter[str]] = {intent: Counter() for intent in INTENTS}
    for intent, slots in SLOTS.items():
        for values in product(*slots.values()):
            request = Request(intent, tuple(zip(slots, values, strict=True)))
            of_intent[intent][split_of(request.combination, seed)] += 1
    of_sentiment: dict[int, Counter[str]] = {sentiment: Counter() for sentiment in SENTIMENTS}
    for sentiment, topic, wording in product(SENTIMENTS, scenes.TOPICS, scenes.WORDINGS):
        feeling = Feeling("sad", sentiment, topic, wording)
        of_sentiment[sentiment][split_of(feeling.combination, seed)] += 1
    for counts in (*of_intent.values(), *of_sentiment.values()):
        assert set(counts) == {"train", "dev", "test"}
        assert counts["train"] >= 0.6 * counts.total()


def test_a_feeling_is_in_one_split_whatever_the_voice_feels() -> None:
    splits = {split_of(Feeling(e, 2, "film", 1).combination, 4) for e in EMOTIONS}
    assert len(splits) == 1


@pytest.mark.parametrize("draw", [sample_scene, sample_request, sample_feeling])
def test_contents_drawn_for_a_split_belong_to_it(draw: object) -> None:
    rng = np.random.default_rng(2)
    for split in ("train", "dev", "test"):
        for _ in range(20):
            assert split_of(sample_for(split, draw, rng, 9).combination, 9) == split


def test_a_split_that_is_none_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "MAX_DRAWS", 50)
    with pytest.raises(TriviumError, match="'training'; expected train, dev or test"):
        sample_for("training", sample_request, np.random.default_rng(0), 0)
