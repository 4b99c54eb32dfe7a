import math
from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F

from tests.training.test_loop import build, corpus, recipe, untimed
from tests.training.toy import Toy, ToySettings, toy_parts
from trivium.errors import TriviumError
from trivium.objectives.contrastive import info_nce, masked_margin_softmax
from trivium.objectives.terms import Pairs, Term
from trivium.training.alarms import Alarms, AlarmSettings, loss_at_chance, pair_names
from trivium.training.loop import fit
from trivium.training.metrics import Window
from trivium.training.schedule import Phase

__all__ = ["corpus"]  # a fixture

FIRST = Window(1, 9.0, 9.0, 1.0, 9.0)


def window(steps=10, seconds=40.0, waiting=0.0, sound=95.0, padded=100.0):
    return Window(steps, seconds, waiting, sound, padded)


PADDED = """20% of the sound is padding, more than 10%; raise the budget of a micro, so that \
sounds of one length meet, or leave out the longest with max_seconds"""
WAITED = """% of the time is spent on waiting for the loader, more than 20%; give \
training.loader.threads more cores, or store the corpus as flac on a faster disk"""


@pytest.mark.parametrize(
    ("windows", "sentences"),
    [
        ([FIRST, window()], []),
        ([FIRST, window(sound=80.0)], [PADDED]),
        ([FIRST, window(waiting=16.0)], [f"40{WAITED}"]),
        ([FIRST, window(sound=0.0, padded=0.0)], []),  # no sound at all
        ([window(sound=80.0, waiting=40.0)], []),  # the first says nothing
        ([FIRST, window(steps=9, sound=1.0), window(steps=0)], []),  # too few steps to be sure
        ([FIRST, window(seconds=29.0, waiting=29.0)], []),  # too short
        ([FIRST, *[window(seconds=16.0, waiting=4.0)] * 2], [f"25{WAITED}"]),
    ],
)
def test_padding_and_waiting(windows, sentences):
    alarms = Alarms(AlarmSettings())
    told = [sentence for each in windows for sentence in alarms.of_window(each)]
    assert told == sentences


def test_each_is_told_once():
    alarms = Alarms(AlarmSettings())
    told = [alarms.of_window(window(sound=1.0, waiting=40.0)) for _ in range(5)]
    assert [len(sentences) for sentences in told] == [0, 2, 0, 0, 0]
    told = [alarms.of_observed({"code_perplexity": 1.0, "perplexity": 2.0}) for _ in range(2)]
    assert [len(sentences) for sentences in told] == [2, 0]


def test_limits_are_settings():
    alarms = Alarms(AlarmSettings(padding=0.5, waiting=0.9, perplexity=0.5))
    assert alarms.of_window(FIRST) == alarms.of_window(window(sound=60.0, waiting=30.0)) == []
    assert alarms.of_observed({"perplexity": 1.0}) == []


def test_collapsed_codebooks():
    alarms = Alarms(AlarmSettings())
    assert alarms.of_observed({"perplexity": 5.0, "perplexities": 1.0, "codes": 0.0}) == []
    [sentence] = alarms.of_observed({"code_perplexity": 1.5})
    assert sentence == (
        "code_perplexity is 1.5, less than 5: the codebook has collapsed; weight its diversity "
        "more, or lower the learning rate"
    )


def never(name, pairs):
    raise AssertionError((name, pairs))


def test_a_contrastive_loss_at_chance():
    alarms = Alarms(AlarmSettings(chance_after=100))
    chance = math.log(64)

    def at_chance(name, pairs):
        assert (name, pairs) == ("match", 64)
        return chance

    losses, counts = {"match": chance, "recover": 9.0}, {"match": 64.0}
    assert alarms.of_losses(99, losses, counts, never) == []
    assert alarms.of_losses(100, {"match": 0.9 * chance}, counts, never) == []
    [sentence] = alarms.of_losses(120, losses, counts, at_chance)
    assert sentence == (
        "match is 4.159 after 120 steps of its phase, and a system that knows nothing has 4.159 "
        "with 64 pairs; lower the learning rate, warm up longer, or compare more pairs a step"
    )
    assert alarms.of_losses(130, losses, counts, never) == []


def test_chance_is_that_of_the_objectives_own_loss():
    alarms = Alarms(AlarmSettings(chance_after=1))
    asked = []

    def at_chance(name, pairs):
        asked.append(pairs)
        return 2 * math.log(pairs)  # both directions summed

    counts = {"match": 64.0}
    for loss in (1.0, 1.5, 1.8):  # of 2
        assert alarms.of_losses(5, {"match": loss * math.log(64)}, counts, at_chance) == []
    assert asked == [64]  # found once
    assert alarms.of_losses(5, {"match": 1.95 * math.log(32)}, {"match": 32.0}, at_chance)
    assert asked == [64]


def test_a_loss_that_is_guessed():
    alarms, chance = Alarms(AlarmSettings(chance_after=100)), math.log(101)
    guesses = {"ssl": chance, "other": 1.0}
    assert alarms.of_guesses(99, {"ssl": chance}, guesses) == []
    assert alarms.of_guesses(100, {"ssl": 0.9 * chance, "ground": 99.0}, guesses) == []
    [sentence] = alarms.of_guesses(100, {"ssl": chance}, guesses)
    assert sentence == (
        "ssl is 4.615 after 100 steps of its phase, and guessing gives 4.615; lower the learning "
        "rate, or warm up longer"
    )
    assert alarms.of_guesses(101, {"ssl": chance}, guesses) == []


def test_what_a_system_remarks_is_told_once():
    alarms = Alarms(AlarmSettings())
    assert alarms.of_remarks({}) == []
    assert alarms.of_remarks({"empty": "one row"}) == ["one row"]
    assert alarms.of_remarks({"empty": "two rows", "foreign": "another"}) == ["another"]


@pytest.mark.parametrize("count", [0.0, 1.0])
def test_less_than_two_pairs_have_no_chance(count):
    alarms = Alarms(AlarmSettings(chance_after=1))
    assert alarms.of_losses(5, {"match": 0.0}, {"match": count}, never) == []


@pytest.mark.parametrize(
    ("loss", "times"), [(info_nce, 1), (masked_margin_softmax, 2)], ids=["info_nce", "margin"]
)
def test_loss_at_chance_is_what_equal_vectors_give(loss, times):
    def model(parts, active):
        vectors = F.normalize(torch.randn(4, 8), dim=1)
        return {"match": Pairs(vectors, vectors, torch.arange(4), torch.tensor([3.0]), loss)}

    assert loss_at_chance(model, {}, "match", 50) == pytest.approx(times * math.log(50), abs=1e-2)


def test_what_compares_pairs_must_give_pairs():
    with pytest.raises(TriviumError, match="recover is among the pair objectives and gave no"):
        loss_at_chance(lambda *_: {"recover": Term(torch.ones(()))}, {}, "recover", 3)


def test_only_active_objectives_are_looked_at():
    assert pair_names(build(), ("recover", "match")) == ("match",)
    assert pair_names(object(), ("match",)) == ()


class Collapsed(Toy):
    """Gives everything one vector, and says how many codes it uses."""

    pair_objectives: ClassVar = ("match",)

    def forward(self, parts, active):
        terms = super().forward(parts, active)
        if "match" in terms:
            pairs = terms["match"]
            same = F.normalize(torch.ones_like(pairs.a) + 0 * pairs.a, dim=1)
            terms["match"] = Pairs(same, same, pairs.ids, pairs.scale, pairs.loss)
        return terms

    def observe(self):
        return {"code_perplexity": 1.25}


def test_a_run_tells_its_alarms_and_writes_them(tmp_path, corpus):
    made = recipe(
        corpus, phases=(Phase(steps=12, weights={"match": 1.0, "recover": 1.0}),),
        alarms=AlarmSettings(chance_after=6),
    )  # fmt: skip
    told = []
    fit(made, tmp_path, build=lambda *_: Collapsed(ToySettings()), watch=told.append)
    warnings = [line for line in untimed(tmp_path) if "warning" in line]
    assert warnings == [line for line in told if "warning" in line]
    assert [line["step"] for line in warnings] == [0, 6]
    assert warnings[0]["warning"].startswith("at step 0 code_perplexity is 1.25, less than 5")
    assert warnings[1]["warning"].startswith("at step 6 match is 2.944 after 6 steps")
    assert all(line["code_perplexity"] == 1.25 for line in told if "lr" in line)


def test_a_run_that_learns_has_no_alarms(tmp_path, corpus):
    phases = (Phase(steps=60, weights={"match": 1.0}),)
    fit(recipe(corpus, phases=phases, alarms=AlarmSettings(chance_after=40)), tmp_path, build=build)
    assert not [line for line in untimed(tmp_path) if "warning" in line]


def test_asking_for_chance_changes_nothing_of_the_training(tmp_path, corpus):
    phases = (Phase(steps=8, weights={"match": 1.0}),)
    for name, after in (("never", 99), ("often", 1)):
        made = recipe(corpus, phases=phases, alarms=AlarmSettings(chance_after=after))
        fit(made, tmp_path / name, build=lambda *_: Collapsed(ToySettings()))
    lines = [[line for line in untimed(tmp_path / name) if "lr" in line]
             for name in ("never", "often")]  # fmt: skip
    assert lines[0] == lines[1]


def test_toy_parts_are_what_loss_at_chance_takes():
    expected = math.log(9)
    assert loss_at_chance(build(), toy_parts(4, 0), "match", 9) == pytest.approx(expected)
