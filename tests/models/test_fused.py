"""Fused: who sees what, what is left out, and the same in every batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.data.batch import Batch, Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.fused import Fused, FusedSettings
from trivium.models.fused.preparation import draw_tokens
from trivium.models.towers import train_tokenizer
from trivium.training.step import StepSeed, train_step

TINY = FusedSettings.tiny()
TEXTS = ("this film is really good", "I do not like it", "a red star", "no")
LENGTHS = (24_000, 17_000, 12_000, 5_000)
LABELS = ("angry", "happy", "sad")
TOKENIZER = train_tokenizer(TEXTS, 300)
PRE = ("mlm", "mcam")


def built(seed=0, tokenizer=TOKENIZER, **changes):
    """A tiny system with other settings; those of a group may be given as a dict."""
    torch.manual_seed(seed)
    groups = {
        name: {**getattr(TINY, name).model_dump(), **changes.pop(name)}
        for name in ("audio", "text")
        if name in changes
    }
    return Fused(FusedSettings.parse({**TINY.model_dump(), **groups, **changes}), tokenizer).eval()


def tuned(seed=0, **changes):
    """One that tells feelings apart."""
    return built(seed, **{"task": "classify", "labels": LABELS, **changes})


def said(texts=TEXTS, lengths=LENGTHS, seed=0, extra=0, **columns):
    """Utterances of noise with texts; other noise stands behind them."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(len(texts), max(lengths) + extra, generator=generator) * 0.1
    ids = tuple(f"u{number}-{text}" for number, text in enumerate(texts))
    speech = Ragged(data, torch.tensor(lengths[: len(texts)]))
    told = {"label": ("angry", "sad", "happy", "sad"), "score": (1.0, -2.0, 0.5, 3.0),
            "speaker": ("a", "b", "a", "c"), **columns}  # fmt: skip
    columns = {name: values[: len(texts)] for name, values in told.items()}
    return Batch(ids, np.arange(len(texts)), speech=speech, texts=tuple(texts), columns=columns)


def row_of(batch, row):
    """One row of a batch, as it would come alone."""
    length = int(batch.speech.lengths[row])
    own = Ragged(batch.speech.data[row : row + 1, :length], torch.tensor([length]))
    columns = {name: values[row : row + 1] for name, values in batch.columns.items()}
    return replace(batch, ids=batch.ids[row : row + 1], rows=batch.rows[row : row + 1],
                   speech=own, texts=batch.texts[row : row + 1], columns=columns)  # fmt: skip


def prepared(system, **parts):
    return system.prepare(parts, np.random.default_rng(0))


def touched(system, parts, active):
    """Parameters that objectives send a gradient to."""
    system.zero_grad()
    sum(term.sum for term in system(parts, active).values()).backward()
    return {name for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}


# As published.


@pytest.mark.parametrize(
    ("layers", "whole", "without_tokens"), [(3, 76.8, 53.8), (6, 126.4, 103.4), (12, 225.7, 202.6)]
)
def test_depths_have_the_published_parameters(layers, whole, without_tokens):
    depth = {"layers": layers}
    with torch.device("meta"):
        system = Fused(FusedSettings.parse({"text": depth, "audio": depth}))
    count = sum(p.numel() for p in system.parameters())
    table = system.text.network.embedding.weight.numel()
    assert count / 1e6 == pytest.approx(whole, abs=0.05)
    assert (count - table) / 1e6 == pytest.approx(without_tokens, abs=0.05)
    if layers == 3:
        sides = [sum(p.numel() for p in side.parameters()) for side in (system.text, system.audio)]
        assert np.array(sides) / 1e6 == pytest.approx([45.3, 31.5], abs=0.05)


# The same in every batch.


@settings(max_examples=6)
@given(st.permutations(range(4)), st.integers(0, 900), st.booleans())
def test_neither_padding_nor_order_nor_neighbours_change_a_loss(order, extra, cross):
    system = tuned(audio={"cross_attention": cross})
    names = (*PRE, "classify", "orthogonality")
    batch = said(extra=extra)
    columns = {name: tuple(v[row] for row in order) for name, v in batch.columns.items()}
    shuffled = replace(
        batch, ids=tuple(batch.ids[row] for row in order), rows=batch.rows[list(order)],
        texts=tuple(batch.texts[row] for row in order), columns=columns,
        speech=Ragged(batch.speech.data[list(order)], batch.speech.lengths[list(order)]),
    )  # fmt: skip
    whole = prepared(system, pairs=shuffled, rows=shuffled)
    together = system(whole, names)
    sums, counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for row in range(4):
        own = row_of(batch, row)
        alone = prepared(system, pairs=own, rows=own)
        for name, term in system(alone, names).items():
            sums[name] += term.sum
            counts[name] += sum(part.counts.get(name, 0) for part in alone.values())
    for name in names:
        torch.testing.assert_close(together[name].sum, sums[name], atol=1e-3, rtol=1e-4)
        assert sum(part.counts.get(name, 0) for part in whole.values()) == counts[name]


@pytest.mark.parametrize("modality", ["text", "audio", "both"])
def test_answers_are_the_same_in_every_batch_trained_or_not(modality):
    fusion = "orthogonal" if modality == "both" else "none"
    system = tuned(modality=modality, fusion=fusion)
    batch = said(extra=700)
    waves = batch.speech if "speech" in system.reads else None
    texts = list(TEXTS) if "text" in system.reads else None
    vectors, logits = system.embed_voice(waves, texts), system.classify(waves, texts)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    for row in range(4):
        own = None if waves is None else row_of(batch, row).speech
        text = None if texts is None else [texts[row]]
        torch.testing.assert_close(
            vectors[row], system.embed_voice(own, text)[0], atol=1e-4, rtol=0
        )
        torch.testing.assert_close(logits[row], system.classify(own, text)[0], atol=1e-4, rtol=0)
    # Kernels for inference and those with gradients give the same.
    rows = prepared(system, rows=batch)["rows"]
    joined = system._join(rows.speech, rows.inputs.get("tokens"))
    torch.testing.assert_close(system.answer(joined.vectors), logits.clone(), atol=1e-4, rtol=1e-3)


def test_what_is_hidden_does_not_depend_on_the_micro_and_is_other_in_every_epoch():
    system, batch = built(), said(extra=500)
    whole = prepared(system, pairs=batch)["pairs"]
    for row in range(4):
        alone = prepared(system, pairs=row_of(batch, row))["pairs"]
        for name, thing in whole.inputs.items():
            assert torch.equal(thing.rows()[row], alone.inputs[name].rows()[0]), name
    later = prepared(system, pairs=replace(batch, epoch=1))["pairs"]
    for name in ("hidden_frames", "seen_frames"):
        assert whole.inputs[name].rows()[0].tolist() != later.inputs[name].rows()[0].tolist()
    assert whole.counts == {
        "mlm": whole.inputs["hidden_tokens"].lengths.sum(),
        "mcam": whole.inputs["hidden_frames"].lengths.sum(),
    }


# Who sees what.


def heard(system, frames, text):
    with torch.no_grad():
        return system.audio(frames, text).data


@pytest.mark.parametrize("cross", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_late_frames_alter_earlier_states_unless_audio_is_causal(causal, cross):
    """The authors' release is causal: frames from 15 on alter none before by anything."""
    system = built(audio={"causal": causal, "cross_attention": cross})
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(2, 20, system.front.channels, generator=generator)
    text = system.text(system.text.tokens(TEXTS[:2]))
    changed = data.clone()
    changed[:, 15:] += 1
    lengths = torch.tensor([20, 18])
    one, other = (heard(system, Ragged(d, lengths), text) for d in (data, changed))
    before = (one[:, :15] - other[:, :15]).abs().max()
    assert before == 0 if causal else before > 1e-3
    assert (one[:, 15:18] - other[:, 15:18]).abs().max() > 1e-3


def test_audio_sees_the_text_and_the_text_never_hears():
    system = built()
    part = prepared(system, pairs=said())["pairs"]
    other = prepared(system, pairs=said(TEXTS[::-1]))["pairs"]
    swapped = replace(part, inputs={**part.inputs, "seen_tokens": other.inputs["seen_tokens"]})
    louder = replace(part, speech=Ragged(part.speech.data.flip(1), part.speech.lengths))
    losses = [system({"pairs": p}, PRE) for p in (part, swapped, louder)]
    assert losses[0]["mcam"].sum != losses[1]["mcam"].sum
    assert losses[0]["mlm"].sum == losses[2]["mlm"].sum
    assert losses[0]["mcam"].sum != losses[2]["mcam"].sum
    assert not any(name.startswith("audio.") for name in touched(system, {"pairs": part}, ("mlm",)))
    found = touched(system, {"pairs": part}, ("mcam",))
    assert "text.network.embedding.weight" in found
    assert "text.network.dense.weight" not in found


def test_late_fusion_hears_no_text_before_the_head():
    system = tuned(audio={"cross_attention": False})
    part = prepared(system, pairs=said())["pairs"]
    found = touched(system, {"pairs": part}, ("mcam",))
    assert all(name.startswith("audio.") for name in found)
    rows = prepared(system, rows=said())
    found = touched(system, rows, ("classify",))
    assert {"text.network.embedding.weight", "audio.projection.weight"} <= found


def test_what_is_hidden_is_not_seen():
    system = built(hidden_frames={**TINY.hidden_frames.model_dump(), "zeros": 1.0, "others": 0.0})
    part = prepared(system, pairs=said())["pairs"]
    frames = system.front.hear(part.speech)
    hidden, seen = part.inputs["hidden_frames"], part.inputs["seen_frames"]
    for row, own in enumerate(hidden.rows()):
        assert (seen.rows()[row][own] == -1).all()
    noisy = frames.data.clone()
    for row, own in enumerate(hidden.rows()):
        noisy[row, own] = 100.0
    system.front.hear = lambda _: Ragged(noisy, frames.lengths)
    calls = []
    system.audio.register_forward_pre_hook(lambda _, given: calls.append(given[0].data))
    system({"pairs": part}, ("mcam",))
    assert calls[0].max() < 50


def test_without_text_audio_attends_to_an_empty_one():
    system = tuned(modality="audio", fusion="none")
    assert system.roles == {"pairs": ("audio",), "rows": ("audio", "label")}
    assert system.objectives == ("mcam", "classify")
    one, other = (prepared(system, rows=said(texts))["rows"] for texts in (TEXTS, TEXTS[::-1]))
    assert one.inputs["tokens"].lengths.tolist() == [2] * 4
    assert torch.equal(one.inputs["tokens"].data, other.inputs["tokens"].data)
    late = tuned(modality="audio", fusion="none", audio={"cross_attention": False}, tokenizer=None)
    assert late.text is None
    assert late.classify(said().speech).shape == (4, 3)
    assert late(prepared(late, pairs=said()), ("mcam",))["mcam"].sum > 0


def test_without_audio_there_is_no_encoder_of_it():
    system = tuned(modality="text", fusion="none")
    assert system.audio is None
    assert system.roles == {"pairs": ("text",), "rows": ("text", "label")}
    assert system.objectives == ("mlm", "classify")
    assert system.classify(None, TEXTS).shape == (4, 3)


@pytest.mark.parametrize(("task", "column"), [("regress", "score"), ("voices", "speaker")])
def test_tasks_have_their_columns_and_losses(task, column):
    labels = {"labels": ("a", "b", "c")} if task == "voices" else {}
    system = built(task=task, **labels).train()
    assert (system.label_column, system.roles["rows"][-1]) == (column, column)
    parts = prepared(system, rows=said())
    optimizer = torch.optim.AdamW(system.parameters(), lr=3e-3)
    losses = []
    for step in range(25):
        optimizer.zero_grad()
        losses.append(train_step(system, [parts], {task: 1.0}, StepSeed(0, step))[task])
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]
    system.eval()
    if task == "regress":
        found = system.score(said().speech, TEXTS)
        assert found.tolist() == pytest.approx([1.0, -2.0, 0.5, 3.0], abs=1.0)
    else:
        found = system.classify(said().speech, TEXTS).argmax(1).tolist()
        assert found == [0, 1, 0, 2]


def test_without_fusion_the_head_looks_at_audio_that_has_seen_the_text():
    system = tuned(fusion="none")
    assert system.objectives == ("mlm", "mcam", "classify")
    one, other = system.classify(said().speech, TEXTS), system.classify(said().speech, TEXTS[::-1])
    assert not torch.allclose(one, other, atol=1e-5)
    with pytest.raises(TriviumError, match="fusion 'none' looks at one stream alone"):
        system(prepared(system, rows=said()), ("orthogonality",))


# Rows that cannot count.


def test_rows_without_what_they_need_are_left_out_counted_and_named():
    system = tuned(audio={"positions": 50})
    batch = said(label=("angry", None, "bored", ""), lengths=(12_000, 12_000, 12_000, 12_000))
    rows = prepared(system, rows=batch)["rows"]
    assert rows.ids == batch.ids[:1]
    assert rows.counts == {"classify": 1, "orthogonality": 1}
    assert system.observe() == {"left_out_unknown": 1, "left_out_unlabelled": 2}
    assert "not among settings.labels, as 'u2-a red star'" in system.remarks()["unknown"]
    assert "left_out_unlabelled counts them" in system.remarks()["unlabelled"]
    longer = said(("yes", " ", "word"), (24_000, 5_000, 5_000))
    pairs = prepared(system, pairs=longer)["pairs"]
    assert pairs.ids == longer.ids[2:]
    assert system.observe()["left_out_empty"] == system.observe()["left_out_too_long"] == 1


def test_a_row_that_is_left_out_leaves_no_padding_behind():
    """Its frames would be more than there are positions."""
    system = built(audio={"positions": 50})
    pairs = prepared(system, pairs=said(("yes", "word"), (24_000, 5_000)))["pairs"]
    assert pairs.speech.data.shape == (1, 5_000)
    assert all(term.sum.isfinite() for term in system({"pairs": pairs}, PRE).values())


def test_numbers_that_are_none_are_left_out():
    system = built(task="regress")
    rows = prepared(system, rows=said(score=(1.0, None, float("nan"), -3.0)))["rows"]
    assert rows.inputs["targets"].tolist() == [1.0, -3.0]
    assert system.observe() == {"left_out_unlabelled": 2}


@pytest.mark.parametrize("frozen", [False, True])
def test_a_micro_of_which_nothing_is_left_loses_nothing(frozen):
    system = tuned()
    next(system.parameters()).requires_grad_(not frozen)
    nothing = said(label=(None,) * 4)
    parts = prepared(system, rows=nothing)
    assert parts == {}
    losses = system(parts, ("classify",))
    losses["classify"].sum.backward()
    assert losses["classify"].sum == 0
    with pytest.raises(TriviumError, match="prepare counted 0 items for 'classify'"):
        train_step(system, [parts], {"classify": 1.0}, StepSeed(0, 0))


@given(st.integers(3, 60), st.floats(0.01, 1), st.integers(0, 2**31))
def test_tokens_that_are_hidden_are_never_the_first_or_the_last(length, share, seed):
    tokens = np.arange(100, 100 + length)
    hidden, seen = draw_tokens(tokens, share, 7, 50, np.random.default_rng(seed))
    assert 1 <= len(hidden) <= length - 2
    assert 1 <= hidden[0] <= hidden[-1] <= length - 2
    others = np.setdiff1d(np.arange(length), hidden)
    assert (seen[others] == tokens[others]).all()


def test_fifteen_tokens_of_a_hundred_are_hidden_and_eight_of_ten_masked():
    generator, tokens = np.random.default_rng(0), np.arange(1_000, 1_040)
    drawn = [draw_tokens(tokens, 0.15, 7, 50, generator) for _ in range(4_000)]
    assert np.mean([len(hidden) / 38 for hidden, _ in drawn]) == pytest.approx(0.15, abs=0.004)
    seen = np.concatenate([seen[hidden] for hidden, seen in drawn])
    # One in fifty of what is put in another's place is the mask's token too.
    assert (seen == 7).mean() == pytest.approx(0.802, abs=0.01)
    assert (seen >= 1_000).mean() == pytest.approx(0.1, abs=0.01)
    with pytest.raises(TriviumError, match="a text of 2 tokens has none to hide"):
        draw_tokens(tokens[:2], 0.15, 7, 50, generator)


# What cannot be.


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modality": "text"}, "fusion 'orthogonal' has nothing to join"),
        ({"labels": ("a", "b")}, "labels are a, b, and task None has none"),
        ({"task": "classify", "labels": ("a", "a")}, "the labels a tell nothing apart"),
        ({"task": "classify", "labels": ("a",)}, "the labels a tell nothing apart"),
        ({"heads": 5}, "width 48 is no multiple of 5 heads"),
        ({"train_speech": True}, "train_speech is True, and speech names no network"),
        ({"audio": {"fft": 400}}, "a window of 800 samples does not fit a spectrum of 400"),
        ({"audio": {"fft": 801}}, r"audio\.fft.*multiple of 2"),
        ({"modality": "text", "fusion": "none", "audio": {"causal": True}}, "causal is True"),
        ({"fusion": "none", "audio": {"cross_attention": False}}, "text would be read for nothing"),
        ({"normaliser": "wordz"}, "no normaliser is named 'wordz'"),
        ({"task": "voices"}, r"task 'voices' has the labels \(\)"),
        ({"text": {"vocabulary": 200}}, r"the tokenizer has \d+ tokens and needs a mask"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(changes, told):
    with pytest.raises(SettingsError, match=told):
        built(**changes)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: built().classify(said().speech, TEXTS), "settings.task is None; this is asked"),
        (lambda: tuned().score(said().speech, TEXTS), "settings.task is 'classify'; this is asked"),
        (lambda: tuned().classify(said().speech), "modality is 'both', and no text was given"),
        (lambda: tuned().classify(said().speech, TEXTS[:2]), "4 utterances were given 2 texts"),
        (lambda: tuned(tokenizer=None).classify(said().speech, TEXTS), "there is no tokenizer"),
        (lambda: tuned(audio={"positions": 20}).classify(said().speech, TEXTS),
         "an utterance has 61 frames, and the audio encoder 20 positions"),
        (lambda: prepared(built(), rows=said()), "settings.task is None, so nothing of 'u0-"),
        (lambda: prepared(tuned(), rows=replace(said(), columns={})), "has no column 'label'"),
        (lambda: prepared(tuned(), pairs=replace(said(), texts=None)), "has no texts"),
        (lambda: prepared(tuned(), pairs=replace(said(), speech=None)), "has no sound"),
        (lambda: built().audio(built().front.hear(said().speech), None),
         "4 utterances came without the text"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(call, told):
    with pytest.raises(TriviumError, match=told):
        call()
