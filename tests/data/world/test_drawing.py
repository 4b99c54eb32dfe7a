"""Pictures: the geometry is true, the colours are seen, the bytes depend on scene and seed."""

import io
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trivium.data.world import drawing
from trivium.data.world.content import Scene, Things
from trivium.data.world.drawing import EXTENTS, PALETTE, Placed, draw, draw_png, place
from trivium.data.world.scenes import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    RELATIONS,
    SIZES,
    sample_scene,
)
from trivium.errors import TriviumError

SEEDS = st.integers(0, 2**63 - 1)
CLEARANCE = 4.0  # units of 128 between two groups


def scene_of(seed: int) -> Scene:
    return sample_scene(np.random.default_rng(seed))


def is_beside(relation: str, first: list[Placed], second: list[Placed], margin: float) -> bool:
    """Whether every one of the first is on that side of every one of the second."""
    if relation in ("right", "below"):
        opposite = {"right": "left", "below": "above"}[relation]
        return is_beside(opposite, second, first, margin)
    if relation == "left":
        return max(p.right for p in first) + margin <= min(p.left for p in second)
    return max(p.bottom for p in first) + margin <= min(p.top for p in second)


def check_geometry(scene: Scene, placed: list[Placed]) -> None:
    groups = [scene.first] + ([scene.second] if scene.second else [])
    for number, things in enumerate(groups):
        mine = [p for p in placed if p.group == number]
        assert len(mine) == things.count
        low, high = EXTENTS[things.size]
        for p in mine:
            assert low - 1e-6 <= max(p.right - p.left, p.bottom - p.top) <= high + 1e-6
            assert min(p.left, p.top) >= drawing.MARGIN - 1e-6
            assert max(p.right, p.bottom) <= 128 - drawing.MARGIN + 1e-6
    for a, b in product(placed, placed):
        if a is not b:  # boxes, not only shapes, keep apart
            apart = max(a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom)
            assert apart >= 0.9
    if scene.relation:
        first, second = ([p for p in placed if p.group == number] for number in (0, 1))
        true = [r for r in RELATIONS if is_beside(r, first, second, margin=0.0)]
        assert true == [scene.relation]
        assert is_beside(scene.relation, first, second, CLEARANCE)


@given(SEEDS, SEEDS)
@settings(max_examples=300)
def test_things_are_inside_apart_counted_and_as_the_relation_says(what: int, seed: int) -> None:
    check_geometry(scene_of(what), place(scene_of(what), seed))


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_pair_of_counts_and_sizes_fits(relation: str) -> None:
    counts = [pair for pair in product(range(1, 5), repeat=2) if sum(pair) <= 6]
    for (one, two), here, there in product(counts, SIZES, SIZES):
        scene = Scene(
            Things("key", "red", here, one), Things("ball", "blue", there, two), relation, "sky"
        )
        check_geometry(scene, place(scene, one))


def test_no_size_can_be_taken_for_another() -> None:
    assert EXTENTS["small"][1] * 1.3 < EXTENTS["medium"][0]
    assert EXTENTS["medium"][1] * 1.3 < EXTENTS["large"][0]


@given(SEEDS, SEEDS)
@settings(max_examples=60)
def test_things_of_a_group_are_nearer_to_each_other_than_across_the_frame(
    what: int, seed: int
) -> None:
    scene = scene_of(what)
    for number in (0, 1):
        mine = [p for p in place(scene, seed) if p.group == number]
        for p in mine:
            gaps = [
                np.hypot(
                    max(0, q.left - p.right, p.left - q.right),
                    max(0, q.top - p.bottom, p.top - q.bottom),
                )
                for q in mine
                if q is not p
            ]
            # Half a cell, the widest gap, its jitter, and what a narrow thing leaves of its cell.
            assert not gaps or min(gaps) < EXTENTS[p.things.size][1] + 14


def changed(scene: Scene, seed: int) -> np.ndarray:
    """Where the picture is not the bare ground."""
    ground = drawing._ground(scene.background, 128, drawing._generator("paint", scene, seed))
    bare = np.asarray(ground.reduce(4), np.int16)
    return (np.abs(np.asarray(draw(scene, seed), np.int16) - bare) > 2).any(axis=2)


@given(SEEDS, SEEDS)
@settings(max_examples=60, deadline=None)
def test_boxes_hold_all_that_is_drawn_and_nothing_is_missing(what: int, seed: int) -> None:
    scene = scene_of(what)
    drawn = changed(scene, seed)
    outside = drawn.copy()
    for p in place(scene, seed):
        left, top = int(p.left), int(p.top)
        right, bottom = int(np.ceil(p.right)) + 1, int(np.ceil(p.bottom)) + 1
        box = drawn[top:bottom, left:right]
        assert box.mean() > 0.15
        # It reaches its box on every side, or the box would prove nothing.
        assert box[:4].any()
        assert box[-5:].any()
        assert box[:, :4].any()
        assert box[:, -5:].any()
        outside[top:bottom, left:right] = False
    assert not outside.any()


def main_share(scene: Scene, seed: int) -> float:
    """The part of what is drawn whose nearest palette colour is the thing's."""
    names = list(PALETTE)
    palette = np.array([PALETTE[name] for name in names])
    pixels = np.asarray(draw(scene, seed), np.int64)[changed(scene, seed)]
    distance = ((pixels[:, None] - palette) ** 2).sum(axis=2)
    near = (distance.argmin(axis=1) == names.index(scene.first.colour)) & (
        distance.min(axis=1) < 55**2
    )
    return float(near.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_colour_is_seen_in_every_kind_and_colour(kind: str) -> None:
    for number, colour in enumerate(COLOURS):
        scene = Scene(Things(kind, colour, "large", 2), None, None, BACKGROUNDS[number % 5])
        assert main_share(scene, number) > 0.22, (kind, colour)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_colour_stands_out_from_every_ground(background: str) -> None:
    """Of a plain shape, fill or outline differs from the ground by far more than its texture."""
    for colour in COLOURS:
        scene = Scene(Things("heart", colour, "small", 4), None, None, background)
        ground = drawing._ground(background, 128, drawing._generator("paint", scene, 0))
        bare = np.asarray(ground.reduce(4), np.int16)
        difference = np.abs(np.asarray(draw(scene, 0), np.int16) - bare).max(axis=2)
        boxes = place(scene, 0)
        area = sum((p.right - p.left) * (p.bottom - p.top) for p in boxes)
        assert (difference > 45).sum() > 0.2 * area, colour


@given(SEEDS, SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_same_scene_and_seed_give_the_same_bytes(what: int, seed: int) -> None:
    scene = scene_of(what)
    assert draw_png(scene, seed) == draw_png(scene, seed)
    assert draw_png(scene, seed) != draw_png(scene, seed + 1)


def test_distinct_scenes_give_distinct_pictures() -> None:
    rng = np.random.default_rng(3)
    scenes = {sample_scene(rng) for _ in range(150)}
    assert len({draw_png(scene, 0) for scene in scenes}) == len(scenes)
    cat = Things("cat", "red", "large", 1)
    grounds = {draw_png(Scene(cat, None, None, ground), 0) for ground in BACKGROUNDS}
    assert len(grounds) == len(BACKGROUNDS)


def test_every_kind_has_its_own_silhouette() -> None:
    outlines = {}
    for kind in KINDS:
        scene = Scene(Things(kind, "red", "large", 1), None, None, "sky")
        p = place(scene, 0)[0]
        box = (int(p.left), int(p.top), int(p.right) + 1, int(p.bottom) + 1)
        mask = Image.fromarray(changed(scene, 0)).convert("L").crop(box)
        outlines[kind] = np.asarray(mask.resize((24, 24))) > 127
    for one, two in product(KINDS, KINDS):
        if one < two:
            assert (outlines[one] != outlines[two]).mean() > 0.05, (one, two)


@pytest.mark.parametrize("side", [16, 64, 100, 224])
def test_a_picture_has_the_side_asked_for_and_the_same_layout(side: int) -> None:
    scene = scene_of(11)
    with Image.open(io.BytesIO(draw_png(scene, 4, side))) as image:
        assert (image.size, image.mode, image.format) == ((side, side), "RGB", "PNG")
    small = np.asarray(draw(scene, 4, side).resize((16, 16), Image.Resampling.BOX), np.int16)
    usual = np.asarray(draw(scene, 4).resize((16, 16), Image.Resampling.BOX), np.int16)
    assert np.abs(small - usual).mean() < 12


@pytest.mark.parametrize("side", [0, 15, 4096])
def test_a_side_out_of_bounds_is_refused(side: int) -> None:
    with pytest.raises(TriviumError, match=f"{side} pixels a side.*expected 16 to 2048"):
        draw(scene_of(0), 0, side)


def test_things_that_do_not_fit_are_refused() -> None:
    crowd = Things("cat", "red", "large", 4)
    with pytest.raises(TriviumError, match="do not fit into one picture"):
        place(Scene(crowd, Things("cup", "red", "large", 4), "left", "sky"), 0)
