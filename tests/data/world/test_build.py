import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trivium.data import corpus as corpus_module
from trivium.data.audio import SAMPLE_RATE_HZ
from trivium.data.corpus import Corpus
from trivium.data.store import SCHEMAS
from trivium.data.world import build
from trivium.data.world.build import SIZES, Size, WorldSettings, make_world, tasks
from trivium.data.world.voices import voices_of
from trivium.errors import CorpusError, SettingsError


def rows_of(corpus, table, where=None):
    places = corpus.columns(table, ["id"], where).column("row").to_numpy()
    return corpus.take(table, places, SCHEMAS[table].names).to_pylist()


def by_id(corpus, table, where=None):
    return {row["id"]: row for row in rows_of(corpus, table, where)}


def test_it_has_a_row_for_every_task(world):
    for split in ("train", "dev", "test"):
        rows = rows_of(world, "utterances", f"split = '{split}'")
        assert {row["language"] for row in rows} == {"en", "ja"}
        kinds = {row["id"].split("-")[0] for row in rows}
        assert kinds == {"scene", "request", "feeling"}
        for row in rows:
            assert row["text"]
            assert row["translation"]
            assert row["translation_language"] != row["language"]
            assert (row["picture"] is not None) == row["id"].startswith("scene-")
            assert (row["label"] is not None) == (not row["id"].startswith("scene-"))
            assert (row["score"] is not None) == row["id"].startswith("feeling-")
    assert world.count("sentences") > world.count("utterances")


def test_sounds_and_phones_agree_with_what_rows_say(world):
    rows = world.take("utterances", np.arange(0, world.count(), 7), SCHEMAS["utterances"].names)
    for row, samples in zip(rows.to_pylist(), world.sounds(rows), strict=True):
        assert row["seconds"] == pytest.approx(len(samples) / SAMPLE_RATE_HZ)
        ends = [phone["end"] for phone in row["phones"]]
        assert ends
        assert ends == sorted(ends)
        assert ends[-1] <= row["seconds"] + 1e-3
        assert 0.02 < np.abs(samples).max() < 1.0


def test_captions_of_a_picture_say_the_same_in_every_language(world):
    captions = by_id(world, "utterances", "picture IS NOT NULL")
    for id_, row in captions.items():
        if row["language"] == "ja":
            english = captions[id_.removesuffix("-ja") + "-en"]
            assert row["translation"] == english["text"]
            assert row["extra"] == english["extra"]
            assert row["picture"] == english["picture"]


def test_no_split_says_or_shows_what_another_does(world):
    for table in ("utterances", "sentences"):
        homes = {}
        for row in rows_of(world, table):
            homes.setdefault(row["extra"], set()).add(row["split"])
        assert all(len(splits) == 1 for splits in homes.values())
    scenes = {split: {row["extra"] for row in rows_of(world, "pictures", f"split = '{split}'")}
              for split in ("train", "dev", "test")}  # fmt: skip
    assert not scenes["train"] & (scenes["dev"] | scenes["test"])
    texts = {split: {row["text"] for row in rows_of(world, "utterances", f"split = '{split}'")}
             for split in ("train", "test")}  # fmt: skip
    written = {row["text"] for row in rows_of(world, "sentences", "split = 'train'")}
    assert not texts["test"] & (texts["train"] | written)


def test_speakers_of_the_splits_are_strangers(world):
    speakers = {split: {row["speaker"] for row in rows_of(world, "utterances", f"split = '{split}'")}
                for split in ("train", "dev", "test")}  # fmt: skip
    assert not speakers["train"] & (speakers["dev"] | speakers["test"])
    assert not speakers["dev"] & speakers["test"]
    known = {split: {voice.name for voice in voices_of(split)} for split in speakers}
    assert all(speakers[split] <= known[split] for split in speakers)


@pytest.fixture
def minute_world(monkeypatch):
    """A world of a few rows, cut into tasks of a few rows."""
    monkeypatch.setitem(SIZES, "tiny", Size(scenes=8, requests=3, feelings=3, sentences=12))
    monkeypatch.setattr(build, "TASK_ROWS", 4)


def test_rows_and_bytes_depend_on_the_seed_alone(tmp_path, minute_world):
    def make(name, workers, **settings):
        make_world(tmp_path / name, WorldSettings(**settings), workers=workers)
        return {table: rows_of(Corpus.open(tmp_path / name), table) for table in SCHEMAS}

    one = make("one", 1, languages=("en", "sw"))
    two = make("two", 2, languages=("en", "sw"))
    assert one == two
    # A row does not know which other languages are made.
    alone = make("alone", 2, languages=("sw",))
    assert alone["utterances"] == [row for row in two["utterances"] if row["language"] == "sw"]
    assert alone["pictures"] == two["pictures"]
    other = make("other", 2, languages=("sw",), seed=1)
    assert not {row["audio"] for row in other["utterances"]} & {
        row["audio"] for row in alone["utterances"]
    }


def test_a_world_with_other_settings_is_not_mixed_in(tmp_path, minute_world):
    make_world(tmp_path / "w", WorldSettings(languages=("sw",)), workers=1)
    with pytest.raises(CorpusError, match=r'"seed": 0.*"seed": 1'):
        make_world(tmp_path / "w", WorldSettings(languages=("sw",), seed=1), workers=1)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": "smal"}, "size = 'smal'.*'tiny', 'small' or 'base'"),
        ({"sed": 1}, "did you mean 'seed'"),
    ],
)
def test_wrong_settings_are_named(values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        WorldSettings.parse(values)


def test_an_unknown_language_is_named_and_nothing_is_made(tmp_path):
    with pytest.raises(CorpusError, match=r"speaks no 'fr'; .*en"):
        make_world(tmp_path / "w", WorldSettings(languages=("en", "fr")))
    assert not (tmp_path / "w").exists()


def test_tasks_cover_every_content_once():
    for size in SIZES:
        counts = {}
        for task in tasks(WorldSettings(size=size, languages=("en", "hi"))):
            key = (task.make, task.kind, task.split, task.language)
            assert task.start == counts.get(key, 0)
            counts[key] = task.stop
        spoken = sum(n for key, n in counts.items() if key[0] == "utterances" and key[3] == "en")
        whole = SIZES[size]
        assert abs(spoken - (whole.scenes + whole.requests + whole.feelings)) <= 3


MAKE = """
import sys
from pathlib import Path
from trivium.data import corpus as corpus_module
from trivium.data.world import build
from trivium.data.world.build import SIZES, Size, WorldSettings, make_world
corpus_module.COMMIT_ROWS = 7
build.TASK_ROWS = 4
if __name__ == "__main__":
    SIZES["tiny"] = Size(scenes=30, requests=5, feelings=5, sentences=12)
    make_world(Path(sys.argv[1]), WorldSettings(languages=("en", "hi")), 2,
               lambda _: print(flush=True))
"""


def state_and_parent(pid):
    """What the kernel says of a process; a state Z has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return "Z", 0
    return fields[0], int(fields[1])


def check_killed_world(tmp_path, monkeypatch, kills):
    monkeypatch.setitem(SIZES, "tiny", Size(scenes=30, requests=5, feelings=5, sentences=12))
    monkeypatch.setattr(build, "TASK_ROWS", 4)
    settings = WorldSettings(languages=("en", "hi"))
    make_world(tmp_path / "whole", settings)
    script = tmp_path / "make.py"
    script.write_text(MAKE)
    rng, died = np.random.default_rng(0), 0
    for _ in range(kills):
        command = [sys.executable, str(script), str(tmp_path / "killed")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(rng.integers(0, 6)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        died += process.returncode == -signal.SIGKILL
    assert died >= kills // 2
    monkeypatch.setattr(corpus_module, "COMMIT_ROWS", 7)
    make_world(tmp_path / "killed", settings)
    whole, killed = Corpus.open(tmp_path / "whole"), Corpus.open(tmp_path / "killed")
    for table in SCHEMAS:
        assert rows_of(whole, table) == rows_of(killed, table)
    assert whole.card == killed.card
    sizes = [
        sum(p.stat().st_size for p in c.path.rglob("*") if p.is_file()) for c in (whole, killed)
    ]
    assert sizes[1] <= sizes[0] * 1.05 + 20_000


def test_a_world_killed_ten_times_is_the_same_world(tmp_path, monkeypatch):
    check_killed_world(tmp_path, monkeypatch, 10)


@pytest.mark.slow
def test_a_world_killed_a_hundred_times_is_the_same_world(tmp_path, monkeypatch):
    check_killed_world(tmp_path, monkeypatch, 100)


def test_workers_die_with_their_parent(tmp_path):
    script = tmp_path / "make.py"
    script.write_text(MAKE)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "w")],
                               stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    process.stdout.readline()
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    children = [pid for pid in pids if state_and_parent(pid)[1] == process.pid]
    assert children
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for _ in range(200):
        if all(state_and_parent(pid)[0] == "Z" for pid in children):
            return
        time.sleep(0.05)
    pytest.fail(f"some of {children} outlive the process that started them")
