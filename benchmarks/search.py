"""Exact search beside plain numpy and, where it is installed, faiss: times, memory, and agreement.

    python benchmarks/search.py --items 100000 --width 256

Vectors are drawn around random centres, so that the nearest are near. The table is a library's own:
it is written, opened and searched; only the model is left out.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from trivium.data.store import Table
from trivium.library import items
from trivium.library.exact import Exact, _quickest
from trivium.library.items import Items
from trivium.runtime import cores, machine, peak_memory_bytes, version_of

COMMIT = 65_536


def made(count: int, width: int, seed: int) -> np.ndarray:
    """Unit vectors around centres that every seed shares."""
    centres = np.random.default_rng(0).standard_normal((1_000, width), np.float32)
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors += rng.standard_normal((count, width), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def build(folder: Path, vectors: np.ndarray) -> Path:
    """The table of a library that holds these vectors."""
    path = folder / items.TABLE
    for start in range(0, len(vectors), COMMIT):
        part = vectors[start : start + COMMIT].astype(np.float16)
        numbers = range(start, start + len(part))
        rows = [
            {"id": f"made/{number:09}", "kind": ("speech", "picture")[number % 2],
             "source": "made", "language": ("en", "hi", "ja")[number % 3],
             "seconds": float(number % 10)}
            for number in numbers
        ]  # fmt: skip
        items.put(path, rows, part)
    return path


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """The shortest and the middle of several times, in milliseconds; one before is not counted."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - start))
    return min(taken), sorted(taken)[times // 2]


def told(name: str, single: tuple[float, float], batch: tuple[float, float], size: int) -> None:
    """A line of the table."""
    rate = 1e3 * size / batch[1]
    print(f"{name:<28}{single[0]:>10.2f}{single[1]:>10.2f}{batch[1]:>12.0f}{rate:>12,.0f}")


def plain(vectors: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """Search as one writes it with numpy."""
    scores = queries @ vectors.T
    best = np.argpartition(-scores, count, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def measure(opened: Items, queries: np.ndarray, count: int, times: int) -> np.ndarray:
    """Print what a search costs, unfiltered and filtered; the places found."""
    exact = opened.exact
    found = exact.search(queries, count)

    def filtered() -> None:
        exact.search(
            queries[:1], count, opened.matching("speech", "language = 'hi' and seconds < 5")
        )

    single = timed(lambda: exact.search(queries[:1], count), times)
    batch = timed(lambda: exact.search(queries, count), max(3, times // 5))
    told("trivium", single, batch, len(queries))
    told("  with a filter", timed(filtered, times), (np.nan, np.nan), 1)
    told("  with what is told of them",
         timed(lambda: opened.told(exact.search(queries[:1], count)[0][0].tolist()), times),
         (np.nan, np.nan), 1)  # fmt: skip
    return np.stack([places for places, _ in found])


def main() -> None:
    """Build, search, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--times", type=int, default=25)
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(machine() | {"threads": options.threads, "load": load}, f"torch {version_of('torch')}")
    true = made(options.items, options.width, 1)
    queries = made(options.queries, options.width, 2)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = build(Path(folder), true)
        print(f"write the table: {time.perf_counter() - start:.2f} s")
        before, start = peak_memory_bytes(), time.perf_counter()
        opened = Items.read(Table(path))
        exact = opened.exact
        print(f"open it: {time.perf_counter() - start:.2f} s, {_megabytes(exact):,.0f} MB held, "
              f"peak {(peak_memory_bytes() - before) / 1e6:,.0f} MB more; on {exact._device}, "
              f"rounded to {_quickest(exact._device)}")  # fmt: skip
        print(f"{options.items:,} x {options.width}, {options.count} of each, "
              f"{options.queries} queries in a batch")  # fmt: skip
        print(f"{'':<28}{'one, ms':>10}{'median':>10}{'batch, ms':>12}{'a second':>12}")
        found = measure(opened, queries, options.count, options.times)
    ours = plain(true, queries, options.count)
    times = max(3, options.times // 5)
    told("numpy float32", timed(lambda: plain(true, queries[:1], options.count), options.times),
         timed(lambda: plain(true, queries, options.count), times), len(queries))  # fmt: skip
    shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), ours.tolist(), strict=True)]
    print(f"of numpy's {options.count} nearest in float32, {np.mean(shared) / options.count:.4%} "
          "are found in float16")  # fmt: skip
    _faiss(true, queries, options)
    print(f"load at the end {os.getloadavg()[0]:.1f}, peak memory of the whole "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")  # fmt: skip


def _megabytes(exact: Exact) -> float:
    return (exact.vectors.nbytes + exact._rounded.nbytes) / 1e6


def _faiss(true: np.ndarray, queries: np.ndarray, options: argparse.Namespace) -> None:
    try:
        import faiss
    except ImportError:
        print("faiss is not installed")
        return
    faiss.omp_set_num_threads(options.threads)
    index = faiss.IndexFlatIP(options.width)
    index.add(true)
    told("faiss flat", timed(lambda: index.search(queries[:1], options.count), options.times),
         timed(lambda: index.search(queries, options.count), max(3, options.times // 5)),
         len(queries))  # fmt: skip


if __name__ == "__main__":
    main()
