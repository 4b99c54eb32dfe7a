"""ABX on made items as many as LibriSpeech's: time to load, within and across, and peak memory.

    python benchmarks/abx.py [--folder FOLDER] [--device cuda]

The features (1.5 GB) are made in the folder if they are not there yet.
"""

import argparse
import os
import resource
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from trivium.tasks.abx.errors import comparisons
from trivium.tasks.abx.frames import locate, read_features, slices
from trivium.tasks.abx.items import read_items

SPEAKERS, FILES, PHONES, ITEMS_PER_FILE = 40, 2_720, 39, 40  # 108,800 items
WORDS, FLATNESS = 2_500, 200  # of a lexicon by Zipf: about 16,000 cells within, 450,000 across
WIDTH, RATE_HZ, PHONE_SECONDS = 768, 50, 0.09
ITEMS = "triphone.item"


def make(folder: Path) -> None:
    """An item file, and for each of its files an array of features."""
    random = np.random.default_rng(0)
    lexicon = [random.integers(PHONES, size=random.integers(2, 7)) for _ in range(WORDS)]
    share = 1 / (np.arange(WORDS) + FLATNESS)
    means = random.standard_normal((PHONES, WIDTH), np.float32)
    lines = ["#file onset offset #phone prev-phone next-phone speaker"]
    length = ITEMS_PER_FILE + 2
    for file in range(FILES):
        words = random.choice(WORDS, length, p=share / share.sum())
        said = np.concatenate([lexicon[word] for word in words])[:length]
        ends = np.cumsum(random.gamma(4.0, PHONE_SECONDS / 4, length).clip(0.03).round(2))
        begins = np.append(0.0, ends[:-1])
        middles = (np.arange(int(ends[-1] * RATE_HZ) + 2) + 0.5) / RATE_HZ
        phone = said[np.searchsorted(ends, middles).clip(max=length - 1)]
        noise = random.standard_normal((len(middles), WIDTH), np.float32)
        np.save(folder / f"f{file}.npy", means[phone] + 6 * noise)
        lines += [
            f"f{file} {begins[own - 1]:.4f} {ends[own + 1]:.4f} "
            f"p{said[own]} p{said[own - 1]} p{said[own + 1]} s{file % SPEAKERS}"
            for own in range(1, length - 1)
        ]
    (folder / ITEMS).write_text("\n".join(lines) + "\n")


class Clock:
    """Seconds since it was made, and those that processors worked: the rest was waiting for one."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        wall, work = time.perf_counter() - self.start[0], time.process_time() - self.start[1]
        return f"{wall:5.1f} s ({work:.1f} s of processors)"


def main() -> None:
    """Make, load, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "abx-made")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if not (chosen.folder / ITEMS).exists():
        make(chosen.folder)
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    clock = Clock()
    items = read_items(chosen.folder / ITEMS)
    counts, frames = read_features(chosen.folder, list(dict.fromkeys(items.file.tolist())))
    sliced = slices(items, Fraction(RATE_HZ), "whole")
    items, first, count = locate(items, counts, sliced, "error")
    frames = frames.to(chosen.device)
    print(f"load   {clock}: {len(items):,} items, {len(frames):,} frames")
    for speakers in ("within", "across"):
        clock = Clock()
        compared = comparisons(items, first, count, (speakers,), any_context=False,
                               max_group=10, max_x_speakers=5, seed=0)  # fmt: skip
        error = 100 * compared.errors(frames)[speakers]
        cells, pairs = len(compared.cells[speakers].x), compared.blocks.total
        print(f"{speakers} {clock}: {cells:,} cells, {pairs:,} pairs of items, error {error:.4f} %")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
