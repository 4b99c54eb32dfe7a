"""Scenes as pictures: where the things go, in which tints, on which ground.

Geometry is in a frame of 128 units whatever the side in pixels, so that sizes mean the same in
every picture: a large thing is large next to nothing, too.
"""

import colorsys
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from trivium.data.world.content import Background, Colour, Scene, Size, Things
from trivium.data.world.shapes import Points, Tone, shape_of
from trivium.errors import TriviumError
from trivium.runtime import derive_seed

FRAME = 128.0
MARGIN = 3.0  # nothing is nearer to the edge
SMALLEST_SIDE, LARGEST_SIDE = 16, 2048
EXTENTS: dict[Size, tuple[float, float]] = {  # of the longer side, outline included
    "small": (17.0, 18.5),
    "medium": (25.5, 27.5),
    "large": (36.0, 38.0),
}
Rgb = tuple[int, int, int]
PALETTE: dict[Colour, Rgb] = {
    "red": (214, 42, 44), "orange": (240, 134, 22), "yellow": (248, 212, 36),
    "green": (48, 152, 62), "blue": (38, 98, 214), "purple": (128, 58, 178),
    "pink": (246, 138, 184), "brown": (122, 76, 42), "black": (40, 40, 46),
    "white": (251, 251, 250),
}  # fmt: skip

_SUPERSAMPLING = 4
_OUTLINE = 0.85  # units around a silhouette
_GAPS = (3.0, 7.0)  # units between things of a group
_BETWEEN = 5.0  # units between two groups, at least
_NEIGHBOURS = [(math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(8)]
# Cells of a group in columns and rows; any two are a whole cell apart in one of them.
_PATTERNS: dict[int, tuple[tuple[tuple[float, float], ...], ...]] = {
    1: (((0, 0),),),
    2: (((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 0), (1, 0.5)), ((0, 0.5), (1, 0))),
    3: (
        ((0, 0), (1, 0), (2, 0)), ((0, 0), (0, 1), (0, 2)), ((0.5, 0), (0, 1), (1, 1)),
        ((0, 0), (1, 0), (0.5, 1)), ((0, 0.5), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 0.5)),
    ),
    4: (
        ((0, 0), (1, 0), (0, 1), (1, 1)), ((0, 0), (1, 0), (2, 0), (3, 0)),
        ((0, 0), (0, 1), (0, 2), (0, 3)), ((0, 0), (1, 0), (0.5, 1), (1.5, 1)),
        ((1, 0), (0, 1), (2, 1), (1, 2)), ((0, 0), (1, 0.3), (0, 1), (1, 1.3)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """One thing in its place; the box, in units of `FRAME`, holds all that is drawn of it."""

    things: Things
    group: int  # 0 for the first of the scene, 1 for the second
    left: float
    top: float
    right: float
    bottom: float
    matrix: tuple[float, float, float, float]  # from shape to frame: scale, turn, mirror, stretch
    origin: tuple[float, float]  # where the middle of the shape comes to lie


@dataclass(frozen=True)
class _Block:
    """A group laid out, from its own corner."""

    centres: Points
    width: float
    height: float


def draw_png(scene: Scene, seed: int, side: int = 128) -> bytes:
    """`draw` as the bytes of a PNG."""
    target = io.BytesIO()
    draw(scene, seed, side).save(target, format="PNG", compress_level=4)
    return target.getvalue()


def draw(scene: Scene, seed: int, side: int = 128) -> Image.Image:
    """The scene as an RGB picture; the same scene and seed give the same pixels."""
    if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise TriviumError(
            f"a picture of {side} pixels a side cannot be drawn; "
            f"expected {SMALLEST_SIDE} to {LARGEST_SIDE}"
        )
    rng = _generator("paint", scene, seed)
    scale = side * _SUPERSAMPLING / FRAME
    canvas = _ground(scene.background, side, rng)
    pen = ImageDraw.Draw(canvas)
    for placed in place(scene, seed):
        _paint(pen, placed, _tones(placed.things.colour, rng), scale)
    return canvas.reduce(_SUPERSAMPLING)


def place(scene: Scene, seed: int) -> list[Placed]:
    """Where each thing lies: groups keep together, nothing touches, the relation is true.

    Of two groups side by side neither is also above the other: their heights overlap.
    """
    rng = _generator("place", scene, seed)
    groups = [scene.first] + ([scene.second] if scene.second else [])
    order = [0, 1] if scene.relation in (None, "left", "above") else [1, 0]
    across = scene.relation in ("above", "below")
    blocks = _arrange([groups[i] for i in order[: len(groups)]], across, rng)
    corners = _corners(blocks, across, rng)
    placed: list[Placed] = []
    for index, block, corner in zip(order, blocks, corners, strict=False):
        centres = block.centres + np.array(corner)
        placed += [_settle(groups[index], index, centre, rng) for centre in centres]
    return placed


def _generator(purpose: str, scene: Scene, seed: int) -> np.random.Generator:
    return np.random.default_rng(
        derive_seed(seed, purpose, scene.combination, str(scene.background))
    )


def _arrange(groups: Sequence[Things], across: bool, rng: np.random.Generator) -> list[_Block]:
    """A pattern for each group, at random among those that fit the frame together."""
    room = FRAME - 2 * MARGIN
    for gap in (rng.uniform(*_GAPS), _GAPS[0]):
        options = [
            [_lay_out(group, cells, gap) for cells in _PATTERNS[group.count]] for group in groups
        ]
        pairs = [[one] for one in options[0]]
        if len(options) == 2:
            pairs = [[one, two] for one in options[0] for two in options[1]]
        for choice in rng.permutation(len(pairs)):
            blocks = pairs[choice]
            along = [block.height if across else block.width for block in blocks]
            widest = max(block.width if across else block.height for block in blocks)
            if sum(along) + _BETWEEN * (len(blocks) - 1) <= room and widest <= room:
                return [_jitter(block, gap, rng) for block in blocks]
    raise TriviumError(f"the things of {groups!r} do not fit into one picture; have fewer of them")


def _lay_out(things: Things, cells: Sequence[tuple[float, float]], gap: float) -> _Block:
    extent = EXTENTS[things.size][1]
    corners = np.array(cells) * (extent + gap)
    width, height = corners.max(axis=0) + extent
    return _Block(corners + extent / 2, float(width), float(height))


def _jitter(block: _Block, gap: float, rng: np.random.Generator) -> _Block:
    """Shift every thing by less than half a gap, never out of the block."""
    shifted = block.centres + rng.uniform(-0.5, 0.5, block.centres.shape) * (gap - 1)
    low, high = block.centres.min(axis=0), block.centres.max(axis=0)
    return _Block(np.clip(shifted, low, high), block.width, block.height)


def _corners(
    blocks: Sequence[_Block], across: bool, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """The upper left corner of each block; `across` stacks two instead of lining them up."""
    sizes = [(b.height, b.width) if across else (b.width, b.height) for b in blocks]
    room = FRAME - 2 * MARGIN
    slack = room - sum(length for length, _ in sizes) - _BETWEEN * (len(sizes) - 1)
    lead = MARGIN + rng.uniform(0.1, 0.6) * slack
    between = _BETWEEN + rng.uniform(0.0, 0.4) * slack * (len(sizes) - 1)
    first = MARGIN + rng.uniform(0, room - sizes[0][1])
    corners = [(lead, first)]
    if len(sizes) == 2:
        (length, height), (_, other) = sizes
        # Centres so near that most of the smaller block lies beside the larger.
        reach = abs(height - other) / 2 + 0.3 * min(height, other)
        middle = first + height / 2 + rng.uniform(-reach, reach)
        second = min(max(middle - other / 2, MARGIN), FRAME - MARGIN - other)
        corners.append((lead + length + between, second))
    return [(side, main) if across else (main, side) for main, side in corners]


def _settle(things: Things, group: int, centre: Points, rng: np.random.Generator) -> Placed:
    """Turn, mirror and stretch one thing, and fit it to its size around `centre`."""
    shape = shape_of(things.kind)
    turn = math.radians(rng.uniform(-shape.tilt_degrees, shape.tilt_degrees))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    stretch = rng.uniform(0.95, 1.05)
    c, s = math.cos(turn), math.sin(turn)
    linear = np.array([[c * mirror * stretch, -s / stretch], [s * mirror * stretch, c / stretch]])
    everything = np.concatenate([part.points for part in shape.parts]) @ linear.T
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = (rng.uniform(*EXTENTS[things.size]) - 2 * _OUTLINE) / float((high - low).max())
    origin = centre - scale * (low + high) / 2
    left, top = origin + scale * low - _OUTLINE
    right, bottom = origin + scale * high + _OUTLINE
    a, b, d, e = (float(value) for value in (scale * linear).ravel())
    return Placed(
        things, group, float(left), float(top), float(right), float(bottom), (a, b, d, e),
        (float(origin[0]), float(origin[1])),
    )  # fmt: skip


def _tones(colour: Colour, rng: np.random.Generator) -> dict[Tone | str, Rgb]:
    """The fills of one thing: its colour jittered, and what goes with it."""
    red, green, blue = (channel / 255 for channel in PALETTE[colour])
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    hue = (hue + rng.uniform(-0.011, 0.011)) % 1
    saturation = min(1.0, saturation * rng.uniform(0.94, 1.06))
    value = min(1.0, value * rng.uniform(0.95, 1.04))
    main = _rgb(*colorsys.hsv_to_rgb(hue, saturation, value))
    tones: dict[Tone | str, Rgb] = {
        "main": main,
        "shade": _mix(main, (24, 16, 40), 0.24),
        "tint": _mix(main, (255, 255, 255), 0.42),
        "edge": _mix(main, (20, 14, 34), 0.52),
        "ink": _mix(main, (16, 12, 26), 0.78),
        "pale": (250, 248, 240),
        "dark": (44, 42, 50),
        "wood": (138, 108, 84),
        "stem": (104, 128, 92),
    }
    if colour == "yellow":  # darkened it would be olive
        tones |= {"shade": (224, 170, 22), "edge": (146, 104, 14)}
    if colour == "black":  # details must be lighter than the thing, and so must its edge
        tones |= {"shade": (78, 78, 88), "tint": (116, 116, 126), "edge": (104, 104, 116)}
        tones |= {"ink": (206, 206, 212), "dark": (24, 24, 28)}
    if colour == "white":
        tones |= {"shade": (206, 208, 216), "tint": (228, 230, 236), "edge": (104, 106, 122)}
        tones |= {"pale": (236, 238, 242), "ink": (84, 86, 100)}
    return tones


def _paint(
    pen: ImageDraw.ImageDraw, placed: Placed, tones: dict[Tone | str, Rgb], scale: float
) -> None:
    linear = np.array(placed.matrix).reshape(2, 2).T * scale
    origin = np.array(placed.origin) * scale
    parts = [(part, part.points @ linear + origin) for part in shape_of(placed.things.kind).parts]
    for x, y in _NEIGHBOURS:
        shift = (x * _OUTLINE * scale, y * _OUTLINE * scale)
        for part, points in parts:
            if part.silhouette:
                pen.polygon((points + shift).ravel().tolist(), fill=tones["edge"])
    for part, points in parts:
        pen.polygon(points.ravel().tolist(), fill=tones[part.tone])


# Colours of the top and the bottom, and how much the ground varies; light and dull, so that every
# colour of thing stands out.
_GROUNDS: dict[Background, tuple[Rgb, Rgb]] = {
    "paper": ((248, 243, 232), (238, 230, 215)),
    "sky": ((186, 212, 234), (230, 239, 245)),
    "grass": ((204, 220, 176), (172, 198, 142)),
    "sand": ((242, 228, 194), (222, 200, 156)),
    "dusk": ((160, 152, 190), (230, 196, 186)),
}


def _ground(background: Background, side: int, rng: np.random.Generator) -> Image.Image:
    """A gradient with soft clouds of light, and a few marks, at the supersampled size."""
    top, bottom = (np.array(colour, np.float64) for colour in _GROUNDS[background])
    down = np.linspace(0, 1, side)[:, None, None]
    tilt = rng.uniform(-0.12, 0.12) * np.linspace(-1, 1, side)[None, :, None]
    light = rng.normal(0, 4.0, (5, 3 if background in ("sky", "dusk") else 5)).astype(np.float32)
    soft = Image.fromarray(light).resize((side, side), Image.Resampling.BICUBIC)
    level = np.clip(down + tilt, 0, 1)
    values = top + (bottom - top) * level + np.asarray(soft)[:, :, None] + rng.uniform(-5, 5)
    picture = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8), "RGB")
    canvas = picture.resize((side * _SUPERSAMPLING,) * 2, Image.Resampling.NEAREST)
    _mark(canvas, background, rng)
    return canvas


def _mark(canvas: Image.Image, background: Background, rng: np.random.Generator) -> None:
    """Blades of grass, grains of sand; the others stay smooth."""
    pen, unit = ImageDraw.Draw(canvas), canvas.width / FRAME
    if background == "grass":
        for x, y, lean, height in rng.random((34, 4)):
            foot, tip = (x * 128, y * 128), (x * 128 + 3 * lean - 1.5, y * 128 - 2 - 3 * height)
            blade = [foot[0] - 0.5, foot[1], *tip, foot[0] + 0.5, foot[1]]
            fill = (158, 186, 126) if lean > 0.4 else (208, 224, 178)
            pen.polygon([value * unit for value in blade], fill=fill)
    if background == "sand":
        for x, y, size, tone in rng.random((60, 4)):
            r = (0.25 + 0.35 * size) * unit
            box = (
                x * canvas.width - r,
                y * canvas.width - r,
                x * canvas.width + r,
                y * canvas.width + r,
            )
            pen.ellipse(box, fill=(206, 184, 142) if tone > 0.4 else (246, 236, 212))


def _mix(colour: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _rgb(red: float, green: float, blue: float) -> Rgb:
    return round(red * 255), round(green * 255), round(blue * 255)
