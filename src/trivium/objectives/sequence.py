"""Losses on sequences that are not aligned: CTC, and what is read out of its frames."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trivium.data.batch import Ragged
from trivium.errors import TriviumError

BLANK = 0  # the first score of a frame; the alphabet begins behind it


def ctc_loss(frames: Ragged, targets: Ragged) -> Tensor:
    """Minus the log-likelihood of the targets, summed over a batch.

    Needs: `frames` (B, T, V) of scores with the blank first, `targets` (B, L) of numbers from 1.
    A text that cannot fit its frames (more characters, and blanks between equal ones, than frames)
    counts 0 and has no gradient.

    Formula, over all paths p of T frames that become y when repeats, then blanks, are taken out:

        L = - sum_b log sum_{p -> y_b} prod_t softmax(frames_bt)[p_t]

    Paper: Graves et al. 2006.

    >>> import torch
    >>> certain = torch.full((1, 3, 3), -30.0)
    >>> certain[0, [0, 1, 2], [1, 0, 2]] = 30.0  # a, blank, b
    >>> frames = Ragged(certain, torch.tensor([3]))
    >>> ctc_loss(frames, Ragged(torch.tensor([[1, 2]]), torch.tensor([2]))).item() < 1e-6
    True
    """
    with torch.autocast(frames.data.device.type, enabled=False):
        logs = F.log_softmax(frames.data.float(), dim=-1).transpose(0, 1)  # (T, B, V)
        return F.ctc_loss(
            logs, targets.data, frames.lengths, targets.lengths,
            blank=BLANK, reduction="sum", zero_infinity=True,
        )  # fmt: skip


def greedy(frames: Ragged) -> list[list[int]]:
    """The likeliest numbers of each row, repeats and then blanks taken out."""
    best = frames.data.argmax(-1).cpu()
    rows = Ragged(best, frames.lengths.cpu()).rows()
    return [
        [number for number in torch.unique_consecutive(row).tolist() if number != BLANK]
        for row in rows
    ]


def squeeze(text: str, alphabet: str) -> NDArray[np.int64]:
    """The numbers of a text's characters, from 1; lower case, others than the alphabet's left out.

    >>> squeeze("A b!", " ab").tolist()
    [2, 1, 3]
    """
    known = (alphabet.find(letter) for letter in text.lower())
    return np.array([place + 1 for place in known if place >= 0], np.int64)


def prefix_beam(frames: Ragged, beam: int) -> list[list[int]]:
    """The numbers that are likeliest over all paths that become them, as far as a beam sees.

    `frames` are scores as for `ctc_loss`. After each frame `beam` beginnings are kept, and of a
    frame its `beam` likeliest numbers are tried. With a beam as wide as there are beginnings it is
    exact.

    Paper: Hannun et al. 2014 (1408.2873), without a language model.
    """
    if beam < 1:
        raise TriviumError(f"a beam of {beam} beginnings keeps none; expected 1 or more")
    logs = F.log_softmax(frames.data.cpu().double(), dim=-1)
    rows = Ragged(logs, frames.lengths.cpu()).rows()
    return [_best_beginning(row.numpy(), beam) for row in rows]


def _best_beginning(logs: NDArray[np.float64], beam: int) -> list[int]:
    """Of one row (T, V); each beginning has what ends with a blank and what does not."""
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for scores in logs:
        frame = scores.tolist()
        tried = [int(n) for n in np.argsort(-scores, kind="stable")[: beam + 1] if n != BLANK]
        found: dict[tuple[int, ...], list[float]] = {}
        for beginning, (blank, other) in kept.items():
            both = _both((blank, other))
            last = beginning[-1] if beginning else BLANK
            _add(found, beginning, 0, both + frame[BLANK])
            if beginning:
                _add(found, beginning, 1, other + frame[last])
            for number in tried:
                # After itself a number is new only where a blank stood between.
                before = blank if number == last else both
                _add(found, (*beginning, number), 1, before + frame[number])
        best = sorted(found, key=lambda name: -_both(found[name]))[:beam]
        kept = {name: (found[name][0], found[name][1]) for name in best}
    return list(next(iter(kept)))  # the best stands first


def _both(logs: Sequence[float]) -> float:
    """The logarithm of the sum of two numbers whose logarithms these are."""
    low, high = sorted(logs)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _add(
    found: dict[tuple[int, ...], list[float]], beginning: tuple[int, ...], kind: int, log: float
) -> None:
    sums = found.setdefault(beginning, [-math.inf, -math.inf])
    sums[kind] = _both((sums[kind], log))
