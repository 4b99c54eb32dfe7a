"""Import, export, import: every byte and every text comes back."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lhotse import CutSet

from tests.conftest import png, tone, utterance
from tests.data.corpora.imports import rows
from trivium.cli.main import run as trivium
from trivium.data.audio import encode_wav
from trivium.data.corpora import huggingface
from trivium.data.corpora.export import TARGETS, export
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpora.readers import opened
from trivium.data.corpora.release import Source
from trivium.data.corpus import SOUND_COLUMNS, Card, Corpus, CorpusWriter
from trivium.errors import CorpusError

EXTRA = {"id": "x", "split": 7, "deep": [{}]}
WRITTEN = {"table": "table.jsonl", "hf": "", "lhotse": "cuts.jsonl.gz"}


def encoded(kind, coding, channels=1):
    target = io.BytesIO()
    samples = np.repeat(tone(0.5)[:, None], channels, 1)
    soundfile.write(target, samples, 16_000, format=kind, subtype=coding)
    return target.getvalue()


def varied(folder, texts=('say "hi"\n\tnow', "NA", "एक बिल्ली"), extra=None):
    """Sounds in all containers, with and without everything else a row may have."""
    sounds = [encoded("FLAC", "PCM_16"), encoded("WAV", "PCM_16", 2), encoded("OGG", "VORBIS"),
              encoded("MP3", "MPEG_LAYER_III")]  # fmt: skip
    phones = [{"symbol": "AH0", "start": 0.025, "end": 0.1}, {"symbol": "b", "start": 0.1,
              "end": 0.3}]  # fmt: skip
    full = {"translation": "NA", "translation_language": "en", "label": "0", "score": 1.1,
            "phones": phones, "extra": json.dumps(extra or EXTRA)}  # fmt: skip
    with CorpusWriter(folder, Card(name="varied", licence="CC0-1.0", source="A test.")) as writer:
        for name, more in (("p1.png", {}), ("p2", {"extra": '{"camera": 3}'}), ("alone", {})):
            writer.add("pictures", {"id": name, "split": "train",
                                    "image": png("red", 8 + len(name)), **more})  # fmt: skip
        for number, sound in enumerate(sounds):
            text = texts[number % len(texts)]
            seconds = len(soundfile.read(io.BytesIO(sound))[0]) / 16_000
            columns = {"audio": sound, "seconds": seconds, "text": text, "characters": len(text)}
            row = utterance(number, **columns, picture=("p1.png", "p2", None, None)[number])
            writer.add("utterances", row | (full if number % 2 else {}))
        silent = {"id": "silent", "split": "train", "text": "written", "characters": 7,
                  "picture": "p1.png"}  # fmt: skip
        writer.add("utterances", silent)
        bare = {"id": "bare", "split": "test-clean", "audio": sounds[0], "seconds": 0.5}
        writer.add("utterances", bare)
        for number, text in enumerate(texts):
            row = {"id": ("p2", "s1", "s2")[number % 3], "split": "train", "text": text,
                   "characters": len(text), "extra": '{"speaker": "anna"}'}  # fmt: skip
            if number < 3:
                writer.add("sentences", row)
    return Corpus.open(folder)


def back(name, out, folder):
    """The export imported again."""
    source = Source(out / WRITTEN[name])
    reader = "table" if name == "table" else name
    records, card, _, _ = opened(reader, source)
    result = ingest(records, folder, card, IngestOptions(root=out, threads=1))
    assert not result.rejected, (folder / "rejected.jsonl").read_text()
    return Corpus.open(folder)


def assert_same(one, other):
    for table in ("utterances", "pictures", "sentences"):
        assert rows(one, table) == rows(other, table)


@pytest.mark.parametrize("to", sorted(TARGETS))
def test_an_export_imported_again_is_the_same_corpus(tmp_path, to):
    corpus = varied(tmp_path / "in")
    out = tmp_path / "out"
    export(corpus, out, to)
    again = back(to, out, tmp_path / "again")
    assert_same(corpus, again)
    export(again, tmp_path / "twice", to)
    assert_same(corpus, back(to, tmp_path / "twice", tmp_path / "thrice"))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
VALUES = st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.lists(TEXT), max_size=3)


@pytest.mark.parametrize("to", sorted(TARGETS))
@settings(
    max_examples=4,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts=st.lists(TEXT, min_size=3, max_size=3), extra=VALUES)
def test_any_text_and_any_extra_survive(tmp_path_factory, to, texts, extra):
    folder = tmp_path_factory.mktemp("any")
    corpus = varied(folder / "in", texts, extra)
    export(corpus, folder / "out", to)
    assert_same(corpus, back(to, folder / "out", folder / "again"))


@pytest.mark.parametrize("to", sorted(TARGETS))
def test_linked_sounds_stay_links_and_give_the_same_samples(tmp_path, to):
    (tmp_path / "long.wav").write_bytes(encode_wav(tone(3, 200)))
    lines = [{"id": "part", "audio": "long.wav", "offset": 1.5, "seconds": 0.5, "text": "a"},
             {"id": "whole", "audio": "long.wav", "text": "b"}]  # fmt: skip
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert trivium(["corpus", "import", "--link", str(table), str(tmp_path / "in")]) == 0
    corpus = Corpus.open(tmp_path / "in")
    export(corpus, tmp_path / "out", to)
    records, card, _, _ = opened(to, Source(tmp_path / "out" / WRITTEN[to]))
    ingest(records, tmp_path / "again", card, IngestOptions(root=tmp_path / "out", link=True))
    assert rows(Corpus.open(tmp_path / "again")) == rows(corpus)


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    varied(tmp_path / "in")
    for to in TARGETS:
        assert (
            trivium(["corpus", "export", str(tmp_path / "in"), str(tmp_path / to), "--to", to]) == 0
        )
    told = capsys.readouterr().out
    assert f"wrote 6 utterances, 3 pictures, 3 sentences to {tmp_path}/hf" in told
    assert "4 rows without sound and 3 pictures are in rest.jsonl" in told
    assert (
        trivium(["corpus", "export", str(tmp_path / "in"), str(tmp_path / "hf"), "--to", "hf"]) == 2
    )
    assert "holds other things; name a new or empty folder" in capsys.readouterr().err
    assert (
        trivium(["corpus", "export", str(tmp_path / "in"), str(tmp_path / "x"), "--to", "lhots"])
        == 2
    )
    assert "no corpus is exported to 'lhots'; did you mean 'lhotse'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_many_rows_are_written_in_small_groups(tmp_path, by_hand):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(huggingface, "ROW_GROUP_ROWS", 4)
        export(by_hand, tmp_path / "out", "hf")
    (path,) = (tmp_path / "out" / "data").iterdir()
    groups = pq.read_metadata(path)
    assert max(groups.row_group(n).num_rows for n in range(groups.num_row_groups)) == 4
    again = back("hf", tmp_path / "out", tmp_path / "again")
    assert again.card.fingerprint == by_hand.card.fingerprint


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise CorpusError("full")

    monkeypatch.setitem(TARGETS, "table", fail)
    with pytest.raises(CorpusError, match="full"):
        export(varied(tmp_path / "in"), tmp_path / "out", "table")
    assert not (tmp_path / "out").exists()


def test_lhotse_reads_what_is_written_for_it(tmp_path, monkeypatch):
    corpus = varied(tmp_path / "in")
    export(corpus, tmp_path / "out", "lhotse")
    monkeypatch.chdir(tmp_path / "out")
    cuts = {cut.id: cut for cut in CutSet.from_file("cuts.jsonl.gz")}
    assert len(cuts) == 5
    for id_ in ("u0000", "u0001"):  # lossless containers
        samples = cuts[id_].load_audio().mean(axis=0)
        np.testing.assert_allclose(samples, corpus.sound(full_row(corpus, id_)), atol=1e-4)
    (said,) = cuts["u0001"].supervisions
    assert (said.text, said.speaker, said.language) == ("NA", "s1", "en")
    assert [item.symbol for item in said.alignment["phone"]] == ["AH0", "b"]
    assert cuts["u0001"].custom["translation"] == "NA"


def full_row(corpus, id_):
    return corpus.take("utterances", np.array([corpus.find(id_)[1]]), SOUND_COLUMNS).to_pylist()[0]


def test_parquet_files_say_what_their_columns_are(tmp_path):
    export(varied(tmp_path / "in"), tmp_path / "out", "hf")
    paths = sorted((tmp_path / "out" / "data").iterdir())
    assert [path.name for path in paths] == [
        "0-pictures.parquet", "test-clean-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
    ]  # fmt: skip
    schema = pq.read_schema(paths[2])
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["audio"] == {"_type": "Audio"}
    assert features["image"] == {"_type": "Image"}
    assert features["score"] == {"dtype": "float", "_type": "Value"}
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "  - split: test_clean\n    path: data/test-clean-00000-of-00001.parquet" in readme
    assert "0-pictures" not in readme
    first = pq.read_table(paths[2]).to_pylist()[0]  # a caption has its picture beside it
    assert first["image"] == {"bytes": png("red", 14), "path": "p1.png"}
