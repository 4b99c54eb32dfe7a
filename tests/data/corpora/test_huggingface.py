"""Folders as `datasets` writes them, made by hand: the package is not needed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import png, tone
from tests.data.corpora.imports import columns, imported, read, reasons, rows
from trivium.data.audio import encode_flac
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {
    "recording": {"sampling_rate": 16_000, "_type": "Audio"},
    "photo": {"_type": "Image"},
    "sentence": {"dtype": "string", "_type": "Value"},
    "mood": {"names": ["calm", "glad"], "_type": "ClassLabel"},
    "speaker_id": {"dtype": "int64", "_type": "Value"},
    "Split": {"dtype": "string", "_type": "Value"},
}


def rows_of(numbers):
    schema = pa.schema([("recording", MEDIA), ("photo", MEDIA), ("sentence", pa.string()),
                        ("mood", pa.int64()), ("speaker_id", pa.int64())])  # fmt: skip
    return pa.Table.from_pylist([
        {"recording": {"bytes": encode_flac(tone(0.2, 200 + 20 * number)), "path": f"{number}.wav"},
         "photo": {"bytes": png("red", 8 + number), "path": None} if number % 2 else None,
         "sentence": f"number {number}", "mood": number % 3 - 1, "speaker_id": number}
        for number in numbers
    ], schema)  # fmt: skip


def told(table):
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    )


def saved(root, splits):
    """What `DatasetDict.save_to_disk` leaves, in two shards."""
    for split, numbers in splits.items():
        folder = root / split
        folder.mkdir(parents=True)
        names = []
        for place, part in enumerate(np.array_split(np.array(numbers), 2)):
            table = rows_of(part.tolist())
            name = f"data-{place:05}-of-00002.arrow"
            with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
                stream.write_table(table)
            names.append({"filename": name})
        (folder / "state.json").write_text(json.dumps({"_data_files": names, "_split": split}))
        (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": [*splits]}))


def parquet(root, splits):
    (root / "data").mkdir(parents=True)
    for split, numbers in splits.items():
        for place, part in enumerate(np.array_split(np.array(numbers), 2)):
            name = f"{split}-{place:05}-of-00002-0a1b.parquet"
            pq.write_table(told(rows_of(part.tolist())), root / "data" / name)


@pytest.mark.parametrize("layout", [saved, parquet])
def test_columns_are_known_by_their_features(tmp_path, layout):
    layout(tmp_path / "in", {"train": range(4), "validation": range(4, 7)})
    corpus = imported("hf", Source(tmp_path / "in"), tmp_path / "out")
    found = rows(corpus)
    assert columns(corpus, "id", "split", "text", "speaker", "label")[:4] == [
        ("train-00000001", "train", "number 0", "0", None),  # -1 is no class
        ("train-00000002", "train", "number 1", "1", "calm"),
        ("train-00000003", "train", "number 2", "2", "glad"),
        ("train-00000004", "train", "number 3", "3", None),
    ]
    assert [row["split"] for row in found.values()] == ["train"] * 4 + ["dev"] * 3
    assert found["dev-00000002"]["audio"] == encode_flac(tone(0.2, 300))
    assert corpus.count("pictures") == 3
    only, _ = read("hf", Source(tmp_path / "in", splits=("dev",)))
    assert [record["text"] for record in only] == ["number 4", "number 5", "number 6"]


def test_one_dataset_one_parquet_file_and_numbered_files(tmp_path):
    saved(tmp_path, {"only": range(2)})
    folder = tmp_path / "only"
    assert [record["split"] for record in read("hf", Source(folder))[0]] == ["train", "train"]
    pq.write_table(told(rows_of(range(2))), tmp_path / "test.parquet")
    assert [r["split"] for r in read("hf", Source(tmp_path / "test.parquet"))[0]] == ["test"] * 2
    (tmp_path / "converted" / "dev").mkdir(parents=True)
    pq.write_table(told(rows_of(range(1))), tmp_path / "converted" / "dev" / "0000.parquet")
    assert [r["split"] for r in read("hf", Source(tmp_path / "converted"))[0]] == ["dev"]


def test_our_own_names_win(tmp_path):
    table = pa.table({"text": ["ours"], "Text": ["theirs"], "sentence": ["other"], "label": ["x"],
                      "mood": pa.array([1], pa.int64()), "id": ["a"]})  # fmt: skip
    pq.write_table(told(table), tmp_path / "t.parquet")
    ((record,), _) = read("hf", Source(tmp_path / "t.parquet"))
    assert record == {"id": "a", "split": "t", "text": "ours", "Text": "theirs",
                      "sentence": "other", "label": "x", "mood": "glad"}  # fmt: skip


def test_case_of_our_names_does_not_matter_and_bad_rows_are_listed(tmp_path):
    words = pa.table({"Text": ["one", "three"], "LANGUAGE": ["en", "en"]})
    pq.write_table(words, tmp_path / "train.parquet", compression="none", use_dictionary=False,
                   write_statistics=False)  # fmt: skip
    whole = (tmp_path / "train.parquet").read_bytes()
    place = whole.index(b"three")
    (tmp_path / "train.parquet").write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
    records, bad = read("hf", Source(tmp_path / "train.parquet"))
    assert [(record["text"], record["language"]) for record in records] == [("one", "en")]
    assert "cannot be read" in bad[0]


def test_a_translation_is_two_languages(tmp_path):
    lines = [{"translation": {"en": "dog", "de": "Hund"}}, {"translation": None}]
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "train.parquet")
    records, _ = read("hf", Source(tmp_path / "train.parquet"))
    assert records[0] == {
        "id": "train-00000001", "split": "train", "text": "Hund", "language": "de",
        "translation": "dog", "translation_language": "en",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "in is not there; expected a folder of save_to_disk"),
        (lambda root: root.mkdir(), "holds no parquet and no state.json; expected"),
        (lambda root: root.write_text("x"), "in is no parquet file"),
        (lambda root: (root / "x").mkdir(parents=True) or (root / "x/state.json").write_text("{}"),
         r"state\.json names no files"),
        (lambda root: saved(root, {"train": range(2)})
         or (root / "train/data-00001-of-00002.arrow").unlink(),
         r"data-00001-of-00002\.arrow is not there, and .*state\.json names it"),
        (lambda root: saved(root, {"train": range(2)})
         or (root / "train/data-00001-of-00002.arrow").write_bytes(b"x" * 30), "cannot be read"),
        (lambda root: root.mkdir() or pq.write_table(pa.table({"a": [1]}), root / "t.parquet"),
         "has no column of audio, images or text; it has a"),
        (lambda root: root.mkdir() or pq.write_table(
            pa.table({"text": ["a"]}).replace_schema_metadata({"huggingface": "{"}),
            root / "t.parquet"), "its features cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_dataset_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "in")
    with pytest.raises(CorpusError, match=sentence):
        read("hf", Source(tmp_path / "in"))


def test_a_shard_that_breaks_off_is_named(tmp_path):
    saved(tmp_path / "in", {"train": range(4)})
    shard = tmp_path / "in" / "train" / "data-00001-of-00002.arrow"
    shard.write_bytes(shard.read_bytes()[:-2_000])
    with pytest.raises(CorpusError, match=r"data-00001-of-00002\.arrow cannot be read to its end"):
        read("hf", Source(tmp_path / "in"))


def test_paths_without_bytes_start_at_the_folder(tmp_path):
    (tmp_path / "in" / "wavs").mkdir(parents=True)
    (tmp_path / "in" / "wavs" / "a.flac").write_bytes(encode_flac(tone(0.2)))
    table = pa.table({"audio": pa.array([{"bytes": None, "path": "wavs/a.flac"}], MEDIA)})
    pq.write_table(table, tmp_path / "in" / "train.parquet")
    corpus = imported("hf", Source(tmp_path / "in"), tmp_path / "out")
    assert columns(corpus, "id", "seconds") == [("train-00000001", pytest.approx(0.2))]


LOCALES = ["en_us", "fr_fr", "cmn_hans_cn"]
FLEURS = {
    "id": {"dtype": "int32", "_type": "Value"}, "audio": {"_type": "Audio"},
    "gender": {"names": ["male", "female", "other"], "_type": "ClassLabel"},
    "lang_id": {"names": LOCALES, "_type": "ClassLabel"},
    "lang_group_id": {"names": ["western_european_we"], "_type": "ClassLabel"},
}  # fmt: skip


def readings(place, sentences):
    """A shard of FLEURS, as it is on the Hub."""
    language, say = (("English", "Say"), ("French", "Dire"), ("Mandarin Chinese", "说"))[place]
    rows = [
        {"id": sentence, "num_samples": 3_200, "path": f"/root/.cache/{number}.wav",
         "audio": {"bytes": encode_flac(tone(0.2, 200 + 20 * number)), "path": f"{number}.wav"},
         "transcription": f"{say.lower()} {sentence}", "raw_transcription": f"{say} {sentence}.",
         "gender": 1, "lang_id": place, "language": language, "lang_group_id": 0}
        for number, sentence in enumerate(sentences)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    features = json.dumps({"info": {"features": FLEURS}})
    return table.replace_schema_metadata({"huggingface": features})


def test_every_reading_of_a_sentence_of_fleurs_is_kept(tmp_path):
    for place, locale in enumerate(LOCALES):
        (tmp_path / "in" / locale).mkdir(parents=True)
        shard = tmp_path / "in" / locale / "train-00000-of-00001.parquet"
        pq.write_table(readings(place, [7, 7, 8]), shard)
    corpus = imported("hf", Source(tmp_path / "in"), tmp_path / "out")
    assert reasons(tmp_path / "out") == []
    assert columns(corpus, "language", "text")[2:5] == [
        ("zh", "说 8."), ("en", "Say 7."), ("en", "Say 7."),
    ]  # fmt: skip
    french = rows(corpus)["train-00000009"]
    assert (french["language"], french["label"]) == ("fr", None)
    assert french["extra"] == {
        "sentence": "8", "locale": "fr_fr", "normalised": "dire 8", "language_name": "French",
        "gender": "female", "lang_group_id": "western_european_we", "num_samples": 3_200,
        "path": "/root/.cache/2.wav",
    }  # fmt: skip
