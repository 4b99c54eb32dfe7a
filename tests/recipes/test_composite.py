"""Recipes of `composite`: pairs learned by heart, the stages of a world, the authors' constants."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import torch

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source
from trivium.models.composite import Composite
from trivium.models.composite.preparation import SPOKEN
from trivium.models.loaded import Model
from trivium.models.system import system_class
from trivium.recipes import composite as recipes
from trivium.recipes import recipe, without_weights
from trivium.training.loop import fit

ANYWHERE = [Path("some/corpus")]
SMALL_TEXT = '{"network": "test-mbart", "random_weights": true}'
SMALL_SPEECH = (
    '{"network": "test-whisper", "random_weights": true, "sizes": {"max_source_positions": 500}}'
)
SHORT = ["training.loader.micros_per_step=1", "training.log_every=1"]


def rows_of(made):
    columns = ("audio", "text", "language", "translation", "translation_language")
    source = Source(made.sources["spoken"].model_copy(update={"columns": columns}))
    return load(source, np.arange(len(source)), 0, 0, Stopwatch())


def test_it_translates_32_spoken_sentences_by_heart(tmp_path, world_folder):
    made, seen = recipe("composite.tiny", [world_folder]), []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    assert set(SPOKEN) <= [line for line in seen if "st" in line][-1].keys()
    assert all(np.isfinite(loss) for loss in fitted.losses.values())
    model, batch = Model.load(tmp_path / "run", device="cpu"), rows_of(made)
    assert len(batch) == 32
    sounds = [row.numpy() for row in batch.speech.rows()]
    spoken = model.translate_speech(sounds, "ja", "en")
    written = model.translate_text(list(batch.texts), "ja", "en")
    for found in (spoken, written):
        wanted = [list(batch.columns["translation"])]
        assert sacrebleu.corpus_bleu(found, wanted).score > 90
    heard = model.transcribe_speech(sounds, "ja")
    assert sacrebleu.corpus_chrf(heard, [list(batch.texts)]).score > 75


@pytest.mark.parametrize("name", ["world", "world_cpu"])
def test_the_stages_of_a_world_lead_to_one_model(name, tmp_path, world_folder):
    def made(stage, *others):
        return recipe(f"composite.{stage}", [world_folder]).override(
            [*SHORT, "training.phases.0.steps=2", *others]
        )

    text = made(f"{name}_text", "tokens=300", "sources.written.characters=2000",
                "settings.translator.sizes.d_model=48")  # fmt: skip
    fit(text, tmp_path / "text")
    speech = made(f"{name}_speech", "sources.spoken.seconds=20", "settings.speech.sizes.d_model=48")
    assert "青" in speech.settings.alphabet
    fit(speech, tmp_path / "speech")
    both = made(name, "training.phases.1.steps=1", "sources.spoken.seconds=30",
                f'settings.speech={{"source": "{tmp_path}/speech"}}',
                f'settings.translator={{"source": "{tmp_path}/text"}}')  # fmt: skip
    fitted = fit(both, tmp_path / "run")
    assert set(fitted.losses) == set(both.training.phases[0].weights)
    before, after = Model.load(tmp_path / "speech", "cpu").system, fitted.system
    frozen = fit(both, tmp_path / "parted", max_steps=2).system
    layer = "layers.3.fc2.weight"
    first = before.speech.network.get_parameter(layer)
    assert torch.equal(frozen.speech.network.get_parameter(layer), first)
    assert not torch.equal(after.speech.network.get_parameter(layer), first)
    again = fit(both, tmp_path / "parted", resume=True)
    assert again.losses == fitted.losses
    assert set(after.translator.languages) >= {"en", "hi", "ja", "es", "de", "sw"}
    assert len(Model.load(tmp_path / "run", "cpu").translate_text(["a cat"], "en", "sw")) == 1


def test_little_swahili_is_at_hand_for_two_cores(tmp_path):
    rows = [
        utterance(number, id=f"scene-train-{number:06}-{language}", language=language,
                  translation="A cat.", translation_language="en")
        for language in ("sw", "ja") for number in range(20)
    ]  # fmt: skip
    with CorpusWriter(tmp_path / "world", Card(**COLUMNS_OF_CARD)) as writer:
        for row in rows:
            writer.add("utterances", row)
    spoken = recipe("composite.world_cpu", [tmp_path / "world"]).sources["spoken"]
    found = Corpus.open(tmp_path / "world").columns("utterances", ["language"], spoken.filter)
    assert Counter(found["language"].to_pylist()) == {"ja": 20, "sw": 6}


@pytest.mark.parametrize("name", ["composite.medium", "composite.text"])
def test_the_authors_recipes_train_at_small_sizes(name, tmp_path, world_folder):
    small = [f"settings.translator={SMALL_TEXT}", *SHORT, "training.phases.0.steps=1"]
    if name == "composite.medium":
        small += [f"settings.speech={SMALL_SPEECH}", f"settings.teacher={SMALL_TEXT}",
                  "settings.match_layer=1", "sources.spoken.seconds=20",
                  "sources.spoken.max_seconds=9", "training.phases.1.steps=1"]  # fmt: skip
    made = recipe(name, [world_folder]).override(small)
    assert made.training.precision == "bf16"
    fitted = fit(made, tmp_path / "run")
    assert all(np.isfinite(loss) for loss in fitted.losses.values())


def test_the_constants_of_the_authors():
    for name, speech in (("medium", "whisper-medium"), ("large", "whisper-large-v2")):
        made = recipe(f"composite.{name}", ANYWHERE)
        settings, training = made.settings, made.training
        assert settings.speech.network == speech
        assert settings.translator == settings.teacher
        assert (settings.guide, settings.teacher_guide) == (0.8, 0.2)
        assert (settings.match_layer, settings.mask_share) == (4, 0.15)
        assert (settings.counted, settings.encoder_gradient) == ("utterances", 2.0)
        assert len(settings.languages) == 22
        first, second = training.phases
        assert first.freeze == ("speech.*",)
        assert not second.freeze
        assert second.steps == 2 * first.steps  # 5 epochs of 15
        assert first.weights == second.weights == recipes.PAPER
        assert sum(recipes.PAPER.values()) == pytest.approx(0.35 + 0.35 + 0.2 + 0.1 + 0.02)
        assert (training.optimizer.lr, training.optimizer.weight_decay) == (2e-5, 0.1)
        assert training.optimizer.decay == "quadratic"
        steps = first.steps + second.steps
        assert training.optimizer.warmup * steps == pytest.approx(5_000)
        a_step = made.sources["spoken"].seconds * training.loader.micros_per_step
        assert steps * a_step == pytest.approx(15 * 860 * 3_600, rel=0.001)


@pytest.mark.parametrize(("name", "millions"), [("medium", 945.9), ("large", 1281.4)])
def test_without_weights_they_have_the_authors_sizes(name, millions):
    made = without_weights(recipe(f"composite.{name}", ANYWHERE))
    with torch.device("meta"):
        system = Composite(made.settings)
    found = sum(p.numel() for p in system.parameters())
    found -= system.speech.network.embed_positions.weight.numel()  # never trained, not counted
    assert found / 1e6 == pytest.approx(millions, abs=0.1)
    assert {"cy", "ca", "sv-SE", "zh-CN"} <= {
        code for code in ("cy", "ca", "sv-SE", "zh-CN") if system.translator.language(code)
    }


@pytest.mark.parametrize(("name", "least"), [("world", 7), ("world_cpu", 5)])
def test_the_world_has_at_most_eight_million_parameters(name, least):
    whole, text, speech = (
        recipe(f"composite.{name}{stage}", ANYWHERE) for stage in ("", "_text", "_speech")
    )
    towers = {"speech": speech.settings.speech, "translator": text.settings.translator}
    with torch.device("meta"):
        system = Composite(whole.settings.model_copy(update=towers))
        system_class("ctc")(speech.settings)
    assert least < sum(p.numel() for p in system.parameters()) / 1e6 <= 8
    for tower, stage in (("speech", "speech"), ("translator", "text")):
        assert getattr(whole.settings, tower).source == f"./runs/composite.{name}_{stage}"
