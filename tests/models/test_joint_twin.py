"""Every loss of joint against plain loops in float64, a row at a time and nothing padded."""

import math

import pytest
import torch

from tests.models.test_joint import TINY, built, parts_of, prepared, said
from trivium.data.batch import Ragged

NAMES = ("contrastive", "codes", "spans", "ctc", "tlm_text", "tlm_speech")


def through(system, state, start, stop):
    mask = torch.ones(1, len(state), dtype=torch.bool)
    for layer in system.speech.layers[start:stop]:
        state = layer(state[None], mask)[0]
    return state


def clean(system, wave):
    heard = system.body.hear(Ragged(wave[None], torch.tensor([len(wave)])))
    return heard.clean[0], heard.state[0]


def alone(system, state, places):
    """Layers of speech, hidden frames replaced one by one."""
    state = state.clone()
    for place in places:
        state[place] = system.mask_vector
    return through(system, state, 0, 2)


def code_of(system, frame):
    choice = system.quantizer.choice
    scores = (choice.weight @ frame + choice.bias).tolist()
    return scores.index(max(scores))


def lost(scores, target):
    """Minus the logarithm of a softmax."""
    scores = scores.tolist()
    return math.log(math.fsum(math.exp(score) for score in scores)) - scores[target]


def embedded(system, numbers, places):
    """Characters, hidden ones as the mask, with sines and cosines."""
    width, rows = system.body.width, []
    for place, number in enumerate(numbers):
        shown = system.characters.mask if place in places else number
        position = [
            (math.cos if each % 2 else math.sin)(place / 10_000 ** ((each - each % 2) / width))
            for each in range(width)
        ]
        rows.append(system.embedding.weight[shown] + torch.tensor(position))
    return system.embedding_norm(torch.stack(rows))


def contrast(system, tap, frames, places, negatives):
    entries, temperature = system.quantizer.entries[0], TINY.match_temperature
    codes = [code_of(system, frames[place]) for place in places]
    targets = [system.project_code(entries[code]) for code in codes]
    total = 0.0
    for i, place in enumerate(places):
        prediction = system.project_prediction(tap[place])
        others = [j for j in negatives[i] if codes[j] != codes[i]]
        cosines = [float(torch.cosine_similarity(prediction, targets[j], 0)) for j in (i, *others)]
        total += lost(torch.tensor(cosines, dtype=torch.float64) / temperature, 0)
    return total


def ctc(scores, target):
    """The forward algorithm, over the target with blanks around its characters."""
    shares = scores.softmax(-1).tolist()
    spread = [0]
    for number in target:
        spread += [number, 0]
    ways = [0.0] * len(spread)
    for time, frame in enumerate(shares):
        before = list(ways)
        for place, number in enumerate(spread):
            come = before[place] + (before[place - 1] if place else 0)
            if place > 1 and number not in (0, spread[place - 2]):
                come += before[place - 2]
            if time == 0:  # a path begins with a blank or with the first character
                come = float(place < 2)
            ways[place] = come * frame[number]
    return -math.log(ways[-1] + ways[-2])


def slow_losses(system, parts):
    """All but diversity, which is a loss of a whole batch."""
    sums = dict.fromkeys(NAMES, 0.0)

    def given(role, name, row):
        return parts[role].inputs[name].rows()[row].tolist()

    for row, wave in enumerate(parts["speech"].speech.rows()):
        frames, state = clean(system, wave)
        hidden = given("speech", "hidden", row)
        tap = alone(system, state, hidden)
        negatives = given("speech", "negatives", row)
        sums["contrastive"] += contrast(system, tap, frames, hidden, negatives)
        top = system.predict_codes(through(system, tap, 2, 4))
        sums["codes"] += sum(lost(top[place], code_of(system, frames[place])) for place in hidden)

        numbers, places = given("text", "characters", row), given("text", "hidden_text", row)
        read = through(system, embedded(system, numbers, places), 2, 4)
        scores = system.predict_characters(read)
        sums["spans"] += sum(lost(scores[place], numbers[place]) for place in places)

        heard = through(system, alone(system, state, []), 2, 4)
        transcript = given("pairs", "transcripts", row)
        sums["ctc"] += ctc(system.write_characters(heard), transcript)

        hidden, places = given("pairs", "hidden", row), given("pairs", "hidden_text", row)
        texts = embedded(system, numbers, places)
        both = through(system, torch.cat([alone(system, state, hidden), texts]), 2, 4)
        scores, codes = system.predict_characters(both[len(state) :]), system.predict_codes(both)
        sums["tlm_text"] += sum(lost(scores[place], numbers[place]) for place in places)
        sums["tlm_speech"] += sum(
            lost(codes[place], code_of(system, frames[place])) for place in hidden
        )
    return sums


@torch.no_grad()
@pytest.mark.parametrize("groups", [0, 4])
def test_every_loss_is_its_slow_twin(groups):
    system = built(conformer=TINY.conformer.model_copy(update={"groups": groups})).double()
    parts = prepared(system, **parts_of(said(extra=300)))
    found = {name: term.sum.item() for name, term in system(parts, NAMES).items()}
    assert found == pytest.approx(slow_losses(system, parts), rel=1e-5)
