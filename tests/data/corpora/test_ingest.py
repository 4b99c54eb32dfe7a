import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.conftest import png, tone
from tests.data.test_audio import HOSTILE as HOSTILE_SOUNDS
from tests.data.test_image import HOSTILE as HOSTILE_PICTURES
from trivium.data.audio import encode_flac, encode_wav
from trivium.data.corpora import table
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpus import Card, Corpus
from trivium.data.store import SCHEMAS
from trivium.errors import CorpusError

CARD = Card(name="mine", made_by={"command": "test"})


def run(source, out, **options):
    options = IngestOptions(root=source.parent, **options)
    return ingest(table.read(source), out, CARD, options)


def rejected(out):
    return [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, fieldnames=list(dict.fromkeys(k for row in rows for k in row))
        )
        writer.writeheader()
        writer.writerows(rows)
    return path


def everything(corpus, name):
    rows = np.arange(corpus.count(name))
    return corpus.take(name, rows, SCHEMAS[name].names) if len(rows) else None


ROWS = [
    {"audio": "a.flac", "text": "ein Hund", "language": "de", "speaker": "anna", "mood": "calm"},
    {"audio": "b.wav", "text": "eine Katze", "language": "de", "image": "cat.png", "split": "dev"},
    {"audio": "b.wav", "text": "noch eine", "language": "de", "image": "cat.png", "score": "1.5"},
    {"text": "nur Text", "language": "de", "translation": "only text",
     "translation_language": "en", "label": "x"},
    {"image": "dog.png"},
    {"image": "dog.png", "text": "written beside a picture"},
]  # fmt: skip


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.flac").write_bytes(encode_flac(tone(0.5)))
    (tmp_path / "b.wav").write_bytes(encode_wav(tone(0.25, rate_hz=8_000), 8_000))
    for name in ("cat", "dog"):
        (tmp_path / f"{name}.png").write_bytes(png("red" if name == "cat" else "blue"))
    return tmp_path


def as_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([
        (name, pa.string()) for name in dict.fromkeys(k for row in rows for k in row)
    ])), path)  # fmt: skip


def as_tsv(path, rows):
    names = list(dict.fromkeys(k for row in rows for k in row))
    lines = ["\t".join(names)] + ["\t".join(row.get(n, "") for n in names) for row in rows]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("suffix", "write"),
    [("csv", write_csv), ("jsonl", as_jsonl), ("parquet", as_parquet), ("tsv", as_tsv)],
)
def test_every_kind_of_table_becomes_the_same_corpus(files, suffix, write):
    source = files / f"mine.{suffix}"
    write(source, ROWS)
    result = run(source, files / "out")
    assert result.added == {"utterances": 4, "pictures": 2, "sentences": 1}
    assert (result.rejected, result.in_extra) == (0, {"mood"})
    corpus = Corpus.open(files / "out")
    first, second, third, fourth = everything(corpus, "utterances").to_pylist()
    assert first["audio"] == (files / "a.flac").read_bytes()
    assert json.loads(first["extra"]) == {"mood": "calm"}
    assert (first["id"], first["split"], first["seconds"]) == ("mine-00000001", "train", 0.5)
    assert (second["split"], second["seconds"], second["picture"]) == ("dev", 0.25, "cat.png")
    assert (third["picture"], third["score"]) == ("cat.png", 1.5)
    assert (fourth["audio"], fourth["picture"]) == (None, "dog.png")
    (sentence,) = everything(corpus, "sentences").to_pylist()
    assert (sentence["translation"], sentence["label"], sentence["characters"]) == (
        "only text",
        "x",
        8,
    )


def test_linked_sounds_keep_their_path_and_give_the_same_samples(files):
    source = write_csv(files / "mine.csv", ROWS[:1])
    run(source, files / "linked", link=True)
    run(source, files / "stored")
    linked, stored = Corpus.open(files / "linked"), Corpus.open(files / "stored")
    assert everything(linked, "utterances")["audio"][0].as_py() is None
    (one,), (other,) = (c.sounds(everything(c, "utterances")) for c in (linked, stored))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("link", [True, False])
def test_a_stretch_of_a_long_file_becomes_an_utterance(files, link):
    (files / "long.wav").write_bytes(encode_wav(tone(3, 200)))
    source = write_csv(files / "t.csv", [{"audio": "long.wav", "offset": "1.5", "seconds": "0.5"}])
    run(source, files / "out", link=link)
    corpus = Corpus.open(files / "out")
    rows = everything(corpus, "utterances")
    np.testing.assert_allclose(corpus.sounds(rows)[0], tone(3, 200)[24_000:32_000], atol=2**-14)
    assert rows["seconds"][0].as_py() == 0.5


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(files):
    rows = [{"audio": "a.flac", "text": "first"}]
    for name, (data, _) in HOSTILE_SOUNDS.items():
        (files / f"{name}.flac").write_bytes(data)
        rows.append({"audio": f"{name}.flac"})
    for name, (data, _) in HOSTILE_PICTURES.items():
        (files / f"{name}.png").write_bytes(data)
        rows.append({"audio": "a.flac", "image": f"{name}.png"})
    rows += [{"audio": "nowhere.flac"}, {"audio": "a.flac", "score": "high"}, {"speaker": "nobody"},
             {"audio": "a.flac", "id": "one"}, {"audio": "a.flac", "id": "one"},
             {"audio": "a.flac", "offset": "0.1"}, {"audio": "a.flac", "text": "last"}]  # fmt: skip
    result = run(write_csv(files / "mine.csv", rows), files / "out")
    assert result.added == {"utterances": 3}
    reasons = [line["reason"] for line in rejected(files / "out")]
    expected = [sentence for _, sentence in [*HOSTILE_SOUNDS.values(), *HOSTILE_PICTURES.values()]]
    expected += ["nowhere.flac cannot be read: no such file", "score is 'high'", "no audio, no",
                 "'one' occurs twice", "offset 0.1 needs"]  # fmt: skip
    assert len(reasons) == len(expected) == result.rejected
    for reason, sentence in zip(reasons, expected, strict=True):
        with pytest.raises(CorpusError, match=sentence):
            raise CorpusError(reason)
    assert all("record" in line for line in rejected(files / "out"))
    texts = everything(Corpus.open(files / "out"), "utterances")["text"].to_pylist()
    assert texts == ["first", None, "last"]


def test_a_sound_under_a_false_name_is_read_and_reported(files):
    target = files / "really-mp3.wav"
    soundfile.write(target, tone(1.0), 16_000, format="MP3", subtype="MPEG_LAYER_III")
    result = run(write_csv(files / "t.csv", [{"audio": "really-mp3.wav"}]), files / "out")
    assert result.misnamed == ["really-mp3.wav holds MP3"]
    assert result.added == {"utterances": 1}


def test_broken_lines_are_listed(files):
    (files / "t.jsonl").write_text('{"text": "good"}\n{"text": \n[1, 2]\n\n{"text": "fine"}\n')
    result = run(files / "t.jsonl", files / "out")
    assert result.added == {"sentences": 2}
    assert [line["reason"].split(":")[0] for line in rejected(files / "out")] == [
        "line 2 is not JSON", "line 3 holds a list, not an object",
    ]  # fmt: skip
    (files / "t.csv").write_text("text,language\nhello,en\none,two,three,four\n")
    result = run(files / "t.csv", files / "out2")
    assert (result.added, result.rejected) == ({"sentences": 1}, 1)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("t.xlsx", b"", "none of .csv"), ("t.parquet", b"not parquet", "not a parquet table"),
     ("t.csv", b"\xff\xfet\x00e\x00", r"t\.csv: line 1 is not UTF-8: byte 1 of it is 0xff")],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=sentence):
        run(tmp_path / name, tmp_path / "out")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"nowhere\.csv is not there"):
        run(tmp_path / "nowhere.csv", tmp_path / "out")


def test_repeating_an_import_adds_what_became_readable(files):
    rows = [{"id": str(n), "audio": name} for n, name in enumerate(("a.flac", "late.wav", "b.wav"))]
    source = write_csv(files / "t.csv", rows)
    assert run(source, files / "out").rejected == 1
    (files / "late.wav").write_bytes(encode_wav(tone(0.3)))
    result = run(source, files / "out")
    assert (result.added, result.already, result.rejected) == ({"utterances": 1}, 2, 0)
    assert (files / "out" / "rejected.jsonl").read_text() == ""


IMPORT = """
import sys, time
from pathlib import Path
from trivium.data import corpus as corpus_module
from trivium.data.corpora import table
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpus import Card
corpus_module.COMMIT_ROWS = 10
source = Path(sys.argv[1])
card = Card(name="mine", made_by={"command": "test"})
def advance():
    print(flush=True)
    time.sleep(0.002)
ingest(table.read(source), Path(sys.argv[2]), card, IngestOptions(root=source.parent), advance)
"""


def killed_imports(source, out, rows, kills):
    """Kill an import after a random row, or while it finishes; how many died before their end."""
    rng, died = np.random.default_rng(0), 0
    command = [sys.executable, "-c", IMPORT, str(source), str(out)]
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        for _ in range(rng.integers(1, rows + 1)):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        died += process.returncode != 0
    return died


def check_killed_import(tmp_path, kills):
    rows = []
    for number in range(120):
        name = f"{number}.wav"
        (tmp_path / name).write_bytes(encode_wav(tone(1.5 + number / 50)) if number % 9 else b"bad")
        rows.append({"audio": name, "text": str(number), "image": f"{number % 5}.png"})
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(png("red", 4 + number))
    source = write_csv(tmp_path / "t.csv", rows)
    run(source, tmp_path / "whole")
    died = killed_imports(source, tmp_path / "killed", len(rows), kills)
    assert died >= kills // 2  # most kills hit a running import
    run(source, tmp_path / "killed")
    whole, killed = (Corpus.open(tmp_path / name) for name in ("whole", "killed"))
    for name in SCHEMAS:
        one, other = everything(whole, name), everything(killed, name)
        assert (one and one.to_pylist()) == (other and other.to_pylist())
    assert killed.card.fingerprint == whole.card.fingerprint
    assert rejected(tmp_path / "killed") == rejected(tmp_path / "whole")
    sizes = [sum(p.stat().st_size for p in (tmp_path / name).rglob("*") if p.is_file())
             for name in ("whole", "killed")]  # fmt: skip
    assert sizes[1] <= sizes[0] * 1.05 + 20_000


def test_an_import_killed_ten_times_ends_in_the_same_table(tmp_path):
    check_killed_import(tmp_path, 10)


@pytest.mark.slow
def test_an_import_killed_a_hundred_times_ends_in_the_same_table(tmp_path):
    check_killed_import(tmp_path, 100)
