"""The machine a run stands on: seeds, devices, threads, what is installed."""

import hashlib
import importlib.metadata
import operator
import os
import platform
import resource
import shutil
import sys
from pathlib import Path


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
