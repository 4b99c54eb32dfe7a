"""Which device of how many this process is, and how a system is laid over all of them."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trivium.models.towers.tower import Layered

# One device may measure, or look through a corpus, while the others wait.
PATIENCE = timedelta(hours=3)
COMPILER = "inductor"


@dataclass(frozen=True)
class Place:
    """One of `world` devices."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"
    clock: Callable[[], float] = time.monotonic
    """Seconds; what is done every few minutes goes by the first device's."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU of NVIDIA's."""
        return torch.device(self.device).type == "cuda"

    def meet(self) -> None:
        """Wait for all devices."""
        if self.world > 1:
            dist.barrier()

    def total(self, *values: float) -> list[float]:
        """Each value summed over all devices."""
        if self.world == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums.tolist()]

    def agree(self, wish: bool) -> bool:
        """What the first device wishes."""
        if self.world == 1:
            return wish
        told = torch.tensor([int(wish)], device=self.device)
        dist.broadcast(told, 0)
        return bool(told.item())


@contextmanager
def place_of_process() -> Iterator[Place]:
    """This process among those that `torchrun` started, or alone; a GPU where there is one."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = f"cuda:{local}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(local)
    if world == 1:
        yield Place(device=device)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield Place(rank, world, device)
    finally:
        dist.destroy_process_group()


def shard(system: nn.Module, place: Place, parallel: Literal["ddp", "fsdp"]) -> None:
    """Under FSDP2 give each device its share of every parameter, layer by layer of the towers.

    The parameters are others afterwards, of the same names.
    """
    if parallel == "ddp" or place.world == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(torch.device(place.device).type, (place.world,))
    for layer in tower_layers(system):
        for name, module in layer.named_modules():
            # WavLM's other layers use the distances of the first, outside of its forward.
            if name.endswith("rel_attn_embed"):
                fully_shard(module, mesh=mesh)
        fully_shard(layer, mesh=mesh)
    fully_shard(system, mesh=mesh)


def wrap(system: nn.Module, place: Place) -> nn.Module:
    """What to call so that gradients are averaged over the devices."""
    if place.world == 1 or is_sharded(system):
        return system
    # A phase may leave parameters without a gradient, which DDP must be told to expect. Buffers
    # are alike on all devices, and may be as large as a gallery of pictures.
    return nn.parallel.DistributedDataParallel(
        system, find_unused_parameters=True, broadcast_buffers=False
    )


def is_sharded(system: nn.Module) -> bool:
    """Whether FSDP2 has taken its parameters."""
    return hasattr(system, "set_requires_gradient_sync")


def gathered(tensors: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
    """Whole tensors on the first device, where shards go to its processor; nothing elsewhere.

    Every device must call it.
    """
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        full = getattr(tensor, "full_tensor", None)
        found = tensor if full is None else full()
        if place.is_first:
            whole[name] = found if full is None else found.cpu()
    return whole


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A copy of a whole tensor, laid over the devices as a parameter is."""
    if not hasattr(parameter, "full_tensor"):
        return tensor.to(parameter.device, copy=True)
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(parameter, DTensor):
        raise TypeError(f"{type(parameter).__name__} has full_tensor and is no DTensor")
    mesh, placements = parameter.device_mesh, parameter.placements
    # Every device has read the whole: nothing is to be sent.
    return distribute_tensor(tensor.to(parameter.device), mesh, placements, src_data_rank=None)


def compile_layers(system: nn.Module) -> None:
    """Compile the towers' layers one by one: all of a tower are one compilation."""
    for layer in tower_layers(system):
        layer.compile(backend=COMPILER)


def tower_layers(system: nn.Module) -> list[nn.Module]:
    """The layers of all towers within a system, of published and of our own."""
    found = [tower.layers for tower in system.modules() if isinstance(tower, Layered)]
    return [layer for layers in found for layer in cast("nn.ModuleList", layers)]


@contextmanager
def determined(wanted: bool) -> Iterator[None]:
    """Deterministic kernels only, until the end of the block."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
