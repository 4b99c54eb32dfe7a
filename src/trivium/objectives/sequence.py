"""Losses on sequences that are not aligned: CTC, and what is read out of its frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trivium.data.batch import Ragged

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
