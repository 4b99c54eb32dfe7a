"""The releases that are one table beside its sounds: MInDS-14, VoxPopuli, MLS, VoxCeleb."""

import pytest

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import as_tsv, put, sound
from trivium.data.corpora import minds14
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

INTENTS = ("ADDRESS", "app_error")


def minds_release(root):
    for locale in ("en-US", "fr-FR"):
        lines = ["filepath,text_asr,text_translated,intent_class"]
        for number in range(10):
            intent = INTENTS[number % 2]
            path = f"{locale}~{intent.upper()}/{number:024x}.wav"
            sound(root / "MInDS-14" / "audio" / path, number, 8_000)
            lines.append(f'{path},"salut, {number}","hi, {number}",{intent}')
        put(root / "MInDS-14" / "audio" / f"{locale}~ADDRESS" / "._0.wav", "left by a Mac")
        put(root / "MInDS-14" / "text" / f"{locale}.csv", "\n".join(lines) + "\n")
    return Source(root)


def voxpopuli_release(root):
    head = "id|raw_text|normalized_text|speaker_id|split|gender"
    for language, splits in (("de", ("train", "dev", "test")), ("en_accented", ("test",))):
        for number, split in enumerate(splits):
            id_ = f"20180{number}13-0900-PLENARY-15-{language}_{number}"
            row = f'{id_}|Raw "{split}"!|{split} text|{language}{number}|{split}|male'
            folder = root / "transcribed_data" / language
            as_tsv(folder / f"asr_{split}.tsv", head, row)
            sound(folder / "2018" / f"{id_}.ogg", number)
    return Source(root)


def mls_release(root, opus=False):
    folder = root / f"mls_polish{'_opus' * opus}"
    for number, split in enumerate(("train", "dev", "test")):
        id_ = f"{6000 + number}_{number}_000000"
        as_tsv(folder / split / "transcripts.txt", f"{id_}|witaj {split}")
        put(folder / split / "segments.txt", f"{id_}\thttp://x\t0.0\t1.0\n")
        put(folder / split / "audio" / "._6000", "left by a Mac")
        sound(folder / split / "audio" / str(6000 + number) / str(number)
              / f"{id_}{'.opus' if opus else '.flac'}", number)  # fmt: skip
    put(folder / "metainfo.txt", "SPEAKER   |   GENDER\n")
    put(folder / "train/limited_supervision/9hr/handles.txt", "")
    return Source(root)


def voxceleb_release(root):
    for place, speaker in (("vox1_dev_wav", "id10001"), ("vox1_dev_wav", "id10002"),
                           ("vox1_test_wav", "id10270")):  # fmt: skip
        for number in range(2):
            sound(root / place / "wav" / speaker / "x6uYqmx31kE" / f"{number:05}.wav", number)
    trial = "{} id10270/x6uYqmx31kE/00000.wav {}\n"
    put(root / "veri_test2.txt", trial.format(1, "id10270/x6uYqmx31kE/00001.wav")
        + trial.format(0, "id10271/lost/00000.wav"))  # fmt: skip
    return Source(root)


def test_minds14_has_intents_and_a_split_of_ours(tmp_path):
    corpus = imported("minds14", minds_release(tmp_path / "release"), tmp_path / "out")
    found = rows(corpus)
    french = found[f"fr-FR~ADDRESS/{0:024x}"]
    assert (french["label"], french["text"], french["translation"]) == (
        "address", "salut, 0", "hi, 0"
    )  # fmt: skip
    assert (french["language"], french["translation_language"]) == ("fr-FR", "en")
    assert found[f"en-US~APP_ERROR/{1:024x}"]["translation"] is None
    assert {row["split"] for row in found.values()} == {"train", "dev", "test"}
    only, _ = read("minds14", Source(tmp_path / "release", splits=("dev",)))
    assert {record["id"] for record in only} == {
        id_ for id_, row in found.items() if row["split"] == "dev"
    }


def test_the_split_of_minds14_never_moves():
    names = [f"en-US~ADDRESS/{number:024x}.wav" for number in range(2_000)]
    splits = [minds14.split_of(name) for name in names]
    assert splits[:6] == ["dev", "train", "train", "train", "train", "train"]
    shares = [splits.count(split) / len(splits) for split in ("train", "dev", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


def test_voxpopuli_has_both_texts(tmp_path):
    corpus = imported("voxpopuli", voxpopuli_release(tmp_path / "release"), tmp_path / "out")
    assert columns(corpus, "split", "text", "language", "speaker") == [
        ("train", "train text", "de", "de0"), ("dev", "dev text", "de", "de1"),
        ("test", "test text", "de", "de2"), ("test", "test text", "en", "en_accented0"),
    ]  # fmt: skip
    assert next(iter(rows(corpus).values()))["extra"] == {
        "raw_text": 'Raw "train"!', "gender": "male",
    }  # fmt: skip


@pytest.mark.parametrize("opus", [True, False])
def test_mls_as_flac_or_opus_below_a_folder_or_alone(tmp_path, opus):
    source = mls_release(tmp_path / "release", opus)
    corpus = imported("mls", source, tmp_path / "out")
    assert columns(corpus, "id", "split", "text", "speaker") == [
        ("pl/6000_0_000000", "train", "witaj train", "pl/6000"),
        ("pl/6001_1_000000", "dev", "witaj dev", "pl/6001"),
        ("pl/6002_2_000000", "test", "witaj test", "pl/6002"),
    ]
    alone = next((tmp_path / "release").iterdir())
    assert read("mls", Source(alone)) == read("mls", source)


def test_voxceleb_ids_are_those_of_its_trials(tmp_path):
    corpus = imported("voxceleb", voxceleb_release(tmp_path / "release"), tmp_path / "out")
    assert columns(corpus, "id", "split", "speaker")[-1] == (
        "id10270/x6uYqmx31kE/00001.wav", "test", "id10270"
    )  # fmt: skip
    assert [row["split"] for row in rows(corpus).values()] == ["train"] * 4 + ["test"] * 2
    (reason,) = reasons(tmp_path / "out")
    assert "names 'id10271/lost/00000.wav', which is not below" in reason
    (tmp_path / "release" / "veri_test2.txt").unlink()  # then the folder's name tells
    records, bad = read("voxceleb", Source(tmp_path / "release", splits=("test",)))
    assert [record["id"] for record in records] == [
        f"id10270/x6uYqmx31kE/0000{number}.wav" for number in range(2)
    ]
    assert not bad


@pytest.mark.parametrize(
    ("root", "split"),
    [
        ("vox1_test_wav", "test"), ("vox1_dev_wav", "train"), ("tests/voxceleb", "train"),
        ("voxceleb_latest", "train"), ("link", "test"),
    ],
)  # fmt: skip
def test_a_part_of_voxceleb_by_itself_is_known_by_its_own_name(tmp_path, root, split):
    (tmp_path / "link").symlink_to(tmp_path / "vox1_test_wav")
    sound((tmp_path / root).resolve() / "wav" / "id10270" / "5r0dWxy17C8" / "00001.wav")
    records, _ = read("voxceleb", Source(tmp_path / root))
    assert [record["split"] for record in records] == [split]


def test_the_nearest_folder_tells_the_split_of_voxceleb(tmp_path):
    for part, speaker in (("vox1_dev_wav", "id10001"), ("vox1_test_wav", "id10270")):
        sound(tmp_path / "test" / part / "wav" / speaker / "5r0dWxy17C8" / "00001.wav")
    records, _ = read("voxceleb", Source(tmp_path / "test"))
    assert [record["split"] for record in records] == ["train", "test"]


@pytest.mark.parametrize(
    ("name", "make", "lost", "sentence"),
    [
        ("minds14", minds_release, "MInDS-14/text", "MInDS-14/text is not there; expected MInDS"),
        ("minds14", minds_release, "MInDS-14/audio", "MInDS-14/audio is not there"),
        ("voxpopuli", voxpopuli_release, "transcribed_data/de/asr_dev.tsv", r"asr_dev\.tsv is not"),
        ("voxpopuli", voxpopuli_release, "transcribed_data", "holds no .*asr_"),
        ("mls", mls_release, "mls_polish/dev/transcripts.txt", r"dev/transcripts\.txt is not"),
        ("mls", mls_release, "mls_polish/test/audio/6002", "test/audio holds no sound; expected"),
        ("mls", mls_release, "mls_polish", "holds no mls_"),
        ("voxceleb", voxceleb_release, "vox1_dev_wav", None),
    ],
)
def test_what_lacks_is_one_sentence(tmp_path, name, make, lost, sentence):
    source = make(tmp_path / "release")
    (source.root / lost).rename(tmp_path / "elsewhere")
    if sentence is None:  # a part alone is read
        assert {record["split"] for record in read(name, source)[0]} == {"test"}
        return
    with pytest.raises(CorpusError, match=sentence):
        read(name, source)


def test_packed_archives_and_broken_tables_are_named(tmp_path):
    put(tmp_path / "a" / "audio.zip", "")
    with pytest.raises(CorpusError, match=r"a/audio is not there, and audio\.zip is still packed"):
        read("minds14", Source(tmp_path / "a"))
    source = minds_release(tmp_path / "b")
    put(tmp_path / "b/MInDS-14/text/fr-FR.csv", "a,b,c,d\none,two\n")
    _, bad = read("minds14", source)
    assert bad == [
        f"{tmp_path}/b/MInDS-14/text/fr-FR.csv: line 2 has 2 fields; expected 4: ['one', 'two']"
    ]
    put(tmp_path / "b/MInDS-14/text/fr-FR.csv", b"a,b,c,d\n\xff,b,c,d\n")
    with pytest.raises(CorpusError, match=r"fr-FR\.csv is no csv: 'utf-8' codec"):
        read("minds14", source)
    mls = mls_release(tmp_path / "c")
    as_tsv(tmp_path / "c/mls_polish/dev/transcripts.txt", "nonsense|text")
    _, bad = read("mls", mls)
    assert "'nonsense' is no speaker_book_number" in bad[0]
    (tmp_path / "c/mls_polish").rename(tmp_path / "c/polish")
    with pytest.raises(CorpusError, match="polish is not named for a language"):
        read("mls", Source(tmp_path / "c/polish"))
