"""Dynamic time warping of many pairs at once, an anti-diagonal of all of them at a time."""

import torch
from torch import Tensor


def warp(costs: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of P pairs, each the mean cost along the cheapest path; and if sides are swapped.

    `costs` is (N, M, P), pair p filling its first `rows[p]` and `columns[p]`. Going back from the
    end, a path prefers the diagonal to the left and the left to above where they cost the same;
    so swapping sides can change its length, though never its cost.
    """
    height, width, pairs = costs.shape
    total = costs.new_full((height + 1, width + 1, pairs), torch.inf)
    total[0, 0] = 0
    total[1:, 1:] = costs
    steps = torch.zeros((2, height + 1, width + 1, pairs), dtype=torch.int16, device=costs.device)
    for place in range(2, height + width + 1):
        first, last = max(1, place - width), min(height, place - 1)

        def band(of: Tensor, up: int, left: int, first: int = first, last: int = last,
                 place: int = place) -> Tensor:  # fmt: skip
            """Entries (i - up, place - i - left) for i from `first` to `last`: (..., i, P)."""
            start = ((first - up) * (width + 1) + place - first - left) * pairs
            shape = (*of.shape[:-3], last - first + 1, pairs)
            strides = (*of.stride()[:-3], width * pairs, 1)
            return of.as_strided(shape, strides, of.storage_offset() + start)

        above, left, diagonal = band(total, 1, 0), band(total, 0, 1), band(total, 1, 1)
        side = torch.minimum(above, left)
        band(total, 0, 0).add_(torch.minimum(side, diagonal))
        go_left = torch.stack((left <= above, left < above))
        aside = torch.where(go_left, band(steps, 0, 1), band(steps, 1, 0))
        taken = torch.where(diagonal <= side, band(steps, 1, 1), aside)
        torch.add(taken, 1, out=band(steps, 0, 0))
    ends = torch.arange(pairs, device=costs.device)
    found = total[rows, columns, ends] / steps[:, rows, columns, ends]
    return found[0], found[1]
