"""Grounded without pictures: wav2vec 2.0 as transformers has it, to the last digit."""

import pytest
import torch
from torch.nn import functional as F

from tests.models.test_grounded import MASKS, TINY, built, noise, prepared
from trivium.errors import SettingsError
from trivium.models.towers import TowerSettings


def published(folder, norm="group"):
    """A small network of transformers', saved as published ones are."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

    torch.manual_seed(3)
    config = Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        conv_dim=[32] * 3, conv_kernel=[40, 8, 4], conv_stride=[20, 8, 4],
        feat_extract_norm=norm, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        num_codevectors_per_group=12, codevector_dim=16, proj_codevector_dim=24,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0,
        feat_quantizer_dropout=0.0, layerdrop=0.0, num_negatives=6,
    )  # fmt: skip
    theirs = Wav2Vec2ForPreTraining(config).eval()
    theirs.save_pretrained(folder)
    return theirs


def ours_of(folder, **changes):
    sizes = TINY.quantizer.model_copy(update={"entries": 12, "width": 16})
    return built(
        speech=TowerSettings(source=str(folder)), picture=None, heads="published", match_width=24,
        masking=MASKS, quantizer=sizes, match_temperature=0.1, **changes,
    )  # fmt: skip


def their_inputs(batch, frames):
    """The same waves, masks and negatives in the words of transformers."""
    rows, negatives = batch.inputs["masked"].rows(), batch.inputs["negatives"].rows()
    mask = torch.zeros(len(rows), frames, dtype=torch.bool)
    sampled = torch.zeros(len(rows), frames, 6, dtype=torch.int64)
    for number, (own, others) in enumerate(zip(rows, negatives, strict=True)):
        mask[number, own] = True
        sampled[number, own] = own[others.long()]
        sampled[number] += number * frames
    waves = torch.zeros_like(batch.speech.data)
    for number, wave in enumerate(batch.speech.rows()):
        centred = wave - wave.mean()
        waves[number, : len(wave)] = centred / (wave.var(unbiased=False) + 1e-7).sqrt()
    return {"input_values": waves, "mask_time_indices": mask, "sampled_negative_indices": sampled}


def frozen_noise(monkeypatch, theirs, batch):
    """The same Gumbel noise for both: ours draws masked frames only, theirs all of them."""
    masked = batch.inputs["masked"]
    size = (*masked.data.shape, 2 * 12)
    ours = torch.empty(size).exponential_(generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self: self.copy_(ours.view_as(self)))
    frames = int(theirs._get_feat_extract_output_lengths(batch.speech.data.shape[1]))
    whole = torch.ones(len(masked), frames, 2 * 12)
    for row, own in enumerate(masked.rows()):
        whole[row, own] = ours[row, : len(own)]

    def gumbel_softmax(logits, tau, hard):
        soft = ((logits - whole.view_as(logits).log()) / tau).softmax(-1)
        # Theirs adds in an order that leaves rounding, and so takes equal codes for different.
        return F.one_hot(soft.argmax(-1), 12).to(soft) + (soft - soft.detach())

    monkeypatch.setattr(torch.nn.functional, "gumbel_softmax", gumbel_softmax)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("norm", "lengths"), [("group", [9_600, 9_600]), ("layer", [9_600, 6_000])]
)
def test_losses_and_gradients_are_those_of_transformers(
    tmp_path, monkeypatch, training, norm, lengths
):
    theirs = published(tmp_path, norm).train(training)
    ours = ours_of(tmp_path, shared_layers=2).train(training)
    parts = prepared(ours, speech=noise(lengths))
    batch = parts["speech"]
    frames = int(ours.speech.num_frames(batch.speech.lengths).max())
    if training:
        frozen_noise(monkeypatch, theirs, batch)
    attention = batch.speech.mask().long() if norm == "layer" else None
    wanted = theirs(**their_inputs(batch, frames), attention_mask=attention)
    found = ours(parts, ("ssl", "diversity"))
    count = batch.counts["ssl"]
    for name, loss in (("ssl", wanted.contrastive_loss), ("diversity", wanted.diversity_loss)):
        torch.testing.assert_close(found[name].sum / count, loss / count, atol=1e-5, rtol=1e-5)
    (found["ssl"].sum + 0.1 * found["diversity"].sum).div(count).backward()
    wanted.loss.div(count).backward()
    network, inner = ours.speech.network, "wav2vec2."
    pairs = [
        (network.encoder.layers[0].attention.q_proj, inner + "encoder.layers.0.attention.q_proj"),
        (
            network.feature_extractor.conv_layers[0].conv,
            inner + "feature_extractor.conv_layers.0.conv",
        ),
        (ours.project_code, "project_q"),
        *([(ours.quantizer.choice, "quantizer.weight_proj")] if training else []),
    ]
    for module, name in pairs:
        gradient = theirs.get_submodule(name).weight.grad
        torch.testing.assert_close(module.weight.grad, gradient, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(
        ours.mask_vector.grad, theirs.wav2vec2.masked_spec_embed.grad, atol=1e-6, rtol=1e-3
    )


def test_heads_of_other_sizes_or_none_are_refused(tmp_path):
    published(tmp_path).wav2vec2.save_pretrained(tmp_path / "bare")
    quantizer = TINY.quantizer.model_copy(update={"entries": 20, "width": 16})
    with pytest.raises(
        SettingsError, match=r"has 192 numbers of 'quantizer\.codevectors', and .*320"
    ):
        built(speech=TowerSettings(source=str(tmp_path)), picture=None, heads="published",
              quantizer=quantizer)  # fmt: skip
    with pytest.raises(SettingsError, match=r"has 0 numbers of 'wav2vec2\.masked_spec_embed'"):
        ours_of(tmp_path / "bare")
