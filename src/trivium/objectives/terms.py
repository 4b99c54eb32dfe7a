"""What a system's forward returns for each active objective: a sum, or pairs to be compared.

The loop divides sums by counts taken over all micros and ranks of a step, and compares the pairs
of all micros and ranks with one another, so that neither accumulation nor the number of devices
changes a loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# The loss of whole batches: both sides (N, D), ids (N,) of equal items, scale (1,).
PairLoss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Term:
    """A loss summed over the items that `prepare` counted."""

    sum: Tensor  # ()


@dataclass(frozen=True)
class Pairs:
    """Two views of the same items, row by row; what is compared is every row with every other.

    `ids` says which rows are the same item: they are not one another's negatives. `scale` is the
    inverse temperature, a parameter of the system; it passes through here so that its gradient
    goes the way of every other. `loss` gives the mean loss of all pairs of a step.
    """

    a: Tensor  # (B, D) unit length
    b: Tensor  # (B, D)
    ids: Tensor  # (B,) int64
    scale: Tensor  # (1,)
    loss: PairLoss

    def value(self) -> Tensor:
        """The loss of these pairs alone."""
        return self.loss(self.a, self.b, self.ids, self.scale)
