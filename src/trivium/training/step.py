"""One optimizer step over micros, equal to one big batch.

Sums are divided by counts of the whole step. Pairs are compared over the whole step: embeddings of
all micros are made without gradients, the loss is computed once, and each micro is run again with
its gradient put in (GradCache). Dropout is seeded by step and micro, so that the second run makes
the same numbers as the first. A device with one micro has its embeddings still, and runs it once.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trivium.data.batch import Batch
from trivium.errors import TriviumError
from trivium.objectives.terms import Pairs, Term
from trivium.runtime import derive_seed
from trivium.training.place import Place, is_sharded

Parts = Mapping[str, Batch]
Terms = Mapping[str, Term | Pairs]


@dataclass(frozen=True)
class StepSeed:
    """Where dropout of a step comes from."""

    run: int
    step: int

    def begin(self, micro: int) -> None:
        """Seed torch for a micro, counted over all devices."""
        torch.manual_seed(derive_seed(self.run, "dropout", self.step, micro))


def train_step(
    model: nn.Module,
    micros: Sequence[Parts],
    weights: Mapping[str, float],
    seed: StepSeed,
    place: Place | None = None,
    bf16: bool = False,
) -> dict[str, float]:
    """Gradients of the weighted losses of a step, left in the parameters; the losses by name.

    With several devices `model` averages gradients over them (DDP, FSDP2); what is made here is
    the gradient of this device's share times their number, so that the average is the sum.
    """
    place = place or Place()
    counts = total_counts(micros, tuple(weights), place)
    if is_sharded(model):
        _check_alike(micros, tuple(weights), place)
    numbers = [place.rank + place.world * i for i in range(len(micros))]
    cached: dict[str, _Cached] = {}
    if len(micros) > 1:
        cached = _cache_pairs(model, micros, numbers, tuple(weights), seed, place, bf16)
    sums: dict[str, Tensor] = {}
    for i, (parts, number) in enumerate(zip(micros, numbers, strict=True)):
        with _synchronised(model, last=i == len(micros) - 1):
            seed.begin(number)
            with _precision(bf16, place):
                terms: Terms = model(parts, tuple(weights))
            if len(micros) == 1:
                pairs = {name: [term] for name, term in terms.items() if isinstance(term, Pairs)}
                cached = {name: _compare(own, place) for name, own in pairs.items()}
            shares = _shares(terms, weights, counts, cached, i)
            total = sum(weights[name] * share for name, share in shares.items())
            (total * place.world).backward()  # type: ignore[union-attr]
        for name, share in shares.items():
            if name not in cached:
                sums[name] = sums.get(name, torch.zeros_like(share)) + share.detach()
    losses = dict(zip(sums, place.total(*map(float, sums.values())), strict=True))
    return losses | {name: pairs.loss for name, pairs in cached.items()}


def total_counts(
    micros: Sequence[Parts], active: tuple[str, ...], place: Place
) -> dict[str, float]:
    """What each active objective counts over all micros of all devices, before any backward."""
    own = [
        sum(batch.counts.get(name, 0) for parts in micros for batch in parts.values())
        for name in active
    ]
    return dict(zip(active, place.total(*own), strict=True))


def _check_alike(micros: Sequence[Parts], active: tuple[str, ...], place: Place) -> None:
    """Refuse a step in which a device has nothing for layers that others wait in for it."""
    lacking = [
        float(sum(all(name not in batch.counts for batch in parts.values()) for parts in micros))
        for name in active
    ]
    for name, count in zip(active, place.total(*lacking), strict=True):
        if count:
            raise TriviumError(
                f"{count:.0f} micros of a step have no row for {name!r}, and under fsdp devices "
                "wait for one another in every layer; leave such rows out, or take ddp"
            )


@dataclass(frozen=True)
class _Cached:
    """The loss of all pairs of a step, and what its gradient is at each embedding of ours."""

    loss: float
    grads: list[tuple[Tensor, Tensor, Tensor]]  # for each micro: a, b, scale


def _cache_pairs(
    model: nn.Module,
    micros: Sequence[Parts],
    numbers: Sequence[int],
    active: tuple[str, ...],
    seed: StepSeed,
    place: Place,
    bf16: bool,
) -> dict[str, _Cached]:
    """Embed everything, compare everything, and keep the gradients at the embeddings."""
    made: dict[str, list[Pairs]] = {}
    names = _pair_names(model, active)
    if not names:
        return {}
    with torch.no_grad():
        for parts, number in zip(micros, numbers, strict=True):
            seed.begin(number)
            with _precision(bf16, place):
                terms: Terms = model(parts, names)
            for name, term in terms.items():
                if isinstance(term, Pairs):
                    made.setdefault(name, []).append(term)
    return {name: _compare(pairs, place) for name, pairs in made.items()}


def _compare(pairs: list[Pairs], place: Place) -> _Cached:
    sizes = [len(p.a) for p in pairs]
    a, own_a = _gather(_wide(torch.cat([p.a.detach() for p in pairs])), place)
    b, own_b = _gather(_wide(torch.cat([p.b.detach() for p in pairs])), place)
    ids, _ = _gather(torch.cat([p.ids for p in pairs]), place)
    scale = _wide(pairs[0].scale.detach())
    leaves = [tensor.requires_grad_() for tensor in (a, b, scale)]
    with torch.enable_grad():
        loss = Pairs(leaves[0], leaves[1], ids, leaves[2], pairs[0].loss).value()
        grad_a, grad_b, grad_scale = torch.autograd.grad(loss, leaves)
    # Every device computes the same whole loss: the scale's gradient is split evenly, so that
    # the sum over micros and devices is the gradient and not a multiple of it.
    part = grad_scale / (len(pairs) * place.world)
    pieces = zip(torch.split(grad_a[own_a], sizes), torch.split(grad_b[own_b], sizes), strict=True)
    return _Cached(float(loss.detach()), [(x, y, part) for x, y in pieces])


def _shares(
    terms: Terms,
    weights: Mapping[str, float],
    counts: Mapping[str, float],
    cached: Mapping[str, _Cached],
    micro: int,
) -> dict[str, Tensor]:
    """This micro's part of each loss of the step; of cached pairs only the gradient is right."""
    if terms.keys() != weights.keys():
        raise TriviumError(f"the system was asked for {sorted(weights)} and gave {sorted(terms)}")
    shares: dict[str, Tensor] = {}
    for name, term in terms.items():
        if isinstance(term, Term):
            if counts[name] <= 0:
                raise TriviumError(
                    f"prepare counted {counts[name]:g} items for {name!r}: no row of this step has "
                    "what it needs; leave such rows out with `where`"
                )
            shares[name] = term.sum / counts[name]
        elif name not in cached:
            raise TriviumError(f"{name!r} gave pairs, and is not among the pair objectives")
        else:
            pairs = zip((term.a, term.b, term.scale), cached[name].grads[micro], strict=True)
            products = [(_wide(tensor) * grad).sum() for tensor, grad in pairs]
            shares[name] = torch.stack(products).sum()
    return shares


def _pair_names(model: nn.Module, active: tuple[str, ...]) -> tuple[str, ...]:
    """The active objectives that compare pairs; a system lists them in `pair_objectives`."""
    bare = getattr(model, "module", model)
    names = getattr(bare, "pair_objectives", ())
    return tuple(name for name in active if name in names)


def _gather(own: Tensor, place: Place) -> tuple[Tensor, slice]:
    """Rows of all devices, and where ours are; devices may have unequal numbers of rows."""
    if place.world == 1:
        return own, slice(0, len(own))
    sizes = [torch.zeros(1, dtype=torch.int64, device=own.device) for _ in range(place.world)]
    dist.all_gather(sizes, torch.tensor([len(own)], device=own.device))
    lengths = [int(size) for size in sizes]
    padded = own.new_zeros(max(lengths), *own.shape[1:])
    padded[: len(own)] = own
    rows = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(rows, padded)
    start = sum(lengths[: place.rank])
    whole = torch.cat([row[:length] for row, length in zip(rows, lengths, strict=True)])
    return whole, slice(start, start + len(own))


def _precision(bf16: bool, place: Place) -> AbstractContextManager[None]:
    kind = torch.device(place.device).type
    return torch.autocast(kind, torch.bfloat16, enabled=bf16)


def _wide(tensor: Tensor) -> Tensor:
    """Comparisons are made in float32 at least."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _synchronised(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Devices meet at the last micro of a step only."""
    if is_sharded(model):
        model.set_requires_gradient_sync(last)  # type: ignore[operator]
        return nullcontext()
    no_sync: Callable[[], AbstractContextManager[None]] | None = getattr(model, "no_sync", None)
    if last or no_sync is None:
        return nullcontext()
    return no_sync()
