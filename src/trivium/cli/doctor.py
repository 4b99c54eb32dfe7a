"""`trivium doctor`: what this machine has, and what each absence means for the user."""

import importlib.util
import io
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trivium.cli.terminal import console
from trivium.runtime import cores, free_disk_bytes, machine, memory_bytes, version_of
from trivium.version import VERSION

HUB = "https://huggingface.co"
HUB_TIMEOUT_SECONDS = 3.0

# Distributions beside the required ones: the extra that brings each, and what is missed without.
OPTIONAL = {
    "espeakng-loader": ("world", "`trivium world` cannot make voices (GPL-3, so never required)"),
    "faiss-cpu": ("search", "large libraries are searched without an index"),
    "fastapi": ("serve", "`trivium serve` cannot answer"),
    "av": ("serve", "the sound of films and browsers cannot be read"),
    "h5py": ("corpora", "CMU-MOSEI cannot be imported"),
    "lhotse": ("corpora", "lhotse's manifests can be neither read nor written"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    value: str
    means: str = ""


def doctor() -> None:
    """Show versions, devices, memory, disk, codecs and the hub, and what each absence means."""
    rows = [(found.what, found.value, found.means) for found in findings(Path.cwd())]
    console.table(("what", "here", "which means"), rows)


def findings(folder: Path) -> Iterator[Finding]:
    """Everything, in the order it is shown; `folder` is where disk space is asked for."""
    yield Finding("trivium", VERSION)
    yield Finding("python", f"{machine()['python']} on {machine()['system']}")
    for name in (
        "torch",
        "transformers",
        "pylance",
        "pyarrow",
        "numpy",
        "pillow",
        "soundfile",
        "soxr",
    ):
        yield Finding(name, version_of(name) or "missing")
    yield from _devices()
    yield Finding("cores", str(cores()))
    memory = memory_bytes() / 2**30
    yield Finding("memory", f"{memory:.0f} GiB", "" if memory >= 8 else "tight for training")
    disk = free_disk_bytes(folder) / 2**30
    yield Finding("free disk here", f"{disk:.0f} GiB", "" if disk >= 10 else "base needs 10 GiB")
    yield from _codecs()
    for name, (extra, means) in OPTIONAL.items():
        version = version_of(name)
        yield Finding(
            name,
            version or "not installed",
            "" if version else f'{means}; pip install "trivium[{extra}]"',
        )
    yield _hub()


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:  # a build for another system or CUDA
        reason = str(error).splitlines()[0]
        yield Finding("gpu", "unknown", f"torch cannot be loaded ({reason}); install it again")
        return
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield Finding(
            f"gpu {number}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        )
    if torch.backends.mps.is_available():
        yield Finding("gpu", "Apple")
    elif not torch.cuda.is_available():
        built = (
            f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
        )
        yield Finding("gpu", f"none ({built})", "training at world size takes minutes to hours")


def _codecs() -> Iterator[Finding]:
    """Encode a tenth of a second and read it back: a name in a list is no proof."""
    try:
        import numpy as np
        import soundfile
    except (ImportError, OSError) as error:
        yield Finding("sound formats", "none", f"soundfile cannot be loaded ({error})")
        return
    tone = np.sin(np.arange(4_800) / 20).astype(np.float32)
    formats = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"),
               "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III")}  # fmt: skip
    broken = []
    for name, (container, subtype) in formats.items():
        try:
            target = io.BytesIO()
            soundfile.write(target, tone, 48_000, format=container, subtype=subtype)
            soundfile.read(io.BytesIO(target.getvalue()))
        except (soundfile.LibsndfileError, ValueError):
            broken.append(name)
    working = ", ".join(name for name in formats if name not in broken)
    means = f"{', '.join(broken)} files are refused" if broken else ""
    yield Finding("sound formats", working, means)
    if importlib.util.find_spec("torchaudio"):
        yield Finding("torchaudio", version_of("torchaudio") or "", "not needed; must match torch")


def _hub() -> Finding:
    means = "published weights must be fetched elsewhere; everything else works"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Finding("hub", "switched off by HF_HUB_OFFLINE", means)
    host = urlsplit(os.environ.get("HF_ENDPOINT", HUB)).hostname or ""
    start = time.monotonic()
    try:
        socket.create_connection((host, 443), HUB_TIMEOUT_SECONDS).close()
    except OSError as error:
        return Finding("hub", f"{host} not reached ({error.strerror or 'no answer'})", means)
    return Finding("hub", f"{host} reached in {(time.monotonic() - start) * 1000:.0f} ms")
