"""Folders and files that are whole or not there, and tensors that are all read or refused.

A checkpoint is a folder that explains itself: `config.json`, `model.safetensors`, `README.md`.
Nothing is ever unpickled.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from trivium.config import Settings
from trivium.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    import torch

CONFIG, TENSORS, README = "config.json", "model.safetensors", "README.md"


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new."""
    with new_file(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file to write, which takes its name only when everything in it is on the disk."""
    _remove_stale(path)
    temporary = _part(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name only when everything in it is on the disk.

    An existing folder of that name is replaced; what a killed writer left behind is removed by
    the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(f".{path.name}.old")
    complete(path)
    shutil.rmtree(old, ignore_errors=True)
    _remove_stale(path)
    temporary = _part(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        _sync(temporary)
        if path.exists():
            # A folder cannot be replaced in one step: the old one steps aside first, and
            # `complete` puts it back if we die between the two renames.
            path.rename(old)
        temporary.rename(path)
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def complete(path: Path) -> Path:
    """`path`, after undoing what a crash in the middle of `new_folder` may have left."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)
    return path


def save(
    folder: Path, settings: Settings, tensors: "Mapping[str, torch.Tensor]", readme: str
) -> None:
    """Write a checkpoint folder, atomically."""
    with new_folder(folder) as new:
        fill(new, settings, tensors, readme)


def fill(
    folder: Path, settings: Settings, tensors: "Mapping[str, torch.Tensor]", readme: str
) -> None:
    """Write the files of a checkpoint into a folder that is there."""
    from safetensors.torch import save_file

    (folder / CONFIG).write_text(settings.to_json(), encoding="utf-8")
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / TENSORS, metadata={"format": "pt"})
    (folder / TENSORS).chmod(0o644)  # made for its owner alone; a model is for all
    (folder / README).write_text(readme, encoding="utf-8")


def load_tensors(
    folder: Path, expected: "Mapping[str, torch.Tensor]", prefix: str = ""
) -> "dict[str, torch.Tensor]":
    """The tensors of a checkpoint, if their names and shapes are exactly the expected ones.

    With a prefix only those are looked at whose names begin with it; it is taken off.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = complete(folder) / TENSORS
    if not path.exists():
        raise SettingsError(f"{folder} holds no {TENSORS}, so it is no checkpoint")
    try:
        whole = load_file(path)
    except SafetensorError as error:
        raise SettingsError(f"{path} is not a whole safetensors file: {error}") from error
    found = {n.removeprefix(prefix): t for n, t in whole.items() if n.startswith(prefix)}
    for name in expected.keys() - found.keys():
        raise SettingsError(f"{path} lacks the tensor {name!r}; {did_you_mean(name, found)}")
    for name in found.keys() - expected.keys():
        raise SettingsError(
            f"{path} has a tensor {name!r} that the model does not; {did_you_mean(name, expected)}"
        )
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape:
            raise SettingsError(
                f"{path}: {name!r} has shape {tuple(found[name].shape)}; "
                f"the model's has {tuple(tensor.shape)}"
            )
    return found


def names(folder: Path) -> set[str]:
    """The names of a checkpoint's tensors."""
    from safetensors import safe_open

    with safe_open(complete(folder) / TENSORS, "pt") as tensors:
        return set(tensors.keys())


def model_tensors(model: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    """What a checkpoint holds: every tensor once, tied ones under their first name."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            tensors[name] = tensor.detach()
    return tensors


def load_into(model: "torch.nn.Module", folder: Path, prefix: str = "") -> None:
    """Put the tensors of a checkpoint into a model; all of them, and no others."""
    expected = model_tensors(model)
    put(load_tensors(folder, expected, prefix), expected)


def put(found: "Mapping[str, torch.Tensor]", into: "Mapping[str, torch.Tensor]") -> None:
    """Copy tensors into others by name, whatever the precision of each."""
    for name, tensor in into.items():
        tensor.detach().copy_(found[name])


def shipped(name: str) -> Path | None:
    """The folder of a model that comes with the package, by its name."""
    folder = Path(__file__).parent / "pretrained" / name
    return folder if name and "/" not in name and (folder / TENSORS).exists() else None


def find(name: Path | str) -> Path:
    """The checkpoint of a folder or a run, or of a model that ships if no folder is called so."""
    ours = None if Path(name).exists() else shipped(str(name))
    return newest(Path(name)) if ours is None else ours


def newest(folder: Path) -> Path:
    """The folder itself if it is a checkpoint, else the newest one of the run it is."""
    if (complete(folder) / TENSORS).exists():
        return folder
    found = sorted((folder / "checkpoints").glob("step-*"))
    if not found:
        raise SettingsError(f"{folder} is neither a checkpoint nor a run that has one")
    return found[-1]


def checksum(folder: Path) -> str:
    """sha256 of a checkpoint's tensors: which model a vector or a score is of."""
    with (complete(folder) / TENSORS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors_checksum(tensors: "Mapping[str, torch.Tensor]") -> str:
    """sha256 of tensors, their names, types and shapes; the order does not matter."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(path: Path) -> Path:
    """A name for what will be `path`, with the process that writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex}.part")


def _remove_stale(path: Path) -> None:
    """Remove what writers of `path` left that are no more."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"(\d+)\.[0-9a-f]{32}\.part")
    for stale in path.parent.iterdir():
        match = pattern.fullmatch(stale.name)
        if match and not _is_running(int(match[1])):
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
