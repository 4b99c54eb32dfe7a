"""Joint on a published w2v-BERT 2.0: its weights, its frames, and a run that goes on with them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.test_joint import EVERY, SPEECH, TINY, parts_of, prepared, row_of, said
from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.models.joint import Joint
from trivium.models.loaded import Model
from trivium.models.towers import NETWORKS, SpeechTower, TowerSettings
from trivium.recipes import recipe, without_weights
from trivium.training.loop import fit

SMALL = TowerSettings(network="test-w2v-bert", random_weights=True,
                      sizes={"num_hidden_layers": 3})  # fmt: skip
CODES = ["settings.quantizer.entries=8", "settings.quantizer.width=8", "settings.match_width=8"]


def built(seed=0, **changes):
    """The tiny system on layers as transformers has them."""
    torch.manual_seed(seed)
    given = {"conformer": None, "speech": SMALL, "speech_layers": 1, **changes}
    return Joint(TINY.model_copy(update=given)).eval()


def published(folder):
    """A small network of transformers', saved as the published one is."""
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(3)
    sizes = {**NETWORKS["test-w2v-bert"].sizes["speech"], "num_hidden_layers": 3}
    theirs = Wav2Vec2BertModel(Wav2Vec2BertConfig(**sizes)).eval()
    theirs.save_pretrained(folder)
    return theirs


def short(folder, corpus):
    """The recipe on a folder of weights and a corpus, two steps of each phase."""
    return recipe("joint.from_w2vbert2", [corpus]).override([
        f"settings.speech={{\"source\": \"{folder}\"}}", "settings.speech_layers=1", *CODES,
        "training.phases.0.steps=2", "training.phases.1.steps=2", "training.log_every=1",
        "training.loader.micros_per_step=1", "sources.speech.seconds=20",
        "sources.speech.min_seconds=0.5",
    ])  # fmt: skip


def test_it_goes_on_with_the_weights_that_were_published(tmp_path, world_folder):
    theirs = published(tmp_path / "published").state_dict()
    made = short(tmp_path / "published", world_folder)
    seen = []
    fitted = fit(made, tmp_path / "run", watch=seen.append)
    assert [set(SPEECH) <= line.keys() for line in seen if "step" in line] == [True] * 4
    assert all(np.isfinite(loss) for loss in fitted.losses.values())
    # The first phase trains codes and heads on the network as it is.
    before = fit(made.override(["training.phases.1.steps=1"]), tmp_path / "one", max_steps=2)
    for name, tensor in before.system.speech.network.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
    after = fitted.system.speech.network.state_dict()
    assert not torch.equal(after["encoder.layers.2.ffn1.output_dense.weight"],
                           theirs["encoder.layers.2.ffn1.output_dense.weight"])  # fmt: skip
    # What it leaves needs the published folder no more.
    again = Model.load(tmp_path / "run")
    wave = said().speech.rows()[0].numpy()
    fitted.system.eval()
    np.testing.assert_allclose(
        again.embed(speech=wave),
        fitted.system.embed_speech(Ragged(torch.tensor(wave)[None], torch.tensor([24_000])))[0],
        atol=1e-5,
    )


def test_a_folder_that_lacks_a_tensor_is_refused(tmp_path, world_folder):
    published(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.layers.1.ffn1_layer_norm.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(SettingsError, match=r"lacks the tensor 'encoder.layers.1.ffn1_layer_norm"):
        fit(short(tmp_path, world_folder), tmp_path / "run")


def test_its_frames_are_those_of_the_tower():
    system, waves = built(), said().speech
    tower: SpeechTower = system.speech
    with torch.no_grad():
        wanted = tower(waves)
    found = system.frames(waves)
    assert found.lengths.tolist() == wanted.lengths.tolist()
    assert found.lengths.tolist() == system.body.num_frames(waves.lengths).tolist()
    assert len(found.states) == 4
    for ours, theirs in zip(found.states, wanted.states, strict=True):
        torch.testing.assert_close(ours, theirs)
    heard = system.body.hear(waves)
    assert heard.clean.shape[2] == 160
    torch.testing.assert_close(
        tower.network.feature_projection.projection(heard.clean), heard.state
    )


def test_texts_go_through_its_upper_layers_the_same_in_every_batch():
    system, batch = built(), said(extra=700)
    names = tuple(name for name in EVERY if name != "diversity")
    together = system(prepared(system, **parts_of(batch)), names)
    sums = dict.fromkeys(names, 0.0)
    for row in range(4):
        for name, term in system(prepared(system, **parts_of(row_of(batch, row))), names).items():
            sums[name] += term.sum
    for name in names:
        torch.testing.assert_close(together[name].sum, sums[name], atol=1e-3, rtol=1e-4)
    system.zero_grad()
    system(prepared(system, text=batch), ("spans",))["spans"].sum.backward()
    touched = {name for name, p in system.named_parameters() if p.grad is not None}
    layers = {name.split("encoder.layers.")[1][0] for name in touched if "encoder.layers" in name}
    assert layers == {"1", "2"}


def test_without_weights_it_has_the_published_size():
    made = without_weights(recipe("joint.from_w2vbert2", [Path("no")]))
    with torch.device("meta"):
        system = Joint(made.settings)
    assert len(system.speech.layers) == 24
    assert made.settings.speech_layers == 8
    tower = sum(p.numel() for p in system.speech.parameters()) / 1e6
    assert tower == pytest.approx(580, rel=0.01)
