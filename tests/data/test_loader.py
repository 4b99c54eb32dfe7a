"""The loader gives what the plan says, whatever the threads, and ends cleanly whatever happens."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import png, tone
from trivium.data.audio import decode_audio, encode_flac
from trivium.data.corpus import Card, CorpusWriter
from trivium.data.loader import Loader, LoaderSettings, Parts, Spent, Stopwatch
from trivium.data.source import Source, SourceSettings
from trivium.errors import CorpusError, MediaError, SettingsError

ROWS = 60
FULL = ("audio", "image", "text", "language", "speaker", "picture")


def sound(number: int) -> bytes:
    """Each row's sound tells which row it is."""
    return encode_flac(tone(0.1 + 0.01 * (number % 20), hertz=200 + 10 * number))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loader") / "corpus"
    with CorpusWriter(path, Card(name="loaded")) as writer:
        for name, colour in (("p0", "red"), ("p1", "blue")):
            writer.add("pictures", {"id": name, "image": png(colour)})
        for i in range(ROWS):
            row = {"id": f"u{i}", "split": "train", "audio": sound(i),
                   "seconds": 0.1 + 0.01 * (i % 20), "text": f"text {i}", "characters": 7,
                   "language": ("en", "hi")[i % 2], "speaker": "anna",
                   "picture": f"p{i % 2}" if i < 50 else None}  # fmt: skip
            writer.add("utterances", row)
    return path


def make(
    folder: Path, rank: int = 0, world: int = 1, prepare: object = None, **settings: object
) -> Loader:
    names = SourceSettings.model_fields.keys()
    ours = {name: value for name, value in settings.items() if name in names}
    rest = {name: value for name, value in settings.items() if name not in names}
    budget = {} if "items" in ours else {"seconds": 1.5}
    source = Source(SourceSettings.parse({"corpora": (folder,), **budget, **ours}))
    values = {"micros_per_step": 2, "threads": 2, **rest}
    return Loader({"speech": source}, LoaderSettings.parse(values), rank, world, prepare)


def told(steps: list[tuple[int, list[Parts]]]) -> list[tuple[object, ...]]:
    """All there is in some steps, comparable."""
    return [
        (step, batch.ids, batch.rows.tolist(), batch.epoch, batch.texts, batch.languages,
         batch.speech.lengths.tolist(), batch.speech.data.numpy().tobytes(),
         {name: value.tolist() for name, value in batch.inputs.items()})
        for step, micros in steps for parts in micros for batch in parts.values()
    ]  # fmt: skip


def loading_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("trivium-loader")]


def test_batches_hold_the_rows_of_the_plan(folder: Path) -> None:
    loader = make(folder, columns=("audio", "text", "language", "speaker"))
    plan = loader.plans["speech"]
    for step, micros in loader.steps(0, 2 * plan.steps_per_epoch):
        for positions, parts in zip(plan.step(step), micros, strict=True):
            batch = parts["speech"]
            assert batch.rows.tolist() == positions.tolist()
            assert batch.ids == tuple(f"u{row}" for row in positions)
            assert batch.texts == tuple(f"text {row}" for row in positions)
            assert batch.languages == tuple(("en", "hi")[row % 2] for row in positions)
            assert batch.columns == {"speaker": ("anna",) * len(positions)}
            assert batch.epoch == plan.epoch_of(step)
            for row, samples in zip(positions, batch.speech.rows(), strict=True):
                assert np.array_equal(samples.numpy(), decode_audio(sound(int(row))))


def add_noise_by_row_and_micro(parts: Parts, generator: np.random.Generator) -> Parts:
    batch = parts["speech"]
    masks = [batch.generator(row, "mask").random() for row in range(len(batch))]
    negatives = generator.integers(0, 10**6, 3)
    return {"speech": batch.with_inputs(
        {"masked": len(masks)}, masks=torch.tensor(masks), negatives=torch.from_numpy(negatives)
    )}  # fmt: skip


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[tuple[object, ...]]:
    """Eight steps by one thread, changed and prepared."""
    return told(list(changed(folder, threads=1).steps(0, 8)))


def changed(folder: Path, rank: int = 0, world: int = 1, **settings: object) -> Loader:
    augment = {"noise_snr_db": (0, 20), "gain_db": (-6, 6), "warp": (0.9, 1.1)}
    settings = {"micros_per_step": 4, "seed": 3, "augment": augment, **settings}
    return make(folder, rank, world, add_noise_by_row_and_micro, **settings)


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 1), (5, 9)])
def test_threads_change_nothing(
    folder: Path, expected: list[tuple[object, ...]], threads: int, ahead: int
) -> None:
    assert told(list(changed(folder, threads=threads, ahead=ahead).steps(0, 8))) == expected


def test_a_resumed_run_loads_the_same_bits(folder: Path, expected: list[object]) -> None:
    assert told(list(changed(folder).steps(5, 8))) == expected[20:]


def test_two_devices_load_the_micros_of_one(folder: Path, expected: list[object]) -> None:
    shares = [told(list(changed(folder, rank, 2).steps(0, 8))) for rank in range(2)]
    assert [micro for turn in zip(*shares, strict=True) for micro in turn] == expected


def test_a_row_is_changed_and_masked_alike_in_any_company(folder: Path) -> None:
    def by_id(micros_per_step: int, epoch: int) -> dict[str, tuple[bytes, float]]:
        loader = changed(folder, micros_per_step=micros_per_step)
        length = loader.plans["speech"].steps_per_epoch
        found = {}
        for _, micros in loader.steps(epoch * length, (epoch + 1) * length):
            for parts in micros:
                batch = parts["speech"]
                sounds = [samples.numpy().tobytes() for samples in batch.speech.rows()]
                rows = zip(sounds, batch.inputs["masks"].tolist(), strict=True)
                found |= dict(zip(batch.ids, rows, strict=True))
        return found

    first, other = by_id(1, epoch=0), by_id(5, epoch=0)
    assert len(first) == ROWS
    assert first == other
    for now, later in zip(first["u7"], by_id(1, epoch=1)["u7"], strict=True):
        assert now != later


def test_each_row_shows_its_picture(folder: Path) -> None:
    loader = make(folder, columns=FULL, where="picture is not null")
    red, blue = torch.tensor([255, 0, 0]), torch.tensor([0, 0, 255])
    for _, micros in loader.steps(0, 4):
        for parts in micros:
            batch = parts["speech"]
            for row, image in zip(batch.rows, batch.images, strict=True):
                assert image.shape == (8, 8, 3)
                assert image.dtype == torch.uint8
                assert torch.equal(image[4, 4], (red, blue)[row % 2].to(torch.uint8))


def test_pictures_alone_are_a_source(folder: Path) -> None:
    loader = make(folder, table="pictures", split=None, items=1, micros_per_step=1)
    found = {parts["speech"].ids: parts["speech"] for _, [parts] in loader.steps(0, 2)}
    assert set(found) == {("p0",), ("p1",)}
    assert all(batch.speech is None and len(batch.images) == 1 for batch in found.values())


def test_roles_walk_their_own_plans_side_by_side(folder: Path) -> None:
    speech = Source(SourceSettings(corpora=(folder,), seconds=1.5, columns=("audio",)))
    text = Source(SourceSettings(corpora=(folder,), characters=70))
    loader = Loader({"speech": speech, "text": text}, LoaderSettings(micros_per_step=2, threads=2))
    steps = list(loader.steps(0, 6))
    assert [step for step, _ in steps] == list(range(6))
    for step, micros in steps:
        for role in ("speech", "text"):
            rows = [parts[role].rows.tolist() for parts in micros]
            assert rows == [micro.tolist() for micro in loader.plans[role].step(step)]
    same = Loader({"a": text, "b": text}, LoaderSettings(micros_per_step=2))
    [(_, [parts, _])] = list(same.steps(0, 1))
    assert parts["a"].ids != parts["b"].ids


def test_a_step_reads_the_roles_that_are_drawn_from_it(folder: Path) -> None:
    source = Source(SourceSettings(corpora=(folder,), characters=70))
    drawn = [{"a": 0}, {"a": 1, "b": 0}, {"b": 1}]
    settings = LoaderSettings(micros_per_step=1)
    loader = Loader({"a": source, "b": source}, settings, draw=drawn.__getitem__)
    for step, [parts] in loader.steps(0, 3):
        rows = {role: batch.rows.tolist() for role, batch in parts.items()}
        plans = {role: loader.plans[role].step(number) for role, number in drawn[step].items()}
        assert rows == {role: micros[0].tolist() for role, micros in plans.items()}
        assert all(batch.step == step for batch in parts.values())


def test_a_row_without_a_picture_is_named(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"u5\d has no picture; .*picture is not null"):
        list(make(folder, columns=FULL).steps(0, 10))
    assert loading_threads() == []


def test_a_row_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "bad", Card(name="bad")) as writer:
        for i in range(20):
            audio = b"RIFF nonsense" if i == 13 else sound(i)
            writer.add("utterances", {"id": f"u{i}", "split": "train", "audio": audio,
                                      "seconds": 0.2, "text": ""})  # fmt: skip
    with pytest.raises(MediaError, match=r"^u13: "):
        list(make(tmp_path / "bad").steps(0, 10))
    assert loading_threads() == []


def test_an_error_is_raised_at_once_though_an_earlier_micro_is_still_loading(folder: Path) -> None:
    plan = make(folder, micros_per_step=1).plans["speech"]
    slow, bad, _ = (plan.step(step)[0].tolist() for step in range(3))
    after = threading.Event()

    def prepare(parts: Parts, _: np.random.Generator) -> Parts:
        rows = parts["speech"].rows.tolist()
        if rows == bad:
            raise KeyError("lost")
        if rows == slow:
            # Until the other thread is past its error, or has been told to stop.
            after.wait(1)
        after.set()
        return parts

    with pytest.raises(KeyError, match="lost") as caught:
        next(make(folder, prepare=prepare, micros_per_step=1, ahead=3).steps())
    assert caught.value.__notes__ == ["while loading micro 0 of step 1"]
    assert loading_threads() == []


def test_leaving_early_ends_the_threads(folder: Path) -> None:
    before = threading.active_count()
    for step, _ in make(folder, threads=3).steps():
        if step == 2:
            assert loading_threads()
            break
    assert loading_threads() == []
    steps = make(folder, threads=3).steps()
    next(steps)
    steps.close()
    assert threading.active_count() == before


def test_no_more_than_asked_is_loaded_ahead(folder: Path) -> None:
    made = []

    def prepare(parts: Parts, _: np.random.Generator) -> Parts:
        made.append(1)
        return parts

    steps = make(folder, prepare=prepare, ahead=3).steps()
    for delivered in (2, 4, 6):
        next(steps)
        end = time.monotonic() + 10
        while len(made) < delivered + 3 and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.05)  # whoever loads too far does it now
        assert len(made) == delivered + 3
    steps.close()


def test_what_was_spent_adds_up(folder: Path) -> None:
    loader = make(folder, prepare=add_noise_by_row_and_micro)
    batches = [parts["speech"] for _, micros in loader.steps(0, 3) for parts in micros]
    spent = loader.spent
    assert (spent.micros, spent.rows) == (6, sum(map(len, batches)))
    samples = sum(int(batch.speech.lengths.sum()) for batch in batches)
    assert spent.seconds == pytest.approx(samples / 16_000)
    assert spent.padded_seconds == pytest.approx(
        sum(batch.speech.data.numel() for batch in batches) / 16_000
    )
    assert spent.padded_seconds >= spent.seconds
    assert spent.wall["decode"] > 0
    assert spent.cpu["augment"] == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9)), min_size=1)
)
def test_laps_count_the_time_since_the_lap_before(laps: list[tuple[str, int, int]]) -> None:
    now = [100, 50]
    watch = Stopwatch(wall=lambda: now[0], cpu=lambda: now[1])
    for stage, wall, cpu in laps:
        now = [now[0] + wall, now[1] + cpu]
        watch.lap(stage)
    for stage in "abc":
        assert watch.wall.get(stage, 0) == sum(wall for name, wall, _ in laps if name == stage)
        assert watch.cpu.get(stage, 0) == sum(cpu for name, _, cpu in laps if name == stage)
    spent = Spent()
    spent.add({}, watch)
    assert sum(spent.wall.values()) == now[0] - 100


def test_micros_that_devices_cannot_share_are_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="2 micros a step cannot be shared evenly by 3"):
        make(folder, rank=0, world=3)
