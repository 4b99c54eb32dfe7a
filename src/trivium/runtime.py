"""The machine a run stands on: seeds, devices, threads, what is installed."""

import hashlib
import importlib.metadata
import operator
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Products in bfloat16 without sparsity, TFLOP/s, by the name that torch gives a device; from the
# makers' data sheets.
PEAK_TFLOPS: dict[str, float] = {
    "NVIDIA B200": 2250,
    "NVIDIA H200": 989,
    "NVIDIA GH200 480GB": 989,
    "NVIDIA H100 80GB HBM3": 989,
    "NVIDIA H100 PCIe": 756,
    "NVIDIA A100-SXM4-80GB": 312,
    "NVIDIA A100-SXM4-40GB": 312,
    "NVIDIA A100 80GB PCIe": 312,
    "NVIDIA A100-PCIE-40GB": 312,
    "NVIDIA L40S": 362,
    "NVIDIA L4": 121,
    "NVIDIA GeForce RTX 4090": 165,
    "NVIDIA GeForce RTX 3090": 71,
}


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from the names and numbers of what is drawn, the same on every machine.

    Masks are drawn from `derive_seed(run_seed, "mask", epoch, row_id)`, dropout from
    `derive_seed(run_seed, "dropout", step, micro)`: nothing depends on rank, worker or order.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        # numpy's whole numbers are the same numbers.
        word = f"s{part}".encode() if isinstance(part, str) else f"i{operator.index(part)}".encode()
        digest.update(len(word).to_bytes(4, "little") + word)
    return int.from_bytes(digest.digest(), "little") >> 1


def cores() -> int:
    """Processor cores this process may use, which in a container is less than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """The most resident memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says is at first that of the process which started this one.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> dict[str, str]:
    """What a dated measurement must name: processor, cores, memory, Python."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": str(cores()),
        "memory": f"{memory_bytes() / 2**30:.0f} GiB",
    }


def memory_bytes() -> int:
    """Physical memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_disk_bytes(path: Path) -> int:
    """Free bytes on the disk that holds `path`, or would."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def peak_flops(device: str, bf16: bool) -> tuple[float, str]:
    """The most products a second that a device does, and where the number is from."""
    import torch

    on_gpu = torch.device(device).type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else ""
    if bf16 and name in PEAK_TFLOPS:
        return PEAK_TFLOPS[name] * 1e12, f"data sheet of {name}"
    kind = torch.bfloat16 if bf16 else torch.float32
    side = 8192 if on_gpu else 1024
    left, right = torch.randn(2, side, side, dtype=kind, device=device)

    def multiply() -> None:
        left @ right
        if on_gpu:
            torch.cuda.synchronize(device)

    words = f"a measured product of {side:,} x {side:,} in {str(kind).removeprefix('torch.')}"
    return best_rate(multiply, 2.0 * side**3), words


def best_rate(
    work: Callable[[], None],
    amount: float,
    clock: Callable[[], float] = time.perf_counter,
    times: int = 5,
) -> float:
    """`amount` over the shortest of several times that `work` took; a first one is not counted."""
    work()
    shortest = float("inf")
    for _ in range(times):
        start = clock()
        work()
        shortest = min(shortest, clock() - start)
    return amount / shortest
