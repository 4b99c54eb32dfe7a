"""The objective of wav2vec 2.0: tell the code of what was masked from those of other frames.

Baevski et al., "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations"
(2006.11477). What is masked, and which frames are the negatives, is drawn on the host, a row at a
time; the losses take it as input and never wait for the device.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Ragged
from trivium.errors import TriviumError

# How many similarities exist at once: 16 MB of float32.
BLOCK_SIMILARITIES = 1 << 22


class MaskSettings(Settings):
    """What is masked, and what a masked frame is told apart from."""

    share: float = Field(default=0.65, gt=0, le=1)
    """Share of the frames that spans would cover if they did not overlap; about half then do."""
    span: int = Field(default=10, ge=1)
    """Frames of a span."""
    min_spans: int = Field(default=2, ge=1)
    """Spans of an utterance at least."""
    negatives: int = Field(default=100, ge=1)
    """Masked frames of the same utterance that each is told apart from, drawn with replacement."""


def draw_spans(
    frames: int, settings: MaskSettings, generator: np.random.Generator
) -> NDArray[np.int64]:
    """The frames that are masked, in order; at least one, and none behind the last.

    Spans begin at different frames and may overlap. In an utterance shorter than a span they are
    half as long as the utterance, so that something is left to tell the rest from.
    """
    if frames < 1:
        raise TriviumError(f"an utterance of {frames} frames has none to mask")
    span = settings.span if frames >= settings.span else max(1, frames // 2)
    starts = frames - span + 1
    # Rounded up as often as the share wants it, so that the mean is right at every length.
    count = int(settings.share * frames / span + generator.random())
    count = min(max(count, settings.min_spans), max(1, frames // span), starts)
    first = generator.choice(starts, count, replace=False)
    masked = np.zeros(frames, bool)
    masked[first[:, None] + np.arange(span)] = True
    return np.flatnonzero(masked)


def draw_negatives(
    masked: int, settings: MaskSettings, generator: np.random.Generator
) -> NDArray[np.int32]:
    """For each of the masked frames the numbers, among them, of others: (masked, negatives).

    A frame that is masked alone is given itself, which the loss leaves out.
    """
    own = np.arange(masked)[:, None]
    drawn = generator.integers(0, max(1, masked - 1), (masked, settings.negatives))
    return (drawn + (drawn >= own) * (masked > 1)).astype(np.int32)


def draw_masks(
    frames: Sequence[int],
    settings: MaskSettings,
    generator: Callable[[int, str], np.random.Generator],
) -> tuple[Ragged, Ragged]:
    """What is masked of each utterance (B, N), and the negatives of that (B, N, negatives).

    `generator` gives the randomness of a row for a purpose, as `Batch.generator` does: a row's
    masks do not depend on what it stands beside.
    """
    masked = [
        draw_spans(count, settings, generator(row, "mask")) for row, count in enumerate(frames)
    ]
    negatives = [
        draw_negatives(len(own), settings, generator(row, "negatives"))
        for row, own in enumerate(masked)
    ]
    return Ragged.from_rows(masked), Ragged.from_rows(negatives)


def gather_frames(states: Tensor, places: Ragged) -> Tensor:
    """States (B, T, D) at places (B, N) of each row: (B, N, D).

    A mask would do it too, and make the host wait for the device to count.
    """
    return states.gather(1, places.data[..., None].expand(-1, -1, states.shape[-1]))


def covered_frames(places: Ragged, longest: int) -> Tensor:
    """True at the places of each row: (B, longest)."""
    times = torch.zeros(len(places), longest, device=places.data.device)
    return times.scatter_add(1, places.data, places.mask().to(times)) > 0


def contrastive_loss(
    predictions: Tensor,
    targets: Tensor,
    codes: Tensor,
    negatives: Ragged,
    temperature: float = 0.1,
    *,
    block_similarities: int = BLOCK_SIMILARITIES,
) -> Tensor:
    """The loss of finding each masked frame's target, summed over masked frames.

    Needs: of N masked frames of B utterances, `predictions` and `targets` (B, N, D), `codes` (B, N)
    that are equal where targets are the same, `negatives` (B, N, K) as `draw_negatives` gives
    them; rows end where those of `negatives` do. A negative with the target's own code is left out.

    Formula, with s_ij = cos(c_i, q_j) / temperature and N_i the negatives, repeats counted:

        L = sum_i [ log (exp s_ii + sum_{j in N_i} exp s_ij) - s_ii ]

    All similarities within an utterance are one matrix product; a negative is a count on it, and
    no vector is gathered.

    Paper: Baevski et al. 2020 (2006.11477), equation 3.

    >>> import torch
    >>> c = torch.eye(4)[None]
    >>> others = torch.tensor([[[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]])
    >>> negatives = Ragged(others, torch.tensor([4]))
    >>> codes = torch.tensor([[0, 1, 2, 3]])
    >>> contrastive_loss(c, c, codes, negatives).item() < 0.001
    True
    >>> alike = contrastive_loss(torch.ones(1, 4, 4), c, codes, negatives).item()
    >>> chance = chance_contrastive(codes, negatives).item()
    >>> round(alike, 4), round(chance, 4)  # 4 log 4
    (5.5452, 5.5452)
    """
    _check(predictions, targets, codes, negatives)
    with torch.autocast(predictions.device.type, enabled=False):
        wide = torch.promote_types(predictions.dtype, torch.float32)
        a = F.normalize(predictions.to(wide), dim=-1) / temperature
        b = F.normalize(targets.to(wide), dim=-1)
        choices = _Choices(codes, negatives.data, block_similarities)
        total, own = _Sums.apply(a, b, choices)  # type: ignore[no-untyped-call]
        found: Tensor = (total - own).masked_fill(~negatives.mask(), 0).sum()
        return found


def chance_contrastive(codes: Tensor, negatives: Ragged) -> Tensor:
    """What `contrastive_loss` is where all predictions are alike; it has no gradient.

    For each frame the logarithm of how many it is told apart from, itself included: log 101 for
    100 negatives of other codes. A loss that stays here has collapsed, or has not begun to learn.
    """
    choices = _Choices(codes, negatives.data, BLOCK_SIMILARITIES)
    flat = torch.zeros(*codes.shape, 1, device=codes.device)
    total, own = _Sums.apply(flat, flat, choices)  # type: ignore[no-untyped-call]
    found: Tensor = (total - own).masked_fill(~negatives.mask(), 0).sum()
    return found


def diversity_loss(shares: Tensor, masked: Ragged) -> Tensor:
    """How little of the codebooks a batch uses, 0 to 1, times its masked frames.

    Needs: `shares` (B, N, G, V), how likely each entry is at each masked frame. It is a loss of
    the batch: divided by the count of a step it is the mean over micros, weighted by their frames,
    and not what all frames of the step would give together.

    Formula, with p_g the mean share of each entry of codebook g, and H the entropy:

        L = n (G V - sum_g exp H(p_g)) / (G V)

    Paper: Baevski et al. 2020 (2006.11477), equation 4, in the form of the authors' code; the sum
    of exponentials is the perplexity.

    >>> import torch
    >>> even = torch.full((1, 3, 2, 5), 1 / 5)
    >>> abs(diversity_loss(even, Ragged(torch.zeros(1, 3), torch.tensor([3]))).item()) < 1e-5
    True
    """
    groups, entries = shares.shape[-2:]
    used = code_perplexity(shares, masked).sum()
    return masked.lengths.sum() * (groups * entries - used) / (groups * entries)


def code_perplexity(shares: Tensor, masked: Ragged) -> Tensor:
    """How many entries of each codebook a batch uses, (G,), of `shares` (B, N, G, V).

    Formula, with p the mean share of each entry over all masked frames: exp H(p). It is V where
    all are used alike and 1 where one alone is.
    """
    count = masked.lengths.sum()
    mean = (shares * masked.mask()[..., None, None]).sum((0, 1)) / count  # (G, V)
    return (-torch.xlogy(mean, mean).sum(-1)).exp()


def feature_penalty(features: Ragged) -> Tensor:
    """The mean square of each frame's features (B, T, C), summed over frames.

    Paper: the authors' code of 2006.11477, there times 10 on what the convolutions give.
    """
    wide = torch.promote_types(features.data.dtype, torch.float32)
    squares = features.data.to(wide).square().mean(-1)
    return squares.masked_fill(~features.mask(), 0).sum()


def _check(predictions: Tensor, targets: Tensor, codes: Tensor, negatives: Ragged) -> None:
    shapes = [tuple(t.shape) for t in (predictions, targets, codes, negatives.data)]
    fit = predictions.ndim == 3 and negatives.data.ndim == 3 and shapes[0] == shapes[1]
    if not fit or shapes[2] != shapes[0][:2] or shapes[3][:2] != shapes[0][:2]:
        told = ", ".join(map(str, shapes))
        raise TriviumError(
            f"predictions, targets, codes and negatives have the shapes {told}; expected "
            "(B, N, D), (B, N, D), (B, N) and (B, N, K)"
        )


@dataclass(frozen=True)
class _Choices:
    """What each masked frame is told apart from."""

    codes: Tensor  # (B, N)
    negatives: Tensor  # (B, N, K)
    block_similarities: int

    def blocks(self) -> Iterator[slice]:
        """Utterances whose similarities exist at once."""
        batch, longest = self.codes.shape
        rows = max(1, self.block_similarities // max(1, longest * longest))
        for start in range(0, batch, rows):
            yield slice(start, start + rows)

    def logits(self, a: Tensor, b: Tensor, block: slice) -> Tensor:
        """Similarities (R, N, N) plus the logarithm of how often each is a negative.

        The target's own stand on the diagonal as they are.
        """
        similarities = a[block] @ b[block].transpose(1, 2)
        codes, drawn = self.codes[block], self.negatives[block].long()
        # Whole numbers are added up the same in any order.
        times = torch.zeros_like(similarities)
        times.scatter_add_(2, drawn, times.new_ones(()).expand(drawn.shape))
        times.masked_fill_(codes[:, :, None] == codes[:, None], 0)
        times.diagonal(dim1=1, dim2=2).fill_(1)
        return similarities.add_(times.log_())


class _Sums(torch.autograd.Function):
    """Log-sum-exp over each masked frame's choices, and its target's similarity, (B, N) each.

    Only vectors are kept for backward, which makes each block of similarities again.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, choices: _Choices) -> tuple[Tensor, Tensor]:
        """Block by block."""
        total, own = a.new_empty(a.shape[:2]), a.new_empty(a.shape[:2])
        for block in choices.blocks():
            logits = choices.logits(a, b, block)
            total[block] = logits.logsumexp(2)
            own[block] = logits.diagonal(dim1=1, dim2=2)
        ctx.choices = choices
        ctx.save_for_backward(a, b, total)
        return total, own

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_total: Tensor, to_own: Tensor) -> tuple[Tensor, Tensor, None]:
        """The derivative of a log-sum-exp is a softmax."""
        a, b, total = ctx.saved_tensors
        grad_a, grad_b = torch.empty_like(a), torch.empty_like(b)
        with torch.autocast(a.device.type, enabled=False):
            for block in ctx.choices.blocks():
                logits = ctx.choices.logits(a, b, block)
                share = logits.sub_(total[block, :, None]).exp_().mul_(to_total[block, :, None])
                share.diagonal(dim1=1, dim2=2).add_(to_own[block])
                grad_a[block] = share @ b[block]
                grad_b[block] = share.transpose(1, 2) @ a[block]
        return grad_a, grad_b, None
