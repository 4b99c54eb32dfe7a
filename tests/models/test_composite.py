"""Composite: each loss against plain passes of transformers, and the same in every batch."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.test_grounded import NothingComesBack
from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.composite import Composite, CompositeSettings
from trivium.models.composite.passes import Passes, write_states
from trivium.models.composite.preparation import SPOKEN, WRITTEN
from trivium.models.composite.settings import PAPER
from trivium.models.towers import TowerSettings, train_tokenizer
from trivium.objectives import distill
from trivium.objectives.distill import Taught, guided_loss
from trivium.training.schedule import frozen_names
from trivium.training.step import StepSeed, train_step

TINY = CompositeSettings.tiny()
TEXTS = ("赤い犬と青い猫", "a red star", "", "zwei Hunde")
CODES = ("ja", "en", "en", "de")
TRANSLATIONS = ("A red dog and a blue cat", "ein roter Stern", "nichts", None)
TO = ("en", "de", "de", None)
LENGTHS = (24_000, 17_000, 3_000, 9_000)
TRANSLATOR = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "dropout": 0.0,
              "attention_dropout": 0.0, "init_std": 0.2}  # fmt: skip
SPEECH = {"encoder_layers": 1, "max_source_positions": 200, "init_std": 0.2}


def tower(name, sizes):
    return TowerSettings(network=name, random_weights=True, sizes=sizes)


def built(name="test-mbart", seed=0, sizes=(), **changes):
    """A tiny system with other settings."""
    torch.manual_seed(seed)
    given_ = {"translator": tower(name, {**TRANSLATOR, **dict(sizes)}),
              "speech": tower("test-whisper", SPEECH), "languages": ("en", "de", "ja"),
              **changes}  # fmt: skip
    pieces = train_tokenizer([*TEXTS, *filter(None, TRANSLATIONS)], 280)
    return Composite(TINY.model_copy(update=given_), pieces).eval()


def said(extra=0, rows=range(4), seed=0):
    """Utterances of noise with texts and translations; noise stands behind them too."""
    generator = torch.Generator().manual_seed(seed)
    rows = list(rows)
    data = torch.randn(4, max(LENGTHS), generator=generator) * 0.1
    data = torch.nn.functional.pad(data, (0, extra), value=0.3)
    lengths = torch.tensor(LENGTHS)[rows]
    width = max(lengths) + extra

    def pick(values):
        return tuple(values[row] for row in rows)

    return Batch(
        pick(("u0", "u1", "u2", "u3")), np.array(rows), texts=pick(TEXTS), languages=pick(CODES),
        speech=Ragged(data[rows, :width], lengths),
        columns={"translation": pick(TRANSLATIONS), "translation_language": pick(TO)},
    )  # fmt: skip


def prepared(system, batch=None, *roles):
    parts = dict.fromkeys(roles or ("spoken", "written"), batch or said())
    return system.prepare(parts, np.random.default_rng(0))


def losses(system, parts, active=(*SPOKEN, *WRITTEN)):
    """What each objective gives, and how much of it there is."""
    counts = {name: sum(part.counts.get(name, 0) for part in parts.values()) for name in active}
    return {name: term.sum.item() for name, term in system(parts, active).items()}, counts


# The same in every batch.


@settings(max_examples=5)
@given(
    st.permutations(range(4)), st.integers(0, 900), st.sampled_from(["test-mbart", "test-m2m100"])
)
def test_a_batch_is_the_sum_of_its_rows(order, extra, name):
    system = built(name)
    with torch.no_grad():
        whole, counts = losses(system, prepared(system, said(extra, order)))
        sums, total = dict.fromkeys(whole, 0.0), dict.fromkeys(whole, 0)
        for row in order:
            own, count = losses(system, prepared(system, said(0, [row])))
            sums = {name: sums[name] + own[name] for name in sums}
            total = {name: total[name] + count[name] for name in total}
    assert whole == pytest.approx(sums, rel=1e-4, abs=1e-4)
    assert counts == total


@pytest.mark.parametrize("network", ["test-hubert", "test-wavlm-large", "test-w2v-bert"])
@torch.no_grad()
def test_any_speech_tower_is_heard_the_same_in_every_batch(network):
    system = built(speech=tower(network, {}))
    whole, _ = losses(system, prepared(system, said(500)), SPOKEN)
    alone = [losses(system, prepared(system, said(0, [row])), SPOKEN)[0] for row in range(4)]
    assert whole == pytest.approx({name: sum(own[name] for own in alone) for name in whole},
                                  rel=1e-4, abs=1e-3)  # fmt: skip


def test_nothing_is_read_back_in_a_step():
    system = built().train()
    parts = prepared(system)
    with NothingComesBack():
        terms = system(parts, (*SPOKEN, *WRITTEN))
        sum(term.sum for term in terms.values()).backward()


def test_micros_give_the_gradient_of_one_batch():
    system, weights = built().train(), dict.fromkeys((*SPOKEN, *WRITTEN), 0.5)
    found = []
    for groups in ([[0, 1, 2, 3]], [[3, 0], [2, 1]]):
        system.zero_grad()
        micros = [prepared(system, said(0, rows)) for rows in groups]
        told = train_step(system, micros, weights, StepSeed(0, 0))
        gradients = {n: p.grad for n, p in system.named_parameters() if p.grad is not None}
        found.append((told, gradients))
    (one, whole), (several, parted) = found
    assert several == pytest.approx(one, rel=1e-4)
    for name, gradient in whole.items():
        torch.testing.assert_close(parted[name], gradient, atol=1e-4, rtol=1e-3)


def test_what_is_hidden_does_not_depend_on_the_micro_and_is_other_in_every_epoch():
    system = built(mask_share=0.4)
    whole = prepared(system, said(), "spoken")["spoken"]
    width = whole.inputs["source"].data.shape[1]
    hidden = whole.inputs["hidden_places"]
    for row in range(4):
        own = prepared(system, said(0, [row]), "spoken")["spoken"].inputs["hidden_places"]
        assert (hidden[hidden // width == row] % width).tolist() == own.tolist()
    later = prepared(system, replace(said(), epoch=1), "spoken")["spoken"]
    assert later.inputs["hidden_places"].tolist() != hidden.tolist()


# Each loss against passes of transformers on one row alone, and loops in float64.


def plain_loss(scores, targets, likely=None, guide=0.0):
    """A place and a token at a time."""
    total = 0.0
    for place, target in enumerate(targets):
        row = scores[place].double().tolist()
        logs = [score - math.log(sum(map(math.exp, row))) for score in row]
        total -= (1 - guide) * logs[target]
        if likely is not None:
            taught = likely[place].double().tolist()
            taught = [math.exp(score) / sum(map(math.exp, taught)) for score in taught]
            total -= guide * sum(q * log for q, log in zip(taught, logs, strict=True))
    return total


@torch.no_grad()
def slow_losses(system, row, hidden):
    """ComSL's equations on one utterance, each pass made as transformers makes it."""
    network, translator = system.translator.network, system.translator
    wave = said(0, [row]).speech
    source = translator.tokens([TEXTS[row]], [CODES[row]])[0].tolist()
    target = translator.tokens([TRANSLATIONS[row]], [TO[row]])[0].tolist()

    def embed(numbers):
        return network.model.encoder.embed_tokens(torch.tensor([numbers]))

    def encode(embedded):
        return network.model.encoder(inputs_embeds=embedded, output_hidden_states=True)

    def scores(encoded, told):
        """What is said behind the start token and the language, which nothing is asked to say."""
        begun = torch.tensor([[translator.start, *told[:-1]]])
        made = network(encoder_outputs=(encoded,), decoder_input_ids=begun)
        return made.logits[0, 1:]

    frames = system.adapter(system.speech(wave).last).data
    spoken = torch.cat([embed(source[:1]), frames], 1)
    shown = [translator.mask if place in hidden else n for place, n in enumerate(source)]
    alone, text = encode(spoken), encode(embed(source))
    both = encode(torch.cat([embed(shown), spoken], 1))  # text first
    before, behind = (both.last_hidden_state[:, :len(source)],
                      both.last_hidden_state[:, len(source):])  # fmt: skip
    taught, guide = scores(text.last_hidden_state, target), system.settings.guide
    places = [place - 1 for place in hidden]
    layer = system.settings.match_layer
    pairs = zip(alone.hidden_states[layer][0], both.hidden_states[layer][0, len(source):],
                strict=True)  # fmt: skip
    return {
        "asr": plain_loss(scores(alone.last_hidden_state, source), source[1:]),
        "st": plain_loss(scores(alone.last_hidden_state, target), target[1:], taught, guide),
        "mt": plain_loss(taught, target[1:]),
        "mt_written": plain_loss(taught, target[1:]),
        "stm": plain_loss(scores(behind, source), source[1:]),
        "mst": plain_loss(scores(behind, target), target[1:], taught, guide),
        # Hidden tokens alone, while the decoder is told the whole text before each.
        "mtp": plain_loss(scores(before, source)[places], [source[place] for place in hidden]),
        "erm": sum((a.double() / a.double().norm() - b.double() / b.double().norm()).norm().item()
                   for a, b in pairs),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["test-mbart", "test-m2m100"])
def test_every_loss_is_what_plain_passes_give(name):
    system = built(name, mask_share=0.4)
    for row in range(3):
        parts = prepared(system, said(0, [row]))
        hidden = parts["spoken"].inputs["hidden_places"].tolist()
        with torch.no_grad():
            found, _ = losses(system, parts)
        assert found == pytest.approx(slow_losses(system, row, hidden), rel=1e-4, abs=1e-4)


def test_counts_are_tokens_or_utterances():
    system = built(mask_share=0.4)
    spoken = prepared(system)["spoken"]
    source, target = spoken.inputs["source"].lengths, spoken.inputs["target"].lengths
    assert target[3] == 1  # of what is not translated there is nothing to tell
    told = {"asr": sum(source) - 4, "st": sum(target) - 4}
    told |= {"mtp": len(spoken.inputs["hidden_places"])}
    told |= {"erm": 4 + sum(system.num_frames(torch.tensor(LENGTHS)))}
    told |= {"stm": told["asr"], "mt": told["st"], "mst": told["st"]}
    assert spoken.counts == {name: int(count) for name, count in told.items()}
    rows = prepared(built(counted="utterances"))["spoken"].counts
    assert rows == {"asr": 4, "stm": 4, "st": 3, "mt": 3, "mst": 3, "mtp": 3, "erm": 4}


def test_neither_language_nor_end_is_hidden_and_a_text_always_loses_something():
    system = built(mask_share=0.01)
    for epoch in range(20):
        part = prepared(system, replace(said(), epoch=epoch), "spoken")["spoken"]
        source, hidden = part.inputs["source"], part.inputs["hidden_places"]
        width = source.data.shape[1]
        rows, places = hidden // width, hidden % width
        assert set(rows.tolist()) == {0, 1, 3}  # of an empty text nothing can be
        assert (places > 0).all()
        assert (places < source.lengths[rows] - 1).all()


# Who teaches whom, and what is computed.


def gradient_of(system, parts, name):
    system.zero_grad()
    system(parts, (name,))[name].sum.backward()
    return {n: p.grad.clone() for n, p in system.named_parameters() if p.grad is not None}


def test_text_translation_teaches_and_nothing_flows_back_to_it():
    system = built(guide=1.0)
    parts = prepared(system, None, "spoken")
    made = gradient_of(system, parts, "st")
    other = deepcopy(system)  # the same numbers, and no parameter of ours
    ours, theirs = (
        Passes(s.translator, s.settings, parts["spoken"], ("st",), s._hear) for s in (system, other)
    )
    places, target = ours.target_places, ours.target
    states = write_states(system.translator, ours.speech.last, target, places)
    taught = Taught(theirs.translated, other.translator.head, 1.0)
    system.zero_grad()
    numbers = target.data.flatten()[places]
    guided_loss(states, system.translator.head, numbers, taught).backward()
    for name, parameter in system.named_parameters():
        assert (parameter.grad is None) == (name not in made)
        if name in made:
            torch.testing.assert_close(parameter.grad, made[name])


def test_a_frozen_teacher_keeps_text_translation_near_and_stays_as_it_is():
    other = tower("test-mbart", {**TRANSLATOR, "vocab_size": 400})
    system = built(teacher=other, teacher_guide=0.2)
    parts = prepared(system, None, "spoken", "written")
    with pytest.raises(TriviumError, match="the teacher None has not been read"):
        system(parts, ("mt",))
    torch.manual_seed(5)
    system.begin({})
    teacher = system._teacher[0]
    assert not any(name.startswith("_teacher") for name, _ in system.named_parameters())
    for name in ("mt", "mt_written"):
        gradient_of(system, parts, name)
        assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    source = system.translator.tokens(TEXTS[:1], CODES[:1])[0]
    target = system.translator.tokens(TRANSLATIONS[:1], TO[:1])[0]
    scores = [
        t.network(input_ids=torch.tensor(source)[None],
                  decoder_input_ids=torch.tensor([[2, *target[:-1]]])).logits[0, 1:]
        for t in (system.translator, teacher)
    ]  # fmt: skip
    found, _ = losses(system, prepared(system, said(0, [0])), ("mt", "st"))
    assert found["mt"] == pytest.approx(plain_loss(scores[0], target[1:], scores[1], 0.2), rel=1e-4)
    small = built(teacher=tower("test-mbart", {**TRANSLATOR, "vocab_size": 450}))
    with pytest.raises(SettingsError, match="450 tokens and the text network 400"):
        small.begin({})


@pytest.mark.parametrize(
    ("active", "guide", "made"),
    [
        (("asr",), 0.8, (1, 1, 1)),  # tower, encoder, decoder
        (("st",), 0.0, (1, 1, 1)),
        (("st",), 0.8, (1, 2, 2)),
        (("mt",), 0.8, (0, 1, 1)),
        (("st", "asr", "mt"), 0.8, (1, 2, 3)),
        (("mtp",), 0.8, (1, 1, 1)),
        (("stm", "mtp"), 0.8, (1, 1, 2)),
        (("erm",), 0.8, (1, 2, 0)),
        (SPOKEN, 0.8, (1, 3, 6)),
        (WRITTEN, 0.8, (0, 1, 1)),
    ],
)
def test_no_pass_is_made_that_no_active_loss_needs_and_none_twice(active, guide, made):
    system = built(guide=guide)
    parts, calls = prepared(system), []
    body = system.translator.network.model
    for module in (system.speech, body.encoder, body.decoder):
        module.register_forward_hook(lambda module, *_: calls.append(module))
    assert tuple(system(parts, active)) == active
    assert tuple(map(calls.count, (system.speech, body.encoder, body.decoder))) == made


def test_scores_are_made_at_told_places_alone(monkeypatch):
    system = built()
    parts, rows = prepared(system, None, "spoken"), []
    scores = distill.Head.scores
    monkeypatch.setattr(
        distill.Head,
        "scores",
        lambda head, states: rows.append(len(states)) or scores(head, states),
    )
    system(parts, ("asr", "mtp", "st"))
    counts = parts["spoken"].counts
    assert rows == [counts["asr"], counts["mtp"], counts["st"], counts["st"]]


def test_the_gradient_below_the_encoder_is_scaled_on_speech_alone_and_text_alone():
    for name, kinds in (
        ("asr", "adapter.second"),
        ("mt", "translator.network.model.encoder.layers"),
    ):
        one, two = (built(encoder_gradient=scale) for scale in (1.0, 2.0))
        first, second = (gradient_of(s, prepared(s, None, "spoken"), name) for s in (one, two))
        for key, gradient in first.items():
            if key.startswith(kinds):
                torch.testing.assert_close(second[key], 2 * gradient, rtol=1e-4, atol=1e-5)
            elif ".decoder.layers" in key:
                torch.testing.assert_close(second[key], gradient)
    joined = [gradient_of(s, prepared(s, None, "spoken"), "stm") for s in (one, two)]
    torch.testing.assert_close(joined[0], joined[1])
    assert PAPER["encoder_gradient"] == 2


def test_matching_a_pass_with_itself_is_nothing():
    system = built()
    batch = prepared(system, said(0, [2]), "spoken")["spoken"]
    with torch.no_grad():
        system.translator.network.model.encoder.layers[0].self_attn.out_proj.weight.zero_()
        system.translator.network.model.encoder.embed_positions.weight.zero_()
        found = system({"spoken": batch}, ("erm",))["erm"].sum
    # Where neither attention nor position tells the two passes apart, their states are one.
    assert found.item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("pattern", ["speech.*", "translator.network.model.decoder.*", "adapter.*"])
def test_any_part_is_frozen_by_a_pattern(pattern):
    system = built()
    names = [name for name, _ in system.named_parameters()]
    frozen = frozen_names(names, [pattern])
    for name, parameter in system.named_parameters():
        parameter.requires_grad_(name not in frozen)
    made = gradient_of(system, prepared(system), "st")
    assert made
    assert not frozen & made.keys()
