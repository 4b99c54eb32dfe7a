"""Text decoders at work: transformers' generation over encoder states, batched, with beams."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from trivium.config import Settings
from trivium.errors import SettingsError, TriviumError


class WritingSettings(Settings):
    """How a text is looked for."""

    beams: int = Field(default=5, ge=1)
    """Beginnings of a text that are kept; 1 takes the likeliest token each time."""
    max_tokens: int = Field(default=128, ge=1)
    """A text ends after so many, the prefix not counted."""
    length_penalty: float = 1.0
    """The score of a text is divided by its length to this power; more than 1 favours long ones."""


@torch.no_grad()
def write(
    network: Any, states: Tensor, mask: Tensor, prefix: Sequence[int], settings: WritingSettings
) -> list[list[int]]:
    """The tokens that an encoder-decoder network writes of each row of encoder states.

    `states` is (B, T, D), `mask` (B, T) is True where a row has states, `prefix` is what every
    text is made to begin with: the decoder's start, then as much as is known, such as a language.
    The ids come without prefix, end and padding, in the order of the rows. A network in training
    is put into evaluation mode for as long as it writes; what its `generation_config` says, such
    as a token that is forced, it forgets for good.
    """
    from transformers import GenerationConfig
    from transformers.modeling_outputs import BaseModelOutput

    if not prefix:
        raise TriviumError(f"the prefix is {list(prefix)}; begin with the decoder's start token")
    if mask.shape != states.shape[:2] or mask.dtype != torch.bool:
        raise TriviumError(
            f"the mask is {mask.dtype} of shape {tuple(mask.shape)}; expected bool of shape "
            f"{tuple(states.shape[:2])}, as the states have it"
        )
    if not len(states):
        return []
    end, padding = _special(network, "eos_token_id"), _special(network, "pad_token_id")
    # What is asked for is all that counts; of what is left open transformers asks the network.
    network.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        num_beams=settings.beams, max_new_tokens=settings.max_tokens, do_sample=False,
        length_penalty=settings.length_penalty, eos_token_id=end, pad_token_id=padding,
        decoder_start_token_id=prefix[0], use_cache=True,
    )  # fmt: skip
    begun = torch.tensor([list(prefix)] * len(states), device=states.device)
    was_training = network.training
    network.eval()
    try:
        made: Tensor = network.generate(
            generation_config=config,
            # Made for this call alone: beams widen it in place.
            encoder_outputs=BaseModelOutput(last_hidden_state=states.to(network.dtype)),
            attention_mask=mask.long(),
            decoder_input_ids=begun,
        )
    finally:
        network.train(was_training)
    return [_bare(row, end, padding) for row in made[:, len(prefix) :].tolist()]


def confidences(
    network: Any,
    states: Tensor,
    mask: Tensor,
    prefix: Sequence[int],
    rows: Sequence[Sequence[int]],
    settings: WritingSettings,
) -> list[float]:
    """How sure a network is of what `write` made: mean log-probabilities, the end included."""
    from transformers.modeling_outputs import BaseModelOutput

    if not rows:
        return []
    end, padding = _special(network, "eos_token_id"), _special(network, "pad_token_id")
    # A text that was cut has no end.
    whole = [[*row, end] if len(row) < settings.max_tokens else list(row) for row in rows]
    outputs = BaseModelOutput(last_hidden_state=states.to(network.dtype))
    inputs = {"encoder_outputs": outputs, "attention_mask": mask.long(), "use_cache": False}
    return mean_log_probabilities(network, inputs, [list(prefix)] * len(whole), whole, padding)


@torch.no_grad()
def mean_log_probabilities(
    network: Any,
    inputs: Mapping[str, Any],
    prefixes: Sequence[Sequence[int]],
    rows: Sequence[Sequence[int]],
    padding: int,
) -> list[float]:
    """The mean log-probability of each row of tokens behind its prefix, in one pass; 0 of none."""
    whole = [[*prefix, *row] for prefix, row in zip(prefixes, rows, strict=True)]
    longest = max(map(len, whole))
    tokens = torch.tensor([row + [padding] * (longest - len(row)) for row in whole])
    tokens = tokens.to(network.device)
    logits = network(**inputs, decoder_input_ids=tokens[:, :-1]).logits
    means = []
    for place, row in enumerate(rows):  # in float32 those of one row at a time
        start = len(prefixes[place])
        logs = logits[place, start - 1 : start - 1 + len(row)].float().log_softmax(-1)
        own = tokens[place, start : start + len(row), None]
        means.append(float(logs.gather(1, own).mean()) if row else 0.0)
    return means


def _special(network: Any, name: str) -> int:
    found = getattr(network.config, name, None)
    if not isinstance(found, int):
        raise SettingsError(f"the network's {name} is {found!r}; set it in its configuration")
    return found


def _bare(ids: Sequence[int], end: int, padding: int) -> list[int]:
    """What stands before the end."""
    whole = ids[: ids.index(end)] if end in ids else ids
    return [number for number in whole if number != padding]
