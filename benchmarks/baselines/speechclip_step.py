"""SpeechCLIP as one writes it with transformers: what `trivium bench step` is compared with.

Autocast, batches filled up to one length, all hidden states stacked and summed, fused AdamW. Sounds
and pictures lie in memory: nothing is loaded or decoded. Alone it trains HuBERT base onto CLIP
ViT-B/32; `--spec` names a JSON file as `trivium bench step` writes it.

    python benchmarks/baselines/speechclip_step.py --batch 8 --seconds 6.4 --steps 3
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import flop_counter

RATE_HZ = 16_000
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


class Clock:
    """Times on the device: nothing is waited for until the end."""

    def __init__(self, device: str) -> None:
        self.gpu = device.startswith("cuda")
        self.laps: list[tuple[str, Any]] = []
        self.lap("start")

    def lap(self, stage: str) -> None:
        """The time since the last lap was this stage's."""
        mark: Any = time.perf_counter()
        if self.gpu:
            mark = torch.cuda.Event(enable_timing=True)
            mark.record()
        self.laps.append((stage, mark))

    def stages(self) -> dict[str, float]:
        """Seconds of each stage."""
        found = dict.fromkeys(("loader", "forward", "backward", "step"), 0.0)
        for (_, before), (stage, after) in zip(self.laps, self.laps[1:], strict=False):
            if self.gpu:
                after.synchronize()
                found[stage] += before.elapsed_time(after) / 1e3
            else:
                found[stage] += after - before
        return found


def batches(spec: dict[str, Any], model: Plain) -> Callable[[], tuple[Tensor, Tensor, int]]:
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

    def draw() -> tuple[Tensor, Tensor, int]:
        chosen = every[torch.randint(len(every), (size,), generator=generator)]
        lengths = (chosen * RATE_HZ).long().clamp(max=longest)
        starts = torch.randint(RATE_HZ, (size,), generator=generator).tolist()
        waves = torch.stack([noise[start : start + longest] for start in starts])
        waves[torch.arange(longest) >= lengths[:, None]] = 0
        return waves.to(device), pictures, int(lengths.sum())

    return draw


@contextmanager
def counted() -> Iterator[list[float]]:
    """Count products; torch does not count the attention of processors by itself."""
    aten = torch.ops.aten
    attention = {
        aten._scaled_dot_product_flash_attention_for_cpu: (
            lambda q, k, v, *_, **__: flop_counter.sdpa_flop_count(q, k, v)
        ),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: (
            lambda made, q, k, v, *_, **__: flop_counter.sdpa_backward_flop_count(made, q, k, v)
        ),
    }
    found: list[float] = []
    with flop_counter.FlopCounterMode(display=False, custom_mapping=attention) as counter:
        yield found
    found.append(float(counter.get_total_flops()))


def resident_peak() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says is at first that of the process which started this
        words = status.read_text().split()
        return int(words[words.index("VmHWM:") + 1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Time the steps of a specification, after two others."""
    device, gpu = spec["device"], spec["device"].startswith("cuda")
    torch.manual_seed(0)
    model = Plain(spec).train().to(device)
    if not model.train_speech:
        model.speech.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    draw = batches(spec, model)
    samples = 0

    def step(clock: Clock) -> int:
        waves, pictures, real = draw()
        clock.lap("loader")
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=spec["bf16"]):
            loss = model(waves, pictures)
        clock.lap("forward")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clock.lap("backward")
        optimizer.step()
        clock.lap("step")
        return real

    step(Clock(device))
    with counted() as flops:
        step(Clock(device))
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    clock = Clock(device)
    for _ in range(spec["steps"]):
        samples += step(clock)
    stages = clock.stages()
    rows = spec["batch"] * spec["steps"]
    return {
        "steps": spec["steps"],
        "rows": rows,
        "seconds": samples / RATE_HZ,
        "padded_seconds": rows * round(spec["longest"] * RATE_HZ) / RATE_HZ,
        "flops": flops[0] * spec["steps"],
        "memory_bytes": torch.cuda.max_memory_allocated() if gpu else resident_peak(),
        "stages": stages,
    }


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


def main() -> None:
    """Measure, and print a line or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", type=Path, help="JSON as `trivium bench step` writes it")
    parser.add_argument("--batch", type=int, default=128, help="captions a step")
    parser.add_argument("--seconds", type=float, default=6.4, help="length of each")
    parser.add_argument("--steps", type=int, default=10, help="steps to time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    spec = usual(given.batch, given.seconds, given.steps)
    if given.spec:
        spec = json.loads(given.spec.read_text())
    transformers.logging.set_verbosity_error()
    found = measure(spec)
    if given.json:
        print(json.dumps(found))
        return
    wall = sum(found["stages"].values())
    shares = ", ".join(f"{name} {100 * s / wall:.0f} %" for name, s in found["stages"].items())
    print(
        f"{found['seconds'] / wall:,.1f} s of sound a second, {found['flops'] / wall / 1e12:.3g} "
        f"TFLOP/s, {found['memory_bytes'] / 2**30:.1f} GiB; {shares}"
    )


if __name__ == "__main__":
    main()
