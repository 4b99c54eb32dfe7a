"""Whisper, an adapter and mBART as one writes it with transformers, for `trivium bench step`.

Translation and recognition of speech and text translation; spectra of the whole window that
Whisper's encoder wants, texts filled up to one length, autocast, fused AdamW. Spectra and texts lie
in memory: nothing is loaded, and no spectrum is made. Alone it trains Whisper medium and mBART-50,
both with random weights; `--spec` names a JSON file as `trivium bench step` writes it.

    python benchmarks/baselines/composite_step.py --batch 2 --seconds 6.4 --steps 1
"""

from typing import Any

import torch
import transformers
from timed_steps import RATE_HZ, Draw, run
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder

IGNORED = -100  # a label that nothing is lost by


class Half(nn.Module):
    """A feed-forward network that counts half beside its input, and a norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, D) stays so."""
        return self.norm(frames + 0.5 * self.outer(F.relu(self.inner(frames))))


class Plain(nn.Module):
    """Three losses of one batch, weighed as the authors weigh them."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        self.speech = WhisperEncoder(transformers.WhisperConfig(**spec["speech_sizes"]))
        self.text = transformers.MBartForConditionalGeneration(
            transformers.MBartConfig(**spec["translator_sizes"])
        )
        width, new = self.speech.config.d_model, self.text.config.d_model
        self.before, self.between = Half(width), Half(new)
        self.first = nn.Conv1d(width, 2 * new, 3, stride=2, padding=1)
        self.second = nn.Conv1d(new, 2 * new, 3, stride=2, padding=1)

    def forward(self, spectra: Tensor, source: Tensor, target: Tensor, there: Tensor) -> Tensor:
        """The loss: spectra (B, bins, T); tokens (B, L) of texts and translations, padded alike."""
        frames = self.before(self.speech(spectra).last_hidden_state)
        frames = self.between(F.glu(self.first(frames.transpose(1, 2)), 1).transpose(1, 2))
        frames = F.glu(self.second(frames.transpose(1, 2)), 1).transpose(1, 2)
        language = self.text.get_input_embeddings()(source[:, :1])
        heard = torch.cat([language, frames], 1)
        made = self.text.get_encoder()(inputs_embeds=heard)
        text, translation = (one.masked_fill(~there, IGNORED) for one in (source, target))
        asr = self.text(encoder_outputs=made, labels=text).loss
        st = self.text(encoder_outputs=made, labels=translation).loss
        mt = self.text(input_ids=source, attention_mask=there.long(), labels=translation).loss
        return 0.35 * st + 0.35 * asr + 0.2 * mt


def prepare(spec: dict[str, Any]) -> tuple[Plain, Draw]:
    """The model, and what gives its batches: whole windows, and texts filled up to the longest."""
    device, size = spec["device"], spec["batch"]
    model = Plain(spec).train().to(device)
    generator = torch.Generator().manual_seed(0)
    seconds, tokens = torch.tensor(spec["lengths"]), torch.tensor(spec["tokens"])
    speech, text = model.speech.config, model.text.config
    shape = (size, speech.num_mel_bins, 2 * speech.max_source_positions)
    spectra = torch.randn(shape, generator=generator)

    def draw() -> tuple[tuple[Tensor, ...], int]:
        chosen = torch.randint(len(seconds), (size,), generator=generator)
        heard = seconds[chosen].clamp(max=spec["longest"])
        # The end stands before the padding, from which mBART takes the language.
        there = torch.arange(int(tokens.max())) < tokens[chosen % len(tokens), None]
        source, target = (
            torch.randint(4, text.vocab_size, there.shape, generator=generator).masked_fill(
                ~there, text.pad_token_id
            )
            for _ in range(2)
        )
        batch = (spectra, source, target, there)
        return tuple(one.to(device) for one in batch), int((heard * RATE_HZ).sum())

    return model, draw


def usual(batch: int, seconds: float, steps: int) -> dict[str, Any]:
    """Whisper medium and mBART-50, windows of 30 s and texts of 40 tokens."""
    gpu = torch.cuda.is_available()
    speech = {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16,
              "encoder_ffn_dim": 4096}  # fmt: skip
    return {
        "speech_sizes": speech, "translator_sizes": {"vocab_size": 250_054},
        "lengths": [seconds], "longest": 30.0, "tokens": [40], "batch": batch, "steps": steps,
        "bf16": gpu, "device": "cuda:0" if gpu else "cpu",
    }  # fmt: skip


if __name__ == "__main__":
    run(__doc__, usual, prepare, 16)
