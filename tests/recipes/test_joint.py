"""Recipes of `joint`: a toy that is learned, the published constants, variants, alphabets."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trivium.data.corpus import Corpus
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.data.text import lower
from trivium.models.joint import Joint, JointSettings
from trivium.models.joint.characters import most_used
from trivium.recipes import joint as recipes
from trivium.recipes import recipe
from trivium.training.loop import fit

ANYWHERE = [Path("some/corpus")]
SMALL = [
    'settings.conformer={"layers": 2, "width": 16, "feedforward": 32, "heads": 2, "groups": 4}',
    "settings.speech_layers=1", "settings.quantizer.entries=8", "settings.quantizer.width=8",
    "settings.match_width=8", "sources.speech.seconds=20", "sources.pairs.seconds=12",
    "sources.text.characters=400", "training.phases.0.steps=2", "training.log_every=1",
    "training.loader.micros_per_step=2",
]  # fmt: skip
EVERY = ("contrastive", "diversity", "codes", "spans", "ctc", "tlm_text", "tlm_speech")


def edits(found, wanted):
    """Letters to change, put in or take out."""
    row = list(range(len(wanted) + 1))
    for number, letter in enumerate(found, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(wanted, 1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (letter != other)),
            )
    return row[-1]


def test_it_lowers_every_loss_and_writes_down_its_pairs(tmp_path, world_folder):
    made = recipe("joint.tiny", [world_folder]).override(["training.log_every=1"])
    seen = []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    lines = [line for line in seen if "ctc" in line]
    first, last = (
        {name: np.mean([line[name] for line in part]) for name in EVERY}
        for part in (lines[:20], lines[-20:])
    )
    assert all(last[name] < first[name] for name in EVERY), (first, last)
    # Codes did not collapse, which would make both easy: log 21 is chance among 20 others.
    assert last["contrastive"] < math.log(21) - 0.1
    assert min(line["code_perplexity"] for line in lines[-20:]) > 16
    source = Source(made.sources["pairs"])
    batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
    read = fitted.system.characters
    wanted = [read.write(read.known(read.read(text)).tolist()) for text in batch.texts]
    assert len(wanted) == 16
    for beam in (1, 4):
        written = fitted.system.transcribe(batch.speech, beam)
        wrong = sum(map(edits, written, wanted))
        assert wrong / sum(map(len, wanted)) < 0.1


@pytest.mark.parametrize("name", ["joint.base", "joint.large", "joint.world"])
def test_big_recipes_train_at_small_sizes(name, tmp_path, world_folder):
    made = recipe(name, [world_folder]).override(SMALL)
    assert made.training.precision == "bf16"
    seen = []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    assert [line["step"] for line in seen if "ctc" in line] == [0, 1]
    assert tuple(fitted.losses) == EVERY
    assert all(torch.tensor(loss).isfinite() for loss in fitted.losses.values())


def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path, world_folder):
    made = recipe("joint.world", [world_folder]).override(SMALL)
    whole = fit(made, tmp_path / "whole")
    fit(made, tmp_path / "parted", max_steps=1)
    again = fit(made, tmp_path / "parted", resume=True)
    assert again.losses == whole.losses


@pytest.mark.parametrize("variant", ["speech-only", "tlm", "ctc", "tlm+ctc"])
def test_variants_differ_in_the_schedule_alone(variant, tmp_path, world_folder):
    made = recipe("joint.world", [world_folder]).override(SMALL)
    phase = {"steps": 1, "weights": recipes.weights(variant)}
    fitted = fit(made.override([f"training.phases={json.dumps([phase])}"]), tmp_path / "run")
    speech, tlm = EVERY[:3], ("tlm_text", "tlm_speech")
    wanted = {"speech-only": speech, "tlm": (*speech, "spans", *tlm),
              "ctc": (*speech, "spans", "ctc"), "tlm+ctc": EVERY}[variant]  # fmt: skip
    assert set(fitted.losses) == set(wanted)


def test_the_constants_of_the_paper():
    base, large = (recipe(f"joint.{name}", ANYWHERE) for name in ("base", "large"))
    assert (base.settings.conformer.layers, base.settings.speech_layers) == (24, 8)
    assert (large.settings.conformer.layers, large.settings.speech_layers) == (40, 8)
    for made, lr, steps in ((base, 6e-4, 1_300_000), (large, 3.6e-4, 350_000)):
        settings, training = made.settings, made.training
        assert (settings.conformer.kernel, settings.conformer.heads) == (5, 8)
        assert (settings.quantizer.groups, settings.quantizer.entries) == (1, 1024)
        assert settings.quantizer.width == 1024
        assert (settings.masking.share, settings.masking.span) == (0.65, 10)
        assert (settings.masking.negatives, settings.match_temperature) == (100, 0.1)
        assert (settings.spans.share, settings.spans.span) == (0.15, 20)
        assert (settings.paired_speech.share, settings.paired_text.share) == (0.75, 0.5)
        assert settings.max_characters == 512
        (phase,) = training.phases
        assert phase.steps == steps
        assert phase.weights == {"contrastive": 1, "diversity": 0.1, "codes": 1, "spans": 0.3,
                                 "ctc": 0.03, "tlm_text": 0.03, "tlm_speech": 0.03}  # fmt: skip
        assert training.optimizer.lr == lr
        assert training.optimizer.warmup * steps == pytest.approx(40_000)
        assert made.sources["text"].temperature == 3
        micros = training.loader.micros_per_step
        assert made.sources["speech"].seconds * micros == 2_048 * 15
        assert made.sources["text"].characters * micros == 8_192 * 512
        assert made.sources["pairs"].seconds * micros == 256 * 15


def test_alphabets_are_those_of_the_corpora(world_folder):
    alphabet = recipe("joint.world", [world_folder]).settings.alphabet
    texts = Corpus.open(world_folder).columns("utterances", ["text"], "split = 'train'")
    letters = {letter for text in texts["text"].to_pylist() for letter in lower(text)}
    assert letters <= set(alphabet)
    assert "e" in alphabet
    assert "青" in alphabet
    assert recipe("joint.world", ANYWHERE).settings.alphabet == ""
    assert most_used(["bab", "B c"], 3, "lower") == "b a"
    assert most_used([], 3, "lower") == ""


def test_the_world_has_at_most_eight_million_parameters():
    settings = recipe("joint.world", ANYWHERE).settings
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    with torch.device("meta"):
        system = Joint(JointSettings.parse({**settings.model_dump(), "alphabet": alphabet}))
    assert 6 < sum(p.numel() for p in system.parameters()) / 1e6 <= 8


def test_every_text_of_the_world_can_be_read(world_folder):
    made = recipe("joint.world", [world_folder])
    source = Source(SourceSettings(corpora=(world_folder,), table="sentences", split=None,
                                   columns=("text",), items=5000))  # fmt: skip
    batch = load(source, np.arange(len(source)), 0, 0, Stopwatch())
    small = made.override(SMALL).settings
    system = Joint(small)
    prepared = system.prepare({"text": batch}, np.random.default_rng(0))["text"]
    assert len(prepared) == len(batch)
    assert not system.observe()
