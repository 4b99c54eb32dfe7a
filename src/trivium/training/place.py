"""Which device of how many this process is, as torchrun says it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Place:
    """One of `world` devices."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait for all devices."""
        if self.world > 1:
            dist.barrier()


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
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Place(rank, world, device)
    finally:
        dist.destroy_process_group()
