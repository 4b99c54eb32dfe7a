"""Writing: the same as a plain loop, as all texts tried, in every batch; and what is refused."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import M2M100Config, M2M100ForConditionalGeneration

from trivium.errors import SettingsError, TriviumError
from trivium.models.towers.writing import WritingSettings, confidences, write

WIDTH, PAD, END = 16, 0, 3


def network(seed, vocabulary=12, **changes):
    """A decoder with new weights that are far apart."""
    torch.manual_seed(seed)
    config = M2M100Config(
        vocab_size=vocabulary, d_model=WIDTH, encoder_layers=0, decoder_layers=2,
        decoder_ffn_dim=32, decoder_attention_heads=2, init_std=0.5, pad_token_id=PAD,
        eos_token_id=END, bos_token_id=1, decoder_start_token_id=1, **changes,
    )  # fmt: skip
    made = M2M100ForConditionalGeneration(config)
    made.model.encoder = nn.Identity()
    return made.eval()


def encoded(lengths, seed=0, extra=0):
    """Encoder states, with noise where there are none, and the mask."""
    torch.manual_seed(seed)
    longest = max(lengths) + extra
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), longest, WIDTH), mask


def log_likelihoods(net, states, tokens):
    """Of each next token, without a cache, for one row of states alone."""
    found = net(encoder_outputs=(states[None],), decoder_input_ids=torch.tensor([tokens]),
                use_cache=False)  # fmt: skip
    return found.logits[0].log_softmax(-1)


@torch.no_grad()
def greedy_loop(net, states, prefix, most):
    tokens = list(prefix)
    for _ in range(most):
        best = int(log_likelihoods(net, states, tokens)[-1].argmax())
        if best == END:
            break
        tokens.append(best)
    return [token for token in tokens[len(prefix) :] if token != PAD]


@torch.no_grad()
def best_of_all(net, states, prefix, most, penalty, vocabulary):
    """Every text that ends, or is as long as can be, tried; a length counts its end."""
    scores = {}
    others = [token for token in range(vocabulary) if token != END]
    for length in range(most + 1):
        for body in itertools.product(others, repeat=length):
            whole = [*body] if length == most else [*body, END]
            logs = log_likelihoods(net, states, [*prefix, *whole[:-1]])[len(prefix) - 1 :]
            total = sum(float(row[token]) for row, token in zip(logs, whole, strict=True))
            scores[body] = total / len(whole) ** penalty
    best = max(scores, key=scores.get)
    return [token for token in best if token != PAD]


@settings(max_examples=12)
@given(st.integers(0, 99), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 2))
def test_one_beam_is_the_plain_loop(seed, lengths, extra):
    net, (states, mask) = network(seed), encoded(lengths, seed, extra)
    written = write(net, states, mask, [1, 5], WritingSettings(beams=1, max_tokens=6))
    own = [greedy_loop(net, row[:length], [1, 5], 6)
           for row, length in zip(states, lengths, strict=True)]  # fmt: skip
    assert written == own


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(2))
def test_beams_wide_enough_find_the_best_of_all_texts(seed, penalty):
    vocabulary, most = 4, 3
    net, (states, mask) = network(seed, vocabulary), encoded([4, 2], seed, 1)
    wide = WritingSettings(beams=vocabulary**most, max_tokens=most, length_penalty=penalty)
    written = write(net, states, mask, [1], wide)
    own = [best_of_all(net, row[:length], [1], most, penalty, vocabulary)
           for row, length in zip(states, (4, 2), strict=True)]  # fmt: skip
    assert written == own


@settings(max_examples=6)
@given(st.permutations(range(3)), st.integers(0, 3), st.integers(1, 4))
def test_neither_neighbours_nor_order_nor_padding_change_a_text(order, extra, beams):
    net, lengths = network(7), [5, 1, 3]
    asked = WritingSettings(beams=beams, max_tokens=8)
    states, mask = encoded(lengths, extra=extra)
    whole = write(net, states[list(order)], mask[list(order)], [1], asked)
    for row, place in enumerate(order):
        own = states[place : place + 1, : lengths[place]]
        assert write(net, own, torch.ones(own.shape[:2], dtype=torch.bool), [1], asked) == [
            whole[row]
        ]


def test_what_is_given_stays_as_it_is():
    net, (states, mask) = network(3).train(), encoded([4, 2])
    before = states.clone()
    asked = WritingSettings(beams=3, max_tokens=5)
    first = write(net, states, mask, [1], asked)
    assert write(net, states, mask, [1], asked) == first
    assert torch.equal(states, before)
    assert net.training


@pytest.mark.parametrize(
    "habit",
    [{"max_new_tokens": 1}, {"max_length": 2}, {"num_beams": 1}, {"forced_bos_token_id": 6},
     {"forced_eos_token_id": 6}, {"do_sample": True}, {"length_penalty": 9.0},
     {"early_stopping": True}, {"no_repeat_ngram_size": 1}, {"min_new_tokens": 5},
     {"repetition_penalty": 5.0}, {"suppress_tokens": [4, 5, 6]}, {"eos_token_id": 6}],
)  # fmt: skip
def test_a_networks_own_habits_count_nothing(habit):
    net, (states, mask) = network(3), encoded([4, 2])
    asked = WritingSettings(beams=3, max_tokens=5)
    first = write(net, states, mask, [1], asked)
    for name, value in habit.items():
        setattr(net.generation_config, name, value)
    assert write(net, states, mask, [1], asked) == first


def test_a_batch_of_nothing_is_written_as_nothing():
    states, mask = encoded([2])
    assert write(network(0), states[:0], mask[:0], [1], WritingSettings()) == []


def test_what_cannot_be_written_is_refused():
    net, (states, mask) = network(0), encoded([3, 2])
    with pytest.raises(TriviumError, match=r"the prefix is \[\]; begin with"):
        write(net, states, mask, [], WritingSettings())
    with pytest.raises(TriviumError, match=r"torch.bool of shape \(2, 2\); expected bool of shape"):
        write(net, states, mask[:, :2], [1], WritingSettings())
    with pytest.raises(TriviumError, match=r"torch.int64 of shape \(2, 3\)"):
        write(net, states, mask.long(), [1], WritingSettings())
    net.config.eos_token_id = [3, 4]
    with pytest.raises(SettingsError, match=r"eos_token_id is \[3, 4\]; set it"):
        write(net, states, mask, [1], WritingSettings())
    net.config.eos_token_id, net.config.pad_token_id = 3, None
    with pytest.raises(SettingsError, match="pad_token_id is None"):
        write(net, states, mask, [1], WritingSettings())


@pytest.mark.parametrize("most", [3, 40])
def test_confidence_is_the_mean_log_probability_of_what_was_written(most):
    net, prefix, wish = network(4), [1, 5], WritingSettings(beams=1, max_tokens=most)
    states, mask = encoded([3, 7, 5], extra=2)
    rows = write(net, states, mask, prefix, wish)
    found = confidences(net, states, mask, prefix, rows, wish)
    for row, state, there, told in zip(rows, states, mask, found, strict=True):
        whole = [*row, END] if len(row) < most else row
        with torch.no_grad():
            logs = log_likelihoods(net, state[there], [*prefix, *whole[:-1]])[len(prefix) - 1 :]
        own = [float(line[token]) for line, token in zip(logs, whole, strict=True)]
        assert told == pytest.approx(sum(own) / len(own), abs=1e-5)


def test_of_no_text_there_is_no_confidence():
    assert confidences(network(4), *encoded([3]), [1], [], WritingSettings()) == []
