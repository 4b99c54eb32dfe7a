"""The engine: who is computed together, that everybody gets his own, and what goes wrong."""

import asyncio

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.toys import Toy, direction
from trivium.errors import TriviumError
from trivium.models.joint import Joint
from trivium.models.loaded import Model
from trivium.serve.engine import PASS_SAMPLES, Ask, Engine, Job, batch_of, fits
from trivium.serve.refusal import Refusal
from trivium.serve.settings import ServeSettings

SPEECH, TEXT = Ask("embed_speech"), Ask("embed_text")


def with_engine(work, toy=None, **settings):
    """Run a coroutine function of an engine, and stop the engine."""

    async def run():
        engine = Engine("toy", toy or Toy(), ServeSettings(**settings))
        try:
            return await asyncio.wait_for(work(engine), 30)
        finally:
            if isinstance(engine.model, Toy):
                engine.model.gate.set()
            await engine.stop()

    return asyncio.run(run())


jobs = st.lists(
    st.tuples(
        st.sampled_from([SPEECH, Ask("embed_speech", "hi"), TEXT]),
        st.lists(st.integers(0, PASS_SAMPLES // 2), min_size=1, max_size=4),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@given(jobs, st.integers(1, 20), st.floats(0, 1))
def test_a_batch_is_the_oldest_job_and_what_is_nearest_to_it(made, most, padding):
    waiting = [Job(ask, [range(n) for n in lengths], None) for ask, lengths in made]
    batch = batch_of(waiting, most, padding)
    first = batch[0]
    assert first is waiting[0]
    assert {job.ask for job in batch} == {first.ask}
    assert len({id(job) for job in batch}) == len(batch)
    if len(batch) > 1:
        lengths = [len(thing) for job in batch for thing in job.things]
        padded = len(lengths) * max(lengths)
        assert len(lengths) <= most
        assert not first.of_sound or padded <= PASS_SAMPLES
        assert not first.of_sound or padded - sum(lengths) <= padding * padded + 1e-6
    far = max(abs(job.length - first.length) for job in batch)
    left = [job for job in waiting if job.ask == first.ask and job not in batch]
    assert all(abs(job.length - first.length) >= far for job in left)
    if left:
        nearest = min(left, key=lambda job: abs(job.length - first.length))
        assert not fits([*batch, nearest], most, padding)


def test_sounds_that_would_be_padded_much_are_computed_apart():
    waiting = [Job(SPEECH, [range(n)], None) for n in (100, 300, 95, 90, 102, 20)]
    assert [job.length for job in batch_of(waiting, 64, 0.1)] == [100, 102, 95, 90]
    assert [job.length for job in batch_of(waiting, 2, 0.1)] == [100, 102]
    assert len(batch_of(waiting, 64, 0.7)) == 6


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_together_or_alone_everybody_gets_his_own(batch):
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(n).astype(np.float32) for n in rng.integers(1, 9_000, 40)]
    texts = [[f"text {n}", f"more of {n}"] for n in range(20)]

    async def work(engine):
        asked = [engine.made(SPEECH, [sound]) for sound in sounds]
        asked += [engine.made(TEXT, two) for two in texts]
        return await asyncio.gather(*asked)

    found = with_engine(work, batch=batch)
    for [vector], sound in zip(found, sounds, strict=False):
        np.testing.assert_array_equal(vector, direction(sound))
    for vectors, two in zip(found[len(sounds) :], texts, strict=True):
        np.testing.assert_array_equal(vectors, [direction(text) for text in two])


def test_a_real_model_gives_the_same_together_and_alone():
    torch.manual_seed(0)
    model = Model("joint", Joint.tiny(), "0")
    rng = np.random.default_rng(0)
    lengths = (9_000, 16_000, 12_345, 16_001, 8_000, 30_000)
    sounds = [rng.standard_normal(length).astype(np.float32) for length in lengths]

    async def work(engine):
        asked = [engine.made(ask, [sound]) for ask in (SPEECH, Ask("transcribe"))
                 for sound in sounds]  # fmt: skip
        return await asyncio.gather(*asked), engine.batches

    found, batches = with_engine(work, model, padding=1)
    assert batches == 2
    for [vector], [text], sound in zip(found[:6], found[6:], sounds, strict=True):
        np.testing.assert_allclose(vector, model.embed_speech([sound], "")[0], atol=1e-5)
        assert text == model.transcribe_speech([sound])[0]


def test_what_comes_while_the_model_computes_is_computed_together():
    toy = Toy()
    toy.gate.clear()

    async def work(engine):
        asked = [asyncio.create_task(engine.made(TEXT, ["first"]))]
        await asyncio.sleep(0.01)
        asked += [asyncio.create_task(engine.made(TEXT, [str(n)])) for n in range(30)]
        await asyncio.sleep(0.01)
        assert engine.waiting == 30
        toy.gate.set()
        await asyncio.gather(*asked)
        return engine.batches

    assert with_engine(work, toy) == 2
    assert [len(batch) for batch in toy.asked] == [1, 30]


def test_one_that_cannot_be_computed_spoils_nobody_elses():
    texts = ["a", "refuse me", "b", "break here", "c"]

    async def work(engine):
        engine.model.gate.clear()
        asked = [asyncio.create_task(engine.made(TEXT, [text])) for text in texts]
        await asyncio.sleep(0.01)
        engine.model.gate.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = with_engine(work)
    for place in (0, 2, 4):
        np.testing.assert_array_equal(found[place][0], direction(texts[place]))
    assert isinstance(found[1], TriviumError)
    assert isinstance(found[3], ZeroDivisionError)


def test_beyond_the_queue_is_refused_with_a_time_to_come_back():
    async def work(engine):
        engine.model.gate.clear()
        asked = []
        for number in range(3):
            asked.append(asyncio.create_task(engine.made(TEXT, [str(number)])))
            await asyncio.sleep(0.01)  # the first is being computed, two wait
        with pytest.raises(Refusal, match="2 requests wait for 'toy'") as refusal:
            await engine.made(TEXT, ["one more"])
        engine.model.gate.set()
        await asyncio.gather(*asked)
        return refusal.value

    refusal = with_engine(work, queue=2)
    assert refusal.status_code == 429
    assert refusal.headers == {"Retry-After": "1"}


def test_for_who_has_left_nothing_is_computed():
    async def work(engine):
        engine.model.gate.clear()
        first = asyncio.create_task(engine.made(TEXT, ["first"]))
        await asyncio.sleep(0.01)
        left = asyncio.create_task(engine.made(TEXT, ["I do not wait"]))
        await asyncio.sleep(0.01)
        left.cancel()
        engine.model.gate.set()
        await first
        await engine.made(TEXT, ["last"])
        return engine.model.asked

    assert with_engine(work) == [[5], [4]]


def test_a_stop_answers_what_waits():
    async def work():
        engine = Engine("toy", Toy(), ServeSettings(batch=1))
        asked = [asyncio.create_task(engine.made(TEXT, [str(n)])) for n in range(5)]
        await asyncio.sleep(0)
        await engine.stop()
        return [task.done() for task in asked], await asyncio.gather(*asked)

    done, _ = asyncio.run(work())
    assert all(done)


@pytest.mark.parametrize("method", ["embed_speech", "transcribe", "translate_speech"])
def test_what_a_model_cannot_is_one_sentence(method):
    async def work(engine):
        await engine.made(Ask(method), ["x"])

    with pytest.raises(Refusal, match=r"'toy' does not .* speech; it embeds text") as refusal:
        with_engine(work, Toy(kinds=("text",), able=()))
    assert refusal.value.status_code == 400
