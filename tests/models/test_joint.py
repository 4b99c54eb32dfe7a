"""Joint: who sees which mask, what trains what, and the same in every batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.test_grounded import NothingComesBack
from trivium.data.batch import Batch, Ragged
from trivium.models.joint import Joint, JointSettings
from trivium.models.joint.bodies import Heard, join
from trivium.objectives.masked import covered_frames
from trivium.training.step import StepSeed, train_step

TINY = JointSettings.tiny()
SPEECH, TEXT = ("contrastive", "diversity", "codes"), ("spans",)
TLM = ("tlm_text", "tlm_speech")
PAIRS = ("ctc", *TLM)
EVERY = (*SPEECH, *TEXT, *PAIRS)
TEXTS = ("a red star above two fish", "it's a blue cat", "ten green bells", "no")


def built(seed=0, **changes):
    """A tiny system with other settings."""
    torch.manual_seed(seed)
    return Joint(TINY.model_copy(update=changes)).eval()


def said(texts=TEXTS, lengths=(24_000, 17_000, 12_000, 5_000), seed=0, extra=0):
    """Utterances of noise with texts."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(len(texts), max(lengths) + extra, generator=generator) * 0.1
    ids = tuple(f"u{number}-{text}" for number, text in enumerate(texts))
    speech = Ragged(data, torch.tensor(lengths[: len(texts)]))
    return Batch(ids, np.arange(len(texts)), speech=speech, texts=tuple(texts))


def parts_of(batch, *roles):
    return dict.fromkeys(roles or ("speech", "text", "pairs"), batch)


def prepared(system, **parts):
    return system.prepare(parts, np.random.default_rng(0))


def row_of(batch, row):
    """One row of a batch, as it would come alone."""
    length = int(batch.speech.lengths[row])
    own = Ragged(batch.speech.data[row : row + 1, :length], torch.tensor([length]))
    return replace(batch, ids=batch.ids[row : row + 1], rows=batch.rows[row : row + 1],
                   speech=own, texts=batch.texts[row : row + 1])  # fmt: skip


def touched(system, parts, active):
    """Parameters that objectives send a gradient to."""
    system.zero_grad()
    sum(term.sum for term in system(parts, active).values()).backward()
    return {name for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}


# The same in every batch.


def test_a_mix_of_all_kinds_is_the_sum_of_each_alone():
    system = built().train()
    whole = prepared(system, **parts_of(said()))
    weights = {name: 1.0 + number for number, name in enumerate(EVERY)}
    system.zero_grad()
    losses = train_step(system, [whole], weights, StepSeed(0, 0))
    together = {n: p.grad.clone() for n, p in system.named_parameters() if p.grad is not None}
    system.zero_grad()
    for role, names in (("speech", SPEECH), ("text", TEXT), ("pairs", PAIRS)):
        own = {name: weights[name] for name in names}  # gradients add up over the three
        alone = train_step(system, [{role: whole[role]}], own, StepSeed(0, 0))
        assert alone == pytest.approx({name: losses[name] for name in names}, rel=1e-5)
    for name, parameter in system.named_parameters():
        torch.testing.assert_close(parameter.grad, together[name], atol=1e-4, rtol=1e-4)


@settings(max_examples=6)
@given(st.permutations(range(4)), st.integers(0, 900), st.sampled_from([0, 4]))
def test_neither_padding_nor_order_nor_neighbours_change_a_loss(order, extra, groups):
    system = built(conformer=TINY.conformer.model_copy(update={"groups": groups}))
    names = tuple(name for name in EVERY if name != "diversity")  # a loss of a whole batch
    batch = said(extra=extra)
    shuffled = replace(
        batch, ids=tuple(batch.ids[row] for row in order), rows=batch.rows[list(order)],
        texts=tuple(batch.texts[row] for row in order),
        speech=Ragged(batch.speech.data[list(order)], batch.speech.lengths[list(order)]),
    )  # fmt: skip
    together = system(prepared(system, **parts_of(shuffled)), names)
    sums, counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for row in range(4):
        alone = prepared(system, **parts_of(row_of(batch, row)))
        for name, term in system(alone, names).items():
            sums[name] += term.sum
            counts[name] += sum(part.counts.get(name, 0) for part in alone.values())
    whole = prepared(system, **parts_of(shuffled))
    for name in names:
        torch.testing.assert_close(together[name].sum, sums[name], atol=1e-3, rtol=1e-4)
        assert sum(part.counts.get(name, 0) for part in whole.values()) == counts[name]


@settings(max_examples=8)
@given(st.lists(st.integers(2_000, 9_000), min_size=2, max_size=3), st.integers(0, 900))
def test_an_utterance_is_heard_and_written_the_same_in_every_batch(lengths, extra):
    system = built()
    waves = said(TEXTS[: len(lengths)], tuple(lengths), extra=extra).speech
    vectors, frames = system.embed_speech(waves), system.frames(waves)
    scores, written = system.write(waves), system.transcribe(waves)
    assert len(frames.states) == 5
    assert frames.lengths.tolist() == system.body.num_frames(waves.lengths).tolist()
    for row, length in enumerate(lengths):
        alone = Ragged(waves.data[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(vectors[row], system.embed_speech(alone)[0], atol=1e-3, rtol=0)
        for state, own in zip(frames.states, system.frames(alone).states, strict=True):
            count = int(frames.lengths[row])
            torch.testing.assert_close(state[row, :count], own[0], atol=1e-3, rtol=0)
            assert not state[row, count:].any()
        own = system.write(alone).data[0]
        torch.testing.assert_close(scores.rows()[row], own, atol=1e-3, rtol=1e-3)
        assert written[row] == system.transcribe(alone)[0]


def test_what_is_too_short_for_a_frame_is_one():
    system, waves = built(), said(TEXTS[:3], (0, 1, 559)).speech
    frames = system.frames(waves)
    assert frames.lengths.tolist() == [1, 1, 1]
    assert all(state.isfinite().all() for state in frames.states)
    assert len(system.transcribe(waves)) == 3


def test_a_text_is_read_the_same_in_every_batch():
    system = built()
    vectors, frames = system.embed_text(TEXTS), system.text_frames([*TEXTS, ""])
    assert frames.lengths.tolist() == [*map(len, TEXTS), 1]
    assert len(frames.states) == 3  # none of the layers of speech
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(vectors[row], system.embed_text([text])[0], atol=1e-5, rtol=0)


def test_what_is_hidden_does_not_depend_on_the_micro_and_is_other_in_every_epoch():
    system, batch = built(), said(extra=500)
    whole = prepared(system, **parts_of(batch))
    for row in range(4):
        alone = prepared(system, **parts_of(row_of(batch, row)))
        for role, part in whole.items():
            for name, thing in part.inputs.items():
                if isinstance(thing, Ragged):
                    assert torch.equal(thing.rows()[row], alone[role].inputs[name].rows()[0]), name
    later = prepared(system, **parts_of(replace(batch, epoch=1)))
    for role, name in (("speech", "hidden"), ("text", "hidden_text"), ("pairs", "hidden")):
        assert whole[role].inputs[name].rows()[0].tolist() != (
            later[role].inputs[name].rows()[0].tolist()
        )


def test_counts_are_what_is_hidden_or_written():
    parts = prepared(built(), **parts_of(said()))
    letters = sum(map(len, TEXTS))
    pairs, text, speech = parts["pairs"], parts["text"], parts["speech"]
    assert pairs.counts["ctc"] == letters
    assert pairs.counts["tlm_text"] == pairs.inputs["hidden_text"].lengths.sum()
    assert pairs.counts["tlm_text"] == pytest.approx(0.5 * letters, abs=3)
    frames = built().body.num_frames(pairs.speech.lengths).sum().item()
    assert pairs.counts["tlm_speech"] == pytest.approx(0.75 * frames, abs=3)
    assert text.counts["spans"] == pytest.approx(0.15 * letters, abs=3)
    assert set(speech.counts) == set(SPEECH)
    assert speech.counts["codes"] == speech.inputs["hidden"].lengths.sum()


# Who sees what.


def test_ctc_hears_nothing_of_the_text():
    system = built()
    one = prepared(system, pairs=said())["pairs"]
    # Another text of the same length in another alphabet's order: only the transcript changes.
    other = prepared(system, pairs=said(tuple(text[::-1] for text in TEXTS)))["pairs"]
    transcripts = one.inputs["transcripts"]
    swapped = replace(other, inputs={**other.inputs, "transcripts": transcripts})
    losses = [system({"pairs": part}, ("ctc",))["ctc"].sum for part in (one, swapped)]
    assert torch.equal(*losses)
    assert not torch.equal(losses[0], system({"pairs": other}, ("ctc",))["ctc"].sum)
    found = touched(system, {"pairs": one}, ("ctc",))
    assert not {"embedding.weight", "mask_vector", "predict_characters.weight"} & found
    assert {"write_characters.weight", "speech.projection.weight"} <= found


def test_speech_and_text_see_one_another_in_the_joined_pass():
    system = built()
    one = prepared(system, pairs=said())["pairs"]
    hidden = one.inputs["hidden_text"]
    changed = one.inputs["characters"].data.clone()
    seen = torch.ones_like(changed).bool().scatter(1, hidden.data, False)
    changed[seen & (changed > 0)] = 5  # what is left of the text
    characters = Ragged(changed, one.inputs["characters"].lengths)
    other = replace(one, inputs={**one.inputs, "characters": characters})
    terms = [system({"pairs": part}, TLM) for part in (one, other)]
    assert not torch.isclose(terms[0]["tlm_speech"].sum, terms[1]["tlm_speech"].sum, rtol=1e-6)
    louder = replace(one, speech=Ragged(one.speech.data.flip(1), one.speech.lengths))
    assert not torch.isclose(
        terms[0]["tlm_text"].sum, system({"pairs": louder}, TLM)["tlm_text"].sum, rtol=1e-6
    )


def test_hidden_characters_are_not_seen():
    system = built()
    for role, name in (("text", "spans"), ("pairs", "tlm_text")):
        one = prepared(system, **{role: said()})[role]
        hidden, characters = one.inputs["hidden_text"], one.inputs["characters"]
        covered = covered_frames(hidden, characters.data.shape[1])
        numbers = characters.data.masked_fill(covered, 7)
        assert not torch.equal(numbers, characters.data)
        embedded = [system._embed(Ragged(data, characters.lengths), hidden).data
                    for data in (characters.data, numbers)]  # fmt: skip
        assert torch.equal(*embedded), name


def test_hidden_frames_are_not_heard_and_their_codes_are_those_of_the_clean_input():
    system = built()
    part = prepared(system, speech=said())["speech"]
    hidden = part.inputs["hidden"]
    heard = system.body.hear(part.speech)
    covered = covered_frames(hidden, heard.state.shape[1])
    noisy = heard.state.masked_fill(covered[..., None], 100.0)
    frames = [system._alone(Heard(heard.clean, state, heard.lengths), hidden)
              for state in (heard.state, noisy)]  # fmt: skip
    for row, other in zip(frames[0].rows(), frames[1].rows(), strict=True):
        torch.testing.assert_close(row, other)
    system.zero_grad()
    before = system({"speech": part}, ("diversity", "codes"))
    calls = []
    system.quantizer.register_forward_hook(lambda _, given, made: calls.append((given[0], made)))
    with torch.no_grad():
        system.mask_vector[::2] += 5
    after = system({"speech": part}, ("diversity", "codes"))
    assert torch.equal(before["diversity"].sum, after["diversity"].sum)
    assert not torch.equal(before["codes"].sum, after["codes"].sum)
    given_, made = calls[0]
    for row, places in enumerate(hidden.rows()):
        torch.testing.assert_close(given_[row, : len(places)], heard.clean[row, places])
        likeliest = system.quantizer.likeliest(heard.clean[row, places])[:, 0]
        assert torch.equal(made.codes[row, : len(places)], likeliest)


def test_what_trains_the_codes_and_what_only_predicts_them():
    system = built().train()
    parts = prepared(system, **parts_of(said()))
    codes = {"quantizer.choice.weight", "quantizer.choice.bias"}
    assert codes <= touched(system, parts, ("contrastive",))
    assert codes <= touched(system, parts, ("diversity",))
    for name in ("codes", "tlm_speech"):
        found = touched(system, parts, (name,))
        assert not any(each.startswith(("quantizer", "project_")) for each in found)
        assert {"predict_codes.weight", "mask_vector"} <= found
    top = {f"speech.layers.{number}.norm.weight" for number in (2, 3)}
    assert not top & touched(system, parts, ("contrastive",))
    spans = touched(system, parts, ("spans",))
    assert top <= spans
    assert not any(each.startswith(("speech.layers.0", "speech.layers.1", "speech.sub"))
                   for each in spans)  # fmt: skip


@pytest.mark.parametrize(
    ("active", "fronts", "low", "high"),
    [(("contrastive",), 1, 1, 0), (SPEECH, 1, 1, 1), (TEXT, 0, 0, 1), (("ctc",), 1, 1, 1),
     (TLM, 1, 1, 1), (PAIRS, 1, 2, 2), (EVERY, 2, 3, 4)],
)  # fmt: skip
def test_each_pass_is_made_once(active, fronts, low, high):
    system = built()
    roles = {role for name in active for role in system.needs[name]}
    parts, calls = prepared(system, **parts_of(said(), *sorted(roles))), []
    watched = {"front": system.speech.subsampling, "low": system.speech.layers[0],
               "high": system.speech.layers[-1]}  # fmt: skip
    for name, module in watched.items():
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    assert tuple(system(parts, active)) == active
    assert [calls.count(name) for name in watched] == [fronts, low, high]


def test_nothing_is_read_back_in_a_step():
    system = built().train()
    parts = prepared(system, **parts_of(said()))
    with NothingComesBack():
        terms = system(parts, tuple(name for name in EVERY if name != "ctc"))
        sum(term.sum for term in terms.values()).backward()


def test_micros_give_the_gradient_of_one_batch():
    system = built()
    batch, weights = said(), {name: 1.0 for name in EVERY if name != "diversity"}

    def gradients(*groups):
        system.zero_grad()
        micros = [prepared(system, **parts_of(row_of(batch, row))) for row in groups[0]]
        if groups[0] == ():
            micros = [prepared(system, **parts_of(batch))]
        losses = train_step(system, micros, weights, StepSeed(0, 0))
        return losses, {n: p.grad.clone() for n, p in system.named_parameters()
                        if p.grad is not None}  # fmt: skip

    (one, whole), (several, parted) = gradients(()), gradients((0, 1, 2, 3))
    assert several == pytest.approx(one, rel=1e-4)
    for name, gradient in whole.items():
        torch.testing.assert_close(parted[name], gradient, atol=2e-4, rtol=1e-3)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5)), min_size=1, max_size=3))
def test_text_stands_directly_behind_speech(lengths):
    torch.manual_seed(0)
    first, second = (
        Ragged(torch.randn(len(own), max(own) + 2, 3), torch.tensor(own))
        for own in zip(*lengths, strict=True)
    )
    rows = join(first, second).rows()
    for row, one, other in zip(rows, first.rows(), second.rows(), strict=True):
        assert torch.equal(row, torch.cat([one, other]))


def test_writing_by_a_beam_is_at_least_as_likely():
    system, waves = built(), said().speech
    assert system.transcribe(waves, beam=1) == system.transcribe(waves)
    assert len(system.transcribe(waves, beam=8)) == 4
