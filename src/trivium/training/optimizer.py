"""AdamW with a warm-up and a decay, and its state as named tensors."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from trivium.config import Settings
from trivium.errors import SettingsError
from trivium.training.place import like

MOMENTS = ("exp_avg", "exp_avg_sq")
Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(Settings):
    """AdamW, and how its learning rate moves."""

    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    betas: tuple[Share, Share] = (0.9, 0.98)
    """How slowly the two moments forget."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of matrices; vectors (biases, norms, temperatures) never decay."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    decay: Literal["linear", "quadratic", "cosine", "inverse_sqrt", "none"] = "linear"
    """How it falls afterwards."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Share of the peak at the first and the last step."""
    clip: float | None = Field(default=1.0, gt=0)
    """Largest norm of all gradients together."""

    def factor(self, step: int, steps: int) -> float:
        """Share of the peak rate at a step: never 0, so that every step trains."""
        rise = math.ceil(self.warmup * steps)
        if step < rise:
            return self.final + (1 - self.final) * (step + 1) / (rise + 1)
        if self.decay == "none":
            return 1.0
        if self.decay == "inverse_sqrt":
            return self.final + (1 - self.final) * math.sqrt((rise + 1) / (step + 1))
        done = (step - rise + 1) / (steps - rise + 1)
        shapes = {"linear": 1 - done, "quadratic": (1 - done) ** 2,
                  "cosine": (1 + math.cos(math.pi * done)) / 2}  # fmt: skip
        return self.final + (1 - self.final) * shapes[self.decay]


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], settings: OptimizerSettings
) -> torch.optim.AdamW:
    """AdamW over named parameters: matrices decay, vectors do not."""
    matrices = [p for p in parameters.values() if p.ndim > 1]
    vectors = [p for p in parameters.values() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    # One kernel for all parameters where there is one; the same arithmetic.
    fused = all(p.is_cuda for p in parameters.values())
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=fused,
    )  # fmt: skip


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Its state by name: `<parameter>.exp_avg`, `.exp_avg_sq`, `.step`."""
    return {
        f"{name}.{kind}": torch.as_tensor(value).detach()
        for name, parameter in parameters.items()
        for kind, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Put named state back; every name must belong to a parameter."""
    left = dict(tensors)
    fused = bool(optimizer.defaults.get("fused"))  # such a kernel counts steps on its device
    for name, parameter in parameters.items():
        state = {
            kind: left.pop(f"{name}.{kind}")
            for kind in ("step", *MOMENTS)
            if f"{name}.{kind}" in left
        }
        if state:
            step = state.pop("step")
            moments = {kind: like(value, parameter) for kind, value in state.items()}
            moments["step"] = step.to(parameter.device if fused else "cpu", copy=True)
            optimizer.state[parameter] = moments
    if left:
        raise SettingsError(f"the optimizer's state has {min(left)!r}, which is no parameter's")
