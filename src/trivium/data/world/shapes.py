"""What each kind of thing looks like: polygons in a square from -1 to 1, x to the right, y down.

A shape says where its main colour goes and leaves shades, tints and neutrals to the painter.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import cos, pi, radians, sin
from typing import Literal, NamedTuple

import numpy as np

from trivium.data.world.content import Kind

# main, darker, lighter; a line that shows on main; near white; near black; bark; foliage
Tone = Literal["main", "shade", "tint", "ink", "pale", "dark", "wood", "stem"]
Points = np.ndarray[tuple[int, ...], np.dtype[np.float64]]  # (corners, 2)
Corner = tuple[float, float]
Oval = tuple[float, float, float, float] | tuple[float, float, float, float, float]


class Part(NamedTuple):
    """One filled polygon; those of the silhouette get the thing's outline."""

    points: Points
    tone: Tone
    silhouette: bool


class Shape(NamedTuple):
    """The parts of a thing from back to front, and how far it may be turned either way."""

    parts: tuple[Part, ...]
    tilt_degrees: float


@cache
def shape_of(kind: Kind) -> Shape:
    """The shape of a kind of thing."""
    build, tilt_degrees = _SHAPES[kind]
    return Shape(tuple(build()), tilt_degrees)


def _body(points: Sequence[Corner], tone: Tone = "main") -> Part:
    return Part(_rounded(points), tone, silhouette=True)


def _detail(points: Sequence[Corner], tone: Tone) -> Part:
    return Part(np.array(points), tone, silhouette=False)


def _dots(tone: Tone, *ovals: Oval) -> list[Part]:
    return [_detail(_oval(*oval), tone) for oval in ovals]


def _strokes(tone: Tone, width: float, *paths: Sequence[Corner]) -> list[Part]:
    return [_detail(_line(path, width), tone) for path in paths]


def _both(*parts: Part) -> list[Part]:
    """Each part, and its mirror image."""
    return [part._replace(points=part.points * (side, 1)) for part in parts for side in (1, -1)]


def _oval(
    x: float, y: float, rx: float, ry: float, turn: float = 0.0, span: Corner = (0.0, 360.0)
) -> list[Corner]:
    """An ellipse turned by some degrees, or the stretch of one between two angles (clockwise)."""
    first, last = span
    steps = max(8, round(abs(last - first) / 360 * (28 if max(rx, ry) > 0.25 else 14)))
    angles = [radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    c, s = cos(radians(turn)), sin(radians(turn))
    local = [(rx * cos(angle), ry * sin(angle)) for angle in angles]
    return [(x + c * u - s * v, y + s * u + c * v) for u, v in local]


def _ring(x: float, y: float, outer: float, inner: float, tone: Tone) -> Part:
    edges = _oval(x, y, outer, outer) + _oval(x, y, inner, inner, span=(360, 0))
    return Part(np.array(edges), tone, silhouette=True)


def _smooth(corners: Sequence[Corner], closed: bool = True) -> list[Corner]:
    """A Catmull-Rom curve through every corner."""
    if closed:
        corners = [*corners, corners[0]]
        controls = np.array([corners[-2], *corners, corners[1]])
    else:
        controls = np.array([corners[0], *corners, corners[-1]])
    result: list[Corner] = []
    for start in range(len(corners) - 1):
        a, b, c, d = controls[start : start + 4]
        for t in (0.0, 0.2, 0.4, 0.6, 0.8):
            square = (2 * a - 5 * b + 4 * c - d) * t**2
            x, y = b + ((c - a) * t + square + (3 * b - a - 3 * c + d) * t**3) / 2
            result.append((float(x), float(y)))
    return result if closed else [*result, corners[-1]]


def _line(corners: Sequence[Corner], width: float, end_width: float | None = None) -> list[Corner]:
    """An open line as a polygon with blunt ends, thinning evenly to `end_width`."""
    path = np.array(corners)
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    half = np.linspace(width, width if end_width is None else end_width, len(path))[:, None] / 2
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * half
    caps = [path[i] + sign * direction[i] * half[i] * 0.7 for i, sign in ((-1, 1), (0, -1))]
    sides = [*(path + normal), caps[0], *(path - normal)[::-1], caps[1]]
    return [(float(x), float(y)) for x, y in sides]


def _rounded(corners: Sequence[Corner]) -> Points:
    """Sharp corners cut off twice, or the outline around them would fray."""
    path = np.array(corners)
    for radius in (0.08, 0.03):
        path = path[np.linalg.norm(path - np.roll(path, 1, axis=0), axis=1) > 1e-6]
        edges = np.stack([np.roll(path, 1, axis=0) - path, np.roll(path, -1, axis=0) - path])
        lengths = np.linalg.norm(edges, axis=2, keepdims=True)
        sharp = (edges / lengths).prod(axis=0).sum(axis=1) > -0.8  # turns by 37 degrees or more
        cuts = path + edges * np.minimum(radius / lengths, 0.4)
        path = np.concatenate(
            [cuts[:, i] if sharp[i] else path[i : i + 1] for i in range(len(path))]
        )
    return path


# One line a stroke, like a drawing.
# fmt: off
def _star() -> list[Part]:
    radii = [(1.0, 0.5)[step % 2] for step in range(10)]
    points = [(r * sin(pi * k / 5), 0.05 - r * cos(pi * k / 5)) for k, r in enumerate(radii)]
    return [
        _body(points),
        *_dots("shade", (-0.3, 0.2, 0.09, 0.06), (0.3, 0.2, 0.09, 0.06)),
        *_dots("ink", (-0.19, 0.02, 0.07, 0.1), (0.19, 0.02, 0.07, 0.1)),
        *_strokes("ink", 0.055, _oval(0, 0.12, 0.12, 0.1, span=(15, 165))),
    ]

def _heart() -> list[Part]:
    angles = [2 * pi * step / 36 for step in range(36)]
    heights = [13 * cos(a) - 5 * cos(2 * a) - 2 * cos(3 * a) - cos(4 * a) for a in angles]
    outline = [(sin(a) ** 3, -height / 16) for a, height in zip(angles, heights, strict=True)]
    return [_body(outline), *_dots("tint", (-0.5, -0.36, 0.24, 0.13, -45), (-0.66, 0, 0.07, 0.09))]

def _moon() -> list[Part]:
    outer, inner = _oval(0, 0, 1, 1, span=(48, 312)), _oval(0.42, 0, 0.79, 0.79, span=(-70, -290))
    return [_body(outer + inner), *_dots(
        "shade", (-0.62, -0.2, 0.13, 0.13), (-0.55, 0.34, 0.17, 0.17), (-0.2, 0.73, 0.1, 0.1),
        (-0.25, -0.7, 0.1, 0.1))]

def _cloud() -> list[Part]:
    end = _oval(0.62, 0.25, 0.36, 0.3, span=(-90, 90))
    return [
        _body([*end, *((-x, y) for x, y in end[::-1])]), _body(_oval(-0.55, 0.12, 0.42, 0.4)),
        _body(_oval(-0.12, -0.2, 0.5, 0.5)), _body(_oval(0.45, 0.05, 0.45, 0.43)),
        *_dots("tint", (-0.2, -0.32, 0.26, 0.2), (0.42, -0.1, 0.2, 0.17), (-0.6, 0.1, 0.17, 0.1)),
        *_strokes("shade", 0.08, [(-0.55, 0.4), (0, 0.42), (0.5, 0.4)]),
    ]

def _tree() -> list[Part]:
    trunk = [(-0.13, 0.2), (0.13, 0.2), (0.14, 0.8), (0.26, 1), (-0.26, 1), (-0.14, 0.8)]
    return [
        _body(trunk, "wood"), _body(_oval(-0.42, 0.08, 0.42, 0.38)),
        _body(_oval(0.42, 0.08, 0.42, 0.38)), _body(_oval(0, -0.42, 0.52, 0.52)),
        _body(_oval(0, 0.1, 0.5, 0.3)),
        *_dots("tint", (-0.2, -0.62, 0.15, 0.11), (-0.55, 0, 0.13, 0.1), (0.18, -0.3, 0.13, 0.1)),
        *_dots("shade", (0.5, 0.22, 0.17, 0.11), (-0.15, 0.22, 0.16, 0.1), (0.3, -0.62, 0.1, 0.08)),
    ]

def _flower() -> list[Part]:
    stalk = _line(_smooth([(0, 0.0), (0.05, 0.5), (0, 0.98)], closed=False), 0.11)
    blade = _smooth([(0.03, 0.85), (0.2, 0.55), (0.56, 0.5), (0.38, 0.76)])
    around = [(cos(radians(turn)), sin(radians(turn)), turn) for turn in range(-90, 270, 60)]
    return [
        _body(stalk, "stem"), *_both(_body(blade, "stem")),
        *(_body(_oval(0.4 * x, 0.4 * y - 0.35, 0.28, 0.22, turn)) for x, y, turn in around),
        *_dots("shade", *((0.42 * x, 0.42 * y - 0.35, 0.15, 0.045, turn) for x, y, turn in around)),
        *_dots("shade", (0, -0.35, 0.2, 0.2)), *_dots("pale", (0, -0.35, 0.15, 0.15)),
    ]

def _leaf() -> list[Part]:
    half = [(0, -0.98), (0.42, -0.55), (0.6, 0.02), (0.4, 0.45), (0, 0.66)]
    veins = [[(0, y), (0.22, y - 0.16), (0.38, y - 0.3)] for y in (0.42, 0.12, -0.18)]
    return [
        _body(_line([(0, 0.5), (0.02, 0.75), (0.1, 1.0)], 0.11), "shade"),
        _body(_smooth([*half, *((-x, y) for x, y in half[-2:0:-1])])),
        _detail([(0, -0.9), (-0.38, -0.5), (-0.53, 0.02), (-0.35, 0.42), (0, 0.6)], "tint"),
        *_strokes("shade", 0.085, [(0, -0.75), (0, 0.6)]),
        *_both(*_strokes("shade", 0.06, *veins)),
    ]

def _mushroom() -> list[Part]:
    stalk = [(-0.2, 0), (0.2, 0), (0.22, 0.5), (0.32, 0.92), (0, 0.98), (-0.32, 0.92), (-0.22, 0.5)]
    cap = _oval(0, 0.12, 0.98, 1.05, span=(180, 360)) + _oval(0, 0.12, 0.98, 0.2, span=(0, 180))
    return [
        _body(_smooth(stalk), "pale"), _body(cap), *_dots("shade", (0, 0.16, 0.72, 0.1)),
        *_dots("pale", (-0.5, -0.22, 0.15, 0.17), (0.06, -0.58, 0.17, 0.14)),
        *_dots("pale", (0.52, -0.16, 0.14, 0.17), (0.05, -0.1, 0.13, 0.12)),
    ]

def _apple() -> list[Part]:
    half = [(0, -0.48), (0.4, -0.6), (0.8, -0.3), (0.84, 0.1), (0.58, 0.7), (0.24, 0.9), (0, 0.84)]
    return [
        _body(_smooth([(0.06, -0.66), (0.25, -0.93), (0.62, -0.92), (0.42, -0.68)]), "stem"),
        _body(_smooth([*half, *((-x, y) for x, y in half[-2:0:-1])])),
        _body(_line([(0, -0.42), (-0.02, -0.68), (-0.1, -0.94)], 0.1, 0.13), "wood"),
        *_dots("shade", (0, -0.45, 0.2, 0.06)), *_dots("tint", (-0.5, -0.16, 0.13, 0.24, 18)),
    ]

def _carrot() -> list[Part]:
    half = [(0, -0.42), (0.32, -0.36), (0.36, -0.1), (0.22, 0.42), (0.05, 0.96)]
    fronds = [_smooth([(0, -0.38), (x / 2, -0.7), (x, y)], closed=False)
              for x, y in ((-0.36, -0.86), (0.36, -0.86), (0, -0.98))]
    rings = [(-0.33, -0.14), (-0.08, -0.09)], [(0.28, 0.1), (0.06, 0.15)], [(-0.2, 0.36), (0, 0.4)]
    return [
        *(_body(_line(frond, 0.12, 0.2), "stem") for frond in fronds),
        _body(_smooth([*half, *((-x, y) for x, y in half[:0:-1])])),
        *_dots("tint", (-0.17, 0.05, 0.05, 0.2, 8)), *_strokes("shade", 0.055, *rings),
    ]

def _fish() -> list[Part]:
    tail = [(0.42, 0), (0.72, -0.3), (0.98, -0.48), (0.86, 0), (0.98, 0.48), (0.72, 0.3)]
    scales = (0, -0.16), (0, 0.16), (0.22, 0), (0.42, -0.1), (0.42, 0.1)
    return [
        _body(_smooth(tail), "shade"),
        _body(_smooth([(-0.3, -0.35), (0, -0.72), (0.32, -0.62), (0.35, -0.25)]), "shade"),
        _body(_oval(-0.2, 0, 0.78, 0.48)), *_dots("tint", (-0.25, 0.24, 0.5, 0.16)),
        *_strokes("shade", 0.05, *(_oval(x, y, 0.1, 0.11, span=(-80, 80)) for x, y in scales)),
        *_strokes("shade", 0.06, _oval(-0.58, 0, 0.2, 0.36, span=(-70, 70))),
        _detail(_smooth([(-0.22, 0.1), (0.1, 0.16), (0.02, 0.36)]), "shade"),
        *_dots("pale", (-0.66, -0.12, 0.13, 0.13)), *_dots("dark", (-0.69, -0.12, 0.07, 0.08)),
        *_strokes("ink", 0.05, [(-0.95, 0.12), (-0.82, 0.15)]),
    ]

def _bird() -> list[Part]:
    trunk = [(-0.62, -0.62), (-0.25, -0.78), (0.05, -0.5), (0.3, -0.12), (0.62, 0.12), (0.4, 0.5),
             (-0.05, 0.66), (-0.52, 0.46), (-0.72, 0), (-0.78, -0.35)]
    wing = [(-0.32, -0.06), (0.05, -0.18), (0.5, 0.1), (0.68, 0.34), (0.2, 0.42), (-0.2, 0.26)]
    legs = [[(x, 0.6), (x - 0.02, 0.95), (x - 0.16, 0.95)] for x in (-0.14, 0.14)]
    return [
        *(_body(_line(leg, 0.07), "wood") for leg in legs),
        _body([(0.4, 0.08), (0.98, -0.18), (0.98, 0.2), (0.42, 0.42)], "shade"),
        _body([(-0.7, -0.5), (-1.0, -0.3), (-0.72, -0.24)], "wood"), _body(_smooth(trunk)),
        *_dots("tint", (-0.42, 0.2, 0.26, 0.28)), _detail(_smooth(wing), "shade"),
        *_strokes("main", 0.05, [(0.02, 0.1), (0.45, 0.26)]),
        *_dots("pale", (-0.46, -0.44, 0.12, 0.12)), *_dots("dark", (-0.48, -0.44, 0.07, 0.08)),
    ]

def _cat() -> list[Part]:
    tail = _smooth([(0.3, 0.88), (0.72, 0.86), (0.86, 0.5), (0.74, 0.16)], closed=False)
    trunk = [(-0.42, 0.97), (-0.52, 0.6), (-0.3, 0), (0.3, 0), (0.52, 0.6), (0.42, 0.97)]
    hairs = [(-0.32, -0.14), (-0.86, -0.2)], [(-0.32, -0.08), (-0.86, 0.04)]
    return [
        _body(_line(tail, 0.19, 0.15)), _body(_smooth(trunk)),
        *_both(_body([(-0.57, -0.38), (-0.55, -1.0), (-0.1, -0.72)])),
        _body(_oval(0, -0.3, 0.6, 0.48)),
        *_strokes("shade", 0.06, _oval(0, -0.28, 0.52, 0.46, span=(35, 145))),
        *_both(_detail([(-0.47, -0.58), (-0.47, -0.84), (-0.25, -0.7)], "tint")),
        *_both(*_dots("pale", (0.24, -0.36, 0.13, 0.14)), *_dots("dark", (0.22, -0.36, 0.07, 0.1))),
        *_dots("tint", (0, -0.1, 0.17, 0.12)),
        _detail([(-0.08, -0.2), (0.08, -0.2), (0, -0.1)], "ink"),
        *_both(*_strokes("ink", 0.045, *hairs), *_dots("tint", (0.19, 0.9, 0.17, 0.1))),
    ]

def _butterfly() -> list[Part]:
    upper = [(0.04, -0.1), (0.3, -0.72), (0.78, -0.85), (0.98, -0.5), (0.78, -0.08), (0.3, 0.08)]
    lower = [(0.04, 0.05), (0.4, 0.06), (0.76, 0.24), (0.72, 0.66), (0.4, 0.86), (0.14, 0.5)]
    feeler = _smooth([(0.03, -0.5), (0.1, -0.8), (0.28, -0.95)], closed=False)
    return [
        *_both(_body(_smooth(upper)), _body(_smooth(lower))),
        *_both(*_dots("tint", (0.66, -0.5, 0.18, 0.16), (0.48, 0.42, 0.15, 0.16))),
        *_both(*_dots("shade", (0.68, -0.5, 0.09, 0.08), (0.49, 0.43, 0.07, 0.08))),
        *_both(_body(_line(feeler, 0.06), "dark")), _body(_oval(0, 0, 0.11, 0.56), "dark"),
    ]

def _house() -> list[Part]:
    roof = [(-0.98, -0.08), (-0.9, -0.2), (0, -0.98), (0.9, -0.2), (0.98, -0.08)]
    door = [*_oval(-0.28, 0.32, 0.2, 0.18, span=(180, 360)), (-0.08, 0.95), (-0.48, 0.95)]
    return [
        _body([(0.4, -0.9), (0.64, -0.9), (0.64, -0.3), (0.4, -0.3)], "shade"),
        _body([(-0.72, -0.15), (0.72, -0.15), (0.72, 0.95), (-0.72, 0.95)]), _body(roof, "shade"),
        *_strokes("ink", 0.06, [(-0.7, -0.05), (0.7, -0.05)]), _detail(door, "wood"),
        *_dots("pale", (0, -0.42, 0.15, 0.15), (-0.16, 0.64, 0.05, 0.05)),
        _detail([(0.12, 0.2), (0.54, 0.2), (0.54, 0.6), (0.12, 0.6)], "pale"),
        *_strokes("shade", 0.06, [(0.33, 0.2), (0.33, 0.6)], [(0.12, 0.4), (0.54, 0.4)]),
    ]

def _boat() -> list[Part]:
    hull = [(-0.98, 0.4), (-0.5, 0.45), (0.5, 0.45), (0.98, 0.36), (0.82, 0.7), (0.55, 0.92),
            (-0.55, 0.92), (-0.82, 0.7)]
    sail = [(0.08, -0.82), (0.5, -0.3), (0.78, 0.24), (0.4, 0.29), (0.08, 0.28)]
    return [
        _body(_line([(0, -0.9), (0, 0.5)], 0.09), "wood"), _body(_smooth(sail)),
        _body([(-0.1, -0.62), (-0.1, 0.28), (-0.66, 0.28), (-0.4, -0.14)], "tint"),
        _body([(0.02, -0.98), (0.34, -0.9), (0.02, -0.8)], "shade"), _body(_smooth(hull)),
        *_strokes("pale", 0.08, [(-0.8, 0.6), (0, 0.63), (0.8, 0.6)]),
        *_dots("tint", *((x, 0.77, 0.06, 0.06) for x in (-0.4, 0, 0.4))),
        *_strokes("shade", 0.05, [(0.16, 0.06), (0.62, 0.04)]),
    ]

def _car() -> list[Part]:
    cabin = [(-0.62, 0.05), (-0.46, -0.42), (-0.2, -0.52), (0.22, -0.5), (0.42, -0.3), (0.66, 0)]
    chassis = [(-0.96, 0.1), (-0.6, -0.04), (0.6, -0.02), (0.94, 0.12), (0.98, 0.42), (0.6, 0.46),
               (-0.6, 0.46), (-0.98, 0.42)]
    return [
        _body(_smooth(cabin)), _body(_smooth(chassis)),
        *_both(_body(_oval(0.52, 0.42, 0.25, 0.25), "dark")),
        _detail([(-0.46, -0.02), (-0.36, -0.34), (-0.06, -0.38), (-0.06, -0.02)], "pale"),
        _detail([(0.06, -0.02), (0.06, -0.38), (0.26, -0.34), (0.48, -0.02)], "pale"),
        *_strokes("shade", 0.05, [(0, 0.02), (0, 0.38)], [(-0.22, 0.36), (0.22, 0.36)]),
        *_strokes("ink", 0.06, [(0.08, 0.12), (0.2, 0.12)]),
        *_both(*_dots("pale", (0.52, 0.42, 0.12, 0.12))),
        *_dots("pale", (0.88, 0.16, 0.08, 0.1)), *_dots("tint", (-0.9, 0.16, 0.05, 0.08)),
    ]

def _ball() -> list[Part]:
    side = _oval(0, 0, 0.98, 0.98, span=(-90, 90)) + _oval(0, 0, 0.8, 0.98, span=(90, -90))
    return [
        _body(_oval(0, 0, 0.98, 0.98)),
        *_dots("tint", (0, 0, 0.25, 0.98)), *_both(_detail(side, "tint")),
        *_dots("shade", (0, -0.9, 0.16, 0.08), (0, 0.9, 0.16, 0.08)),
        *_dots("pale", (-0.5, -0.42, 0.1, 0.17, 35)),
    ]

def _cup() -> list[Part]:
    wall = [(-0.78, -0.62), (0.5, -0.62), (0.46, 0.5), (0.34, 0.74), (0.1, 0.82), (-0.38, 0.82),
            (-0.62, 0.74), (-0.74, 0.5)]
    return [
        _body(_line(_oval(0.46, 0.02, 0.42, 0.42, span=(-88, 88)), 0.2)), _body(wall),
        _body(_oval(-0.14, -0.62, 0.64, 0.18)), *_dots("wood", (-0.14, -0.61, 0.54, 0.12)),
        _detail([(-0.765, -0.1), (0.483, -0.1), (0.472, 0.2), (-0.755, 0.2)], "tint"),
        *_dots("main", *((x, 0.05, 0.1, 0.1) for x in (-0.5, -0.14, 0.22))),
    ]

def _key() -> list[Part]:
    return [
        _body([(-0.1, -0.22), (0.1, -0.22), (0.1, 0.95), (0, 0.99), (-0.1, 0.95)]),
        _body([(0.02, 0.5), (0.34, 0.5), (0.34, 0.65), (0.02, 0.65)]),
        _body([(0.02, 0.76), (0.42, 0.76), (0.42, 0.91), (0.02, 0.91)]),
        _ring(0, -0.55, 0.43, 0.19, "main"), _body(_oval(0, -0.13, 0.2, 0.08), "shade"),
        *_strokes("tint", 0.07, _oval(0, -0.55, 0.34, 0.34, span=(170, 260))),
        *_strokes("tint", 0.05, [(-0.04, 0.05), (-0.04, 0.85)]),
    ]

def _bell() -> list[Part]:
    half = [(0, -0.78), (0.34, -0.66), (0.5, -0.3), (0.56, 0.12), (0.86, 0.52), (0, 0.56)]
    return [
        _body(_oval(0, 0.74, 0.2, 0.2), "shade"), _ring(0, -0.82, 0.17, 0.08, "shade"),
        _body(_smooth([*half, *((-x, y) for x, y in half[-2:0:-1])])),
        _body(_line([(-0.8, 0.56), (0, 0.6), (0.8, 0.56)], 0.2)),
        *_strokes("shade", 0.06, [(-0.66, 0.42), (0, 0.46), (0.66, 0.42)]),
        *_strokes("tint", 0.1, [(-0.28, -0.48), (-0.33, -0.23), (-0.38, 0.0), (-0.44, 0.18)]),
    ]

def _hat() -> list[Part]:
    crown = [(-0.5, 0.5), (-0.58, -0.62), (-0.3, -0.72), (0.3, -0.72), (0.58, -0.62), (0.5, 0.5)]
    ribbon = [(-0.545, 0.1), (0, 0.16), (0.545, 0.1), (0.515, 0.38), (0, 0.46), (-0.515, 0.38)]
    return [
        _body(_oval(0, 0.5, 0.98, 0.24)), _body(crown), _body(_oval(0, -0.64, 0.58, 0.15)),
        _detail(_oval(0, 0.42, 0.5, 0.11, span=(0, 180)), "main"), _detail(ribbon, "shade"),
        *_dots("tint", (0, -0.64, 0.48, 0.09)), *_dots("pale", (0.3, 0.27, 0.13, 0.1, 35)),
        *_strokes("tint", 0.08, [(-0.4, -0.4), (-0.37, -0.04)]),
    ]

def _umbrella() -> list[Part]:
    hem = [(x + 0.245 * cos(radians(a)), 0.06 - 0.13 * sin(radians(a)))
           for x in (0.735, 0.245, -0.245, -0.735) for a in range(0, 181, 30)]
    pole = [(0, -0.2), (0, 0.7), *_oval(-0.16, 0.74, 0.16, 0.2, span=(15, 190))]
    ribs = [_oval(0, 0.06, 0.49, 0.9, span=span) for span in ((180, 270), (270, 360))]
    return [
        _body(_line([(0, -0.98), (0, -0.8)], 0.09), "wood"), _body(_line(pole, 0.1), "wood"),
        _body([*_oval(0, 0.06, 0.98, 0.9, span=(180, 360)), *hem]),
        _detail([(0, -0.84), *ribs[1], *hem[7:14], (0, 0)], "tint"),
        *_strokes("shade", 0.045, *ribs, [(0, -0.82), (0, 0)]),
    ]

def _book() -> list[Part]:
    cover = [(-0.62, -0.86), (0.56, -0.86), (0.56, 0.66), (-0.62, 0.66)]
    back = [(-0.74, -0.72), (0.74, -0.72), (0.74, 0.94), (-0.58, 0.94), (-0.74, 0.8)]
    pages = [(-0.6, 0.64), (0.56, 0.64), (0.56, -0.8), (0.68, -0.7), (0.68, 0.84), (-0.52, 0.84)]
    spine = [(-0.74, -0.7), (-0.6, -0.86), (-0.5, -0.86), (-0.5, 0.66), (-0.6, 0.66), (-0.74, 0.8)]
    return [
        _body(back, "shade"), _body(cover), _detail(pages, "pale"),
        *_strokes("ink", 0.035, [(-0.52, 0.74), (0.62, 0.74)]),
        _detail(cover, "main"), _body(spine, "shade"),
        _detail([(-0.26, -0.6), (0.36, -0.6), (0.36, -0.16), (-0.26, -0.16)], "tint"),
        *_strokes("shade", 0.065, [(-0.14, -0.46), (0.24, -0.46)], [(-0.06, -0.3), (0.16, -0.3)]),
        _detail([(0.2, 0.62), (0.36, 0.62), (0.36, 0.98), (0.28, 0.9), (0.2, 0.98)], "tint"),
    ]

_SHAPES: dict[Kind, tuple[Callable[[], list[Part]], float]] = {
    "star": (_star, 20), "heart": (_heart, 15), "moon": (_moon, 25), "cloud": (_cloud, 6),
    "tree": (_tree, 6), "flower": (_flower, 14), "leaf": (_leaf, 40), "mushroom": (_mushroom, 12),
    "apple": (_apple, 14), "carrot": (_carrot, 30), "fish": (_fish, 15), "bird": (_bird, 8),
    "cat": (_cat, 6), "butterfly": (_butterfly, 25), "house": (_house, 5), "boat": (_boat, 8),
    "car": (_car, 6), "ball": (_ball, 60), "cup": (_cup, 8), "key": (_key, 40),
    "bell": (_bell, 15), "hat": (_hat, 12), "umbrella": (_umbrella, 15), "book": (_book, 12),
}
# fmt: on
