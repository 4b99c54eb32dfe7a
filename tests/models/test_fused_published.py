"""Fused on published networks: features as others make them, a RoBERTa's weights, other frames."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.models.test_fused import TEXTS, TINY, TOKENIZER, built, prepared, said, touched
from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.layers.spectra import log_mel, log_mel_frames, with_deltas
from trivium.models.fused import Fused, FusedSettings
from trivium.models.system import described, stored

CLOSE = {"atol": 1e-3, "rtol": 1e-3}
HUBERT = {"network": "test-hubert", "random_weights": True}


def waves(lengths, extra=0):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(len(lengths), max(lengths) + extra, generator=generator) * 0.1
    return Ragged(data, torch.tensor(lengths))


# Features.


@pytest.mark.parametrize("samples", [16_000, 12_345, 199, 1])
def test_features_are_those_of_the_field(samples):
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    sound = waves([samples]).data[0].numpy()
    filters = mel_filter_bank(1025, 80, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    wanted = spectrogram(
        sound.astype(np.float64), window_function(800, "hann"), 800, 200, 2_048, power=2.0,
        pad_mode="constant", mel_filters=filters, mel_floor=0.0,
    )  # fmt: skip
    found = log_mel(torch.from_numpy(sound)[None], 80, 200, 800, 2_048)[0]
    # Their window stands at the beginning of the spectrum's samples and ours in the middle, which
    # changes nothing of its power.
    assert len(found) == log_mel_frames(torch.tensor(samples), 200) == samples // 200 + 1
    torch.testing.assert_close(found, torch.from_numpy(np.log(wanted.T + 1e-6)).float(), **CLOSE)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 5))
def test_slopes_are_those_of_plain_loops(counts, reach):
    data = torch.randn(len(counts), max(counts) + 2, 3, dtype=torch.float64)
    found = with_deltas(Ragged(data, torch.tensor(counts)), reach)
    norm = 2 * sum(step**2 for step in range(1, reach + 1))
    for row, count in enumerate(counts):
        for frame in range(count):
            assert torch.equal(found.data[row, frame, :3], data[row, frame])
            for channel in range(3):
                slope = 0.0
                for step in range(-reach, reach + 1):
                    place = min(max(frame + step, 0), count - 1)
                    slope += step * data[row, place, channel].item() / norm
                assert found.data[row, frame, 3 + channel].item() == pytest.approx(slope, abs=1e-9)


@settings(max_examples=10)
@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=3), st.integers(0, 900))
def test_frames_are_the_same_in_every_batch(lengths, extra):
    system, sounds = built(), waves([*lengths, 100], extra)
    frames = system.front.hear(sounds)
    assert frames.lengths.tolist() == system.front.num_frames(sounds.lengths).tolist()
    for row, length in enumerate(sounds.lengths.tolist()):
        alone = system.front.hear(
            Ragged(sounds.data[row : row + 1, :length], torch.tensor([length]))
        )
        torch.testing.assert_close(frames.rows()[row], alone.data[0], atol=2e-3, rtol=0)
        assert not frames.data[row, len(alone.data[0]) :].any()
    assert frames.data.isfinite().all()


def test_every_channel_of_an_utterance_has_mean_0_and_variance_1():
    for own in built().front.hear(waves([30_000, 16_000])).rows():
        torch.testing.assert_close(own.mean(0), torch.zeros(64), atol=1e-4, rtol=0)
        torch.testing.assert_close(own.var(0, correction=0), torch.ones(64), atol=1e-3, rtol=0)


# A RoBERTa.

SIZES = {"text": {"layers": 2, "vocabulary": 320, "positions": 40}}


def published(folder, **changes):
    """A small one of transformers', saved as the published ones are."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    torch.manual_seed(3)
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 96, "vocab_size": 320, "max_position_embeddings": 40,
             "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}  # fmt: skip
    theirs = RobertaForMaskedLM(RobertaConfig(**{**sizes, **changes})).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    theirs.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(TOKENIZER.to_str())
    return theirs


def begun(folder, **changes):
    return built(tokenizer=None, text={**SIZES["text"], "source": str(folder)}, **changes)


def test_a_roberta_gives_what_it_gives_elsewhere(tmp_path):
    theirs, ours = published(tmp_path), begun(tmp_path)
    tokens = ours.text.tokens(TEXTS)
    assert ours.text.max_tokens == 38
    with torch.no_grad():
        places = torch.arange(2, tokens.data.shape[1] + 2).expand_as(tokens.data)
        wanted = theirs(
            tokens.data, tokens.mask().long(), position_ids=places, output_hidden_states=True
        )
        states = ours.text(tokens)
        scores = ours.text.network.predict(states.data)
    mask = tokens.mask()
    for found, expected in ((states.data, wanted.hidden_states[-1]), (scores, wanted.logits)):
        torch.testing.assert_close(found[mask], expected[mask], atol=1e-4, rtol=1e-4)
    # Its checkpoint holds the weights, and names no source.
    assert described(ours).text.source is None
    assert "text.network.embedding.weight" in stored(ours)


def test_a_mask_of_its_own_is_used(tmp_path):
    published(tmp_path)
    vocabulary = json.loads(TOKENIZER.to_str())
    vocabulary["added_tokens"].append(
        {**vocabulary["added_tokens"][0], "id": TOKENIZER.get_vocab_size(), "content": "<mask>"}
    )
    (tmp_path / "tokenizer.json").write_text(json.dumps(vocabulary))
    assert begun(tmp_path).text.mask == TOKENIZER.get_vocab_size()
    assert built().text.mask == TINY.text.vocabulary - 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"num_hidden_layers": 3}, "says num_hidden_layers 3, and settings.text.layers is 2"),
     ({"num_attention_heads": 2}, "says num_attention_heads 2, and settings.heads is 4"),
     ({"intermediate_size": 64}, "has 3,072 numbers of 'roberta.encoder.layer.0.intermediate")],
)  # fmt: skip
def test_a_roberta_of_another_shape_is_refused(tmp_path, changes, told):
    published(tmp_path, **changes)
    with pytest.raises(SettingsError, match=told):
        begun(tmp_path)


def test_a_folder_that_lacks_a_tensor_is_refused(tmp_path):
    published(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["lm_head.dense.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(SettingsError, match=r"has 0 numbers of 'lm_head.dense.weight'"):
        begun(tmp_path)


# Frames of a published network.


def test_frames_of_a_published_network_stand_in_place_of_features():
    system = built(speech=HUBERT).train()
    assert not system.speech.training  # what it gives is the target
    assert system.front.channels == system.speech.width == 32
    frames = system.front.hear(said().speech)
    assert frames.lengths.tolist() == system.speech.num_frames(said().speech.lengths).tolist()
    for own in frames.rows():
        torch.testing.assert_close(own.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    parts = prepared(system, pairs=said())
    found = touched(system, parts, ("mlm", "mcam"))
    assert "audio.projection.weight" in found
    assert not any(name.startswith("speech.") for name in found)
    alone = Ragged(said().speech.data[:1, :24_000], torch.tensor([24_000]))
    torch.testing.assert_close(
        frames.rows()[0], system.front.hear(alone).data[0], atol=1e-3, rtol=0
    )


def test_a_network_that_is_trained_cannot_be_asked_for_what_was_hidden():
    system = built(speech=HUBERT, train_speech=True, task="classify", labels=("angry", "sad"))
    assert system.objectives == ("mlm", "classify", "orthogonality")
    parts = prepared(system, rows=said())
    assert any(
        n.startswith("speech.network.encoder") for n in touched(system, parts, ("classify",))
    )


def test_sizes_of_a_whole_system_survive_json():
    settings = FusedSettings.parse(TINY.model_dump() | {"speech": HUBERT})
    assert FusedSettings.parse(json.loads(settings.to_json())) == settings
    assert Fused(settings, TOKENIZER).settings == settings
