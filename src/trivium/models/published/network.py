"""Networks that write: read whole or refused, quiet, and asked how sure they were."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from trivium.errors import SettingsError
from trivium.models.towers.writing import WritingSettings, mean_log_probabilities


class Written(NamedTuple):
    """What a network wrote of some rows."""

    network: Any
    inputs: dict[str, Tensor]
    prefixes: list[list[int]]  # what the texts were made to begin with
    made: list[list[int]]  # without prefix, end and padding
    ended: list[bool]  # and not merely cut at the limit


def read(kind: Any, folder: Path, device: str, others: tuple[str, ...] = ()) -> Any:
    """A network of transformers with exactly the tensors that its folder has for it.

    `others` are what names begin with that belong to other parts of the same model.
    """
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    try:
        network, report = kind.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, use_safetensors=True,
            ignore_mismatched_sizes=True, local_files_only=True,
        )  # fmt: skip
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"the weights in {folder} cannot be read: {reason}") from error
    left_over = [name for name in report["unexpected_keys"] if not name.startswith(others)]
    faults = {"lacks": report["missing_keys"], "has left over": left_over,
              "has in another shape": report["mismatched_keys"]}  # fmt: skip
    for what, names in faults.items():
        if names:
            raise SettingsError(f"{folder} {what} the tensor {min(map(str, names))!r}")
    return network.eval().to(device)


def search(settings: WritingSettings, limit: int) -> dict[str, Any]:
    """How a text is looked for, in transformers' words."""
    return {"num_beams": settings.beams, "length_penalty": settings.length_penalty,
            "do_sample": False, "max_new_tokens": limit}  # fmt: skip


def bare(rows: Tensor, config: Any) -> list[list[int]]:
    """What stands in rows of tokens before the end and the padding."""
    stops = (config.eos_token_id, config.pad_token_id)

    def end(row: Sequence[int]) -> int:
        return next((place for place, number in enumerate(row) if number in stops), len(row))

    return [row[: end(row)] for row in rows.tolist()]


def confidences(written: Written) -> list[float]:
    """The mean log-probability of each text's tokens, and of its end where it has one."""
    config = written.network.generation_config
    end, padding = config.eos_token_id, config.pad_token_id
    rows = [
        [*made, end] if ended else made
        for made, ended in zip(written.made, written.ended, strict=True)
    ]
    return mean_log_probabilities(written.network, written.inputs, written.prefixes, rows, padding)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what transformers prints at every load and generation."""
    from transformers import utils

    logging: Any = utils.logging
    told, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(told)
        if bars:
            logging.enable_progress_bar()
