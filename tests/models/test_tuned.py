"""Tuned: every head learns a toy, losses against slow twins, the same in every batch, probes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.test_joint import row_of, said
from trivium.data.batch import Ragged
from trivium.models.grounded import Grounded
from trivium.models.joint import JointSettings
from trivium.models.loaded import Model
from trivium.models.system import system_class
from trivium.models.tuned import Tuned, TunedSettings
from trivium.models.tuned.settings import ClassifierSettings, CtcHeadSettings, EncoderSettings
from trivium.objectives.sequence import prefix_beam
from trivium.training.step import StepSeed, train_step

TINY = TunedSettings.tiny()
TEXTS = ("a red star above two fish", "it's a blue cat", "ten green bells", "no")
COLUMNS = {
    "translation": ("zwei fische", "eine katze", "die glocken", "nein"),
    "translation_language": ("en", "ja", "en", "en"),
    "label": ("yes", "no", "no", "yes"),
}
HEARD = ("ctc", "speech_translation", "speech_label")
EVERY = ("ctc", "speech_translation", "text_translation", "speech_label", "text_label")


def told(lengths=(18_000, 12_000, 12_500, 4_000), **columns):
    """Utterances of noise with texts, translations and labels."""
    return replace(said(TEXTS, lengths), columns={**COLUMNS, **columns})


def one(batch, row):
    """A row as it would come alone."""
    alone = {name: values[row : row + 1] for name, values in batch.columns.items()}
    return replace(row_of(batch, row), columns=alone)


def built(seed=0, **changes):
    torch.manual_seed(seed)
    return Tuned(TINY.model_copy(update=changes)).eval()


def prepared(system, batch, *names):
    roles = {role for name in names or system.objectives for role in system.needs[name]}
    return system.prepare(dict.fromkeys(roles, batch), np.random.default_rng(0))


def taught(system, parts, steps, active=None, lr=3e-3):
    """The system after some steps, and its losses at each."""
    optimizer = torch.optim.AdamW([p for p in system.parameters() if p.requires_grad], lr=lr)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        weights = dict.fromkeys(active or system.objectives, 1.0)
        losses.append(train_step(system.train(), [parts], weights, StepSeed(0, step)))
        torch.nn.utils.clip_grad_norm_(system.parameters(), 1.0)
        optimizer.step()
    return system.eval(), losses


def gradients(system, parts, weights):
    system.zero_grad()
    losses = train_step(system, [parts], weights, StepSeed(0, 0))
    grads = {name: p.grad.clone() for name, p in system.named_parameters() if p.grad is not None}
    return losses, grads


# What is learned.


def test_every_head_learns_a_toy():
    batch, system = told(), built()
    system, losses = taught(system, prepared(system, batch), 60)
    assert all(losses[-1][name] < 0.2 * losses[0][name] for name in EVERY), losses[-1]
    speech, none = batch.speech, [None] * 4
    assert system.transcribe(speech) == list(TEXTS)
    for to in ("en", "ja"):
        rows = [row for row in range(4) if COLUMNS["translation_language"][row] == to]
        wanted = [COLUMNS["translation"][row] for row in rows]
        heard, read = system.translate_speech(speech, none, to), (
            system.translate_text(TEXTS, none, to)
        )  # fmt: skip
        assert [heard[row] for row in rows] == wanted
        assert [read[row] for row in rows] == wanted
    for scores in (system.classify(speech, None), system.classify(None, TEXTS)):
        assert [system.labels[n] for n in scores.argmax(1)] == list(COLUMNS["label"])
    sounds = [row.numpy() for row in speech.rows()]
    assert Model("tuned", system, "").transcribe_speech(sounds) == list(TEXTS)


def test_texts_are_translated_by_what_has_learned_from_speech_alone():
    batch, system = told(), built()
    before = system.encoder.system.embedding.weight.clone()
    parts = prepared(system, batch, "speech_translation")
    system, losses = taught(system, parts, 15, ("speech_translation",))
    assert losses[-1]["speech_translation"] < losses[0]["speech_translation"]
    assert torch.allclose(system.encoder.system.embedding.weight, before)
    assert len(system.translate_text([*TEXTS, ""], [None] * 5, "en")) == 5


def test_pairs_of_sentences_are_told_apart_by_the_second():
    first, extra = "a red star", ('{"second": "is red"}', '{"second": "is blue"}')
    batch = replace(told(), texts=(first,) * 4)
    batch.columns["extra"] = (*extra, *extra)
    batch.columns["label"] = ("yes", "no", "yes", "no")
    classifier = ClassifierSettings(labels=("no", "yes"), reads="text", pairs=True)
    system = built(ctc=None, decoder=None, classifier=classifier)
    parts = prepared(system, batch, "text_label")
    characters = system.encoder.characters
    row = parts["labelled_text"].inputs["characters"].rows()[1].tolist()
    wanted = [*characters.read(first), characters.unknown, *characters.read("is blue")]
    assert row == wanted == system.encoder.numbers([f"{first}\tis blue"]).data[0].tolist()
    system, _ = taught(system, parts, 20, ("text_label",))
    scores = system.classify(None, [f"{first}\tis {colour}" for colour in ("blue", "red")])
    assert scores.argmax(1).tolist() == [0, 1]
    assert system.roles["labelled_text"] == ("text", "label", "extra")
    assert system.reads == ("text",)


# Slow twins.


@torch.no_grad()
def test_a_translation_costs_what_each_of_its_characters_costs():
    system, batch = built(), told()
    parts = prepared(system, batch, "text_translation")
    found = system(parts, ("text_translation",))["text_translation"].sum
    decoder, total, count = system.decoder, 0.0, 0
    for row, text in enumerate(TEXTS):
        states = decoder.bridge(system.encoder.read(system.encoder.numbers([text])).last.data)
        translation, language = (COLUMNS[name][row] for name in COLUMNS if name != "label")
        tokens = [decoder.begin[language]]
        letters = [1 + system.characters.alphabet.index(letter) for letter in translation]
        for token in (*letters, decoder.end):
            scores = decoder.network(encoder_outputs=(states,), use_cache=False,
                                     decoder_input_ids=torch.tensor([tokens])).logits  # fmt: skip
            total -= scores[0, -1].log_softmax(0)[token]
            tokens.append(token)
            count += 1
    torch.testing.assert_close(found, total, atol=1e-3, rtol=1e-5)
    assert parts["translations"].counts == {"text_translation": count}
    tied = decoder.network.lm_head.weight, decoder.network.model.decoder.embed_tokens.weight
    assert tied[0] is tied[1]


@pytest.mark.parametrize("kind", ["speech", "text"])
@torch.no_grad()
def test_a_classifier_takes_the_mean_of_each_layer_by_its_weight(kind):
    classifier = ClassifierSettings(labels=("no", "yes"), layers="mixed", dropout=0.5)
    system, batch = built(classifier=classifier), told()
    mix = system.classifier.mixes[kind]
    mix.copy_(torch.randn(len(mix)))
    weights = mix.exp() / mix.exp().sum()
    assert system.layer_weights()[kind] == pytest.approx(weights.tolist(), abs=1e-6)
    is_heard = kind == "speech"
    scores = system.classify(*((batch.speech, None) if is_heard else (None, TEXTS)))
    for row, text in enumerate(TEXTS):
        alone = one(batch, row).speech
        shown = system.encoder.system
        frames = shown.frames(alone) if is_heard else shown.text_frames([text])
        assert len(frames.states) == len(mix)
        mixed = sum(weight * state[0].mean(0) for weight, state in zip(weights, frames.states,
                                                                       strict=True))  # fmt: skip
        own = system.classifier.choose(mixed)
        torch.testing.assert_close(scores[row], own, atol=1e-4, rtol=1e-4)


def test_a_prefix_beam_writes_where_one_is_asked_for():
    system = built(ctc=CtcHeadSettings(beam=4))
    speech = told().speech
    with torch.no_grad():
        found = prefix_beam(system._scores(system.encoder.hear(speech)), 4)
    assert system.transcribe(speech) == [system.characters.write(row) for row in found]
    system.settings = system.settings.model_copy(update={"ctc": CtcHeadSettings()})
    assert system.transcribe(speech) != [system.characters.write(row) for row in found]


# The same in every batch.


def test_speech_and_texts_together_are_the_sum_of_each_alone_by_their_weights():
    system, batch = built(), told()
    weights = {"speech_translation": 1.0, "text_translation": 5.0}
    losses, together = gradients(system, prepared(system, batch, *weights), weights)
    sums = {}
    for name, weight in weights.items():
        own, grads = gradients(system, prepared(system, batch, name), {name: weight})
        assert own == pytest.approx({name: losses[name]}, rel=1e-5)
        for parameter, grad in grads.items():
            sums[parameter] = sums.get(parameter, 0) + grad
        # The weight is all there is between them.
        plain = gradients(system, prepared(system, batch, name), {name: 1.0})[1]
        torch.testing.assert_close(grads["decoder.bridge.weight"],
                                   weight * plain["decoder.bridge.weight"])  # fmt: skip
    assert sums.keys() == together.keys()
    for parameter, grad in together.items():
        torch.testing.assert_close(sums[parameter], grad, atol=1e-4, rtol=1e-4)


def test_micros_give_the_gradient_of_one_batch():
    system, batch = built(), told()
    weights = {name: 1.0 + number for number, name in enumerate(EVERY)}
    losses, whole = gradients(system, prepared(system, batch), weights)
    system.zero_grad()
    micros = [prepared(system, one(batch, row)) for row in range(4)]
    assert train_step(system, micros, weights, StepSeed(0, 0)) == pytest.approx(losses, rel=1e-4)
    for name, parameter in system.named_parameters():
        if name in whole:
            torch.testing.assert_close(parameter.grad, whole[name], atol=2e-4, rtol=1e-3)


@settings(max_examples=4)
@given(st.permutations(range(4)), st.integers(0, 900), st.sampled_from(["top", "mixed"]))
def test_neither_padding_nor_order_nor_neighbours_change_a_thing(order, extra, layers):
    system = built(classifier=ClassifierSettings(labels=("no", "yes"), layers=layers))
    batch = told()
    noise = torch.randn(4, extra)
    shuffled = replace(
        batch, ids=tuple(batch.ids[row] for row in order), rows=batch.rows[list(order)],
        texts=tuple(batch.texts[row] for row in order),
        columns={name: tuple(column[row] for row in order)
                 for name, column in batch.columns.items()},
        speech=Ragged(torch.cat([batch.speech.data[list(order)], noise], 1),
                      batch.speech.lengths[list(order)]),
    )  # fmt: skip
    whole = prepared(system, shuffled)
    sums, counts = dict.fromkeys(EVERY, 0.0), dict.fromkeys(EVERY, 0)
    for row in range(4):
        alone = prepared(system, one(batch, row))
        for name, term in system(alone, EVERY).items():
            sums[name] += term.sum
            counts[name] += sum(part.counts.get(name, 0) for part in alone.values())
    for name, term in system(whole, EVERY).items():
        torch.testing.assert_close(term.sum, sums[name], atol=1e-3, rtol=1e-4)
        assert sum(part.counts.get(name, 0) for part in whole.values()) == counts[name]
    speech, none = shuffled.speech, [None] * 4
    written, heard, read = (system.transcribe(speech), system.translate_speech(speech, none, "en"),
                            system.translate_text(shuffled.texts, none, "ja"))  # fmt: skip
    scores = system.classify(speech, None), system.classify(None, shuffled.texts)
    for place, row in enumerate(order):
        alone = one(batch, row)
        assert system.transcribe(alone.speech) == [written[place]]
        assert system.translate_speech(alone.speech, none[:1], "en") == [heard[place]]
        assert system.translate_text(alone.texts, none[:1], "ja") == [read[place]]
        own = system.classify(alone.speech, None)[0], system.classify(None, alone.texts)[0]
        for one_score, found in zip(own, scores, strict=True):
            torch.testing.assert_close(found[place], one_score, atol=1e-3, rtol=1e-3)


# Probes.


@pytest.mark.parametrize("name", ["joint", "grounded", "speechclip", "ctc"])
def test_a_probe_learns_and_leaves_its_encoder_as_it_is(name):
    encoder = EncoderSettings(system=name, settings=system_class(name).Settings.tiny())
    classifier = ClassifierSettings(labels=("no", "yes"), layers="mixed")
    system = built(encoder=encoder, train_encoder=False, ctc=None, decoder=None,
                   classifier=classifier)  # fmt: skip
    assert ("text_label" in system.objectives) == (name == "joint")
    before = {key: tensor.clone() for key, tensor in system.encoder.state_dict().items()}
    parts = prepared(system, told(), "speech_label")
    system, losses = taught(system, parts, 40, ("speech_label",), lr=0.05)
    assert losses[-1]["speech_label"] < 0.9 * losses[0]["speech_label"]
    for key, tensor in system.encoder.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    assert not any(p.requires_grad for p in system.encoder.parameters())
    assert not any(module.training for module in system.train().encoder.system.modules())
    weights = system.layer_weights()["speech"]
    assert len(weights) == system.encoder.states["speech"]
    assert sum(weights) == pytest.approx(1, abs=1e-5)
    assert max(weights) - min(weights) > 0.01


def test_what_is_shown_of_an_encoder_is_what_a_probe_hears():
    encoder = EncoderSettings(system="grounded", settings=Grounded.Settings.tiny())
    system = built(encoder=encoder, train_encoder=False, ctc=None, decoder=None)
    speech = told().speech
    heard, shown = system.encoder.hear(speech), system.encoder.system.frames(speech)
    assert torch.equal(heard.lengths, system.encoder.num_frames(speech.lengths))
    for mine, theirs in zip(heard.states, shown.states, strict=True):
        assert torch.equal(mine, theirs)


def test_an_encoder_in_training_drops_out_and_a_frozen_one_does_not():
    conformer = JointSettings.tiny().conformer.model_copy(update={"dropout": 0.5})
    encoder = EncoderSettings(
        system="joint", settings=JointSettings.tiny().model_copy(update={"conformer": conformer})
    )
    speech = told().speech
    for is_trained in (True, False):
        system = built(encoder=encoder, train_encoder=is_trained).train()
        first, second = (system.encoder.hear(speech).last.data for _ in range(2))
        assert torch.equal(first, second) != is_trained
        assert first.requires_grad == is_trained
        assert system.encoder.read(system.encoder.numbers(TEXTS)).last.data.requires_grad == (
            is_trained
        )
