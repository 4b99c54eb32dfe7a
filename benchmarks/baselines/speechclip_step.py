"""SpeechCLIP as one writes it with transformers: what `trivium bench step` is compared with.

Autocast, batches filled up to one length, all hidden states stacked and summed, fused AdamW. Sounds
and pictures lie in memory: nothing is loaded or decoded. Alone it trains HuBERT base onto CLIP
ViT-B/32; `--spec` names a JSON file as `trivium bench step` writes it.

    python benchmarks/baselines/speechclip_step.py --batch 8 --seconds 6.4 --steps 3
"""

from typing import Any

import torch
import transformers
from timed_steps import RATE_HZ, Draw, run
from torch import Tensor, nn
from torch.nn import functional as F

SPEECH = {
    "hubert": (transformers.HubertConfig, transformers.HubertModel),
    "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
}


class Plain(nn.Module):
    """Two towers and the head of the paper."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        settings = spec["settings"]
        config, model = SPEECH[spec["family"]]
        # As in the paper's towers, nothing is masked or left out at random.
        still = {"layerdrop": 0.0, "apply_spec_augment": False, "mask_time_prob": 0.0}
        self.speech = model(config(**spec["speech_sizes"], **still))
        vision = transformers.CLIPVisionConfig(**spec["picture_sizes"])
        self.picture = transformers.CLIPVisionModelWithProjection(vision)
        width = self.speech.config.hidden_size
        self.weights = nn.Parameter(torch.zeros(self.speech.config.num_hidden_layers + 1))
        self.token = nn.Parameter(torch.rand(width))
        layer = nn.TransformerEncoderLayer(
            width, settings["heads"], settings["feedforward"], settings["dropout"], batch_first=True
        )
        self.pooling = nn.TransformerEncoder(
            layer, settings["pooling_layers"], enable_nested_tensor=False
        )
        self.projection = nn.Linear(width, vision.projection_dim)
        self.scale = nn.Parameter(torch.tensor([1 / 0.07]).log())
        self.train_speech = settings["train_speech_from"] is not None
        self.train_picture = settings["train_picture"]
        self.speech.requires_grad_(self.train_speech)
        self.picture.requires_grad_(self.train_picture)
        if not self.train_speech:
            self.speech.eval()
        if not self.train_picture:
            self.picture.eval()

    def forward(self, waves: Tensor, pictures: Tensor) -> Tensor:
        """The loss of a batch: waves (B, S); pictures as pixels (B, 3, H, W) or vectors (B, D)."""
        with torch.set_grad_enabled(self.train_speech):
            states = torch.stack(self.speech(waves, output_hidden_states=True).hidden_states)
        mixed = (self.weights.softmax(0)[:, None, None, None] * states).sum(0)  # (B, T, D)
        first = self.token.expand(len(waves), 1, -1)
        a = self.projection(self.pooling(torch.cat([first, mixed], 1))[:, 0])
        b = pictures
        if pictures.ndim == 4:
            with torch.set_grad_enabled(self.train_picture):
                b = self.picture(pictures).image_embeds
        similar = self.scale.exp() * F.normalize(a.float(), dim=1) @ F.normalize(b.float(), dim=1).T
        own = torch.arange(len(waves), device=waves.device)
        return (F.cross_entropy(similar, own) + F.cross_entropy(similar.T, own)) / 2


def batches(spec: dict[str, Any], model: Plain) -> Draw:
    """What gives the next batch: waves filled up or cut, pictures, and samples of real sound."""
    device, size = spec["device"], spec["batch"]
    longest = round(spec["longest"] * RATE_HZ)
    generator = torch.Generator().manual_seed(0)
    every = torch.tensor(spec["lengths"])
    noise = torch.randn(longest + RATE_HZ, generator=generator)
    vision = model.picture.config
    shape = (3, vision.image_size, vision.image_size)
    if spec["cached_pictures"]:
        shape = (vision.projection_dim,)
    pictures = torch.randn(size, *shape, generator=generator).to(device)

    def draw() -> tuple[tuple[Tensor, ...], int]:
        chosen = every[torch.randint(len(every), (size,), generator=generator)]
        lengths = (chosen * RATE_HZ).long().clamp(max=longest)
        starts = torch.randint(RATE_HZ, (size,), generator=generator).tolist()
        waves = torch.stack([noise[start : start + longest] for start in starts])
        waves[torch.arange(longest) >= lengths[:, None]] = 0
        return (waves.to(device), pictures), int(lengths.sum())

    return draw


def prepare(spec: dict[str, Any]) -> tuple[Plain, Draw]:
    """The model, and what gives its batches."""
    model = Plain(spec).train().to(spec["device"])
    if not model.train_speech:
        model.speech.eval()
    return model, batches(spec, model)


def usual(batch: int, seconds: float, steps: int) -> dict[str, Any]:
    """HuBERT base onto CLIP ViT-B/32, both frozen, every sound of one length."""
    gpu = torch.cuda.is_available()
    head = {"heads": 8, "feedforward": 2048, "dropout": 0.1, "pooling_layers": 1}
    return {
        "settings": {**head, "train_speech_from": None, "train_picture": False},
        "family": "hubert", "speech_sizes": {}, "picture_sizes": {}, "cached_pictures": False,
        "lengths": [seconds], "longest": seconds, "batch": batch, "steps": steps,
        "bf16": gpu, "device": "cuda:0" if gpu else "cpu",
    }  # fmt: skip


if __name__ == "__main__":
    run(__doc__, usual, prepare, 128)
