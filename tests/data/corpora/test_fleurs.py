import io
import tarfile

import numpy as np
import pytest

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import as_tsv, put, sound
from trivium.cli.main import run as trivium
from trivium.data.corpora import fleurs
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

SENTENCES = {
    "en_us": ('He said "NA".', "A cat.", "The end."),
    "fr_fr": ('Il a dit "NA".', "Un chat.", "La fin."),
    "cmn_hans_cn": ("他说。", "一只猫。", "结束。"),
}


def fleurs_release(root, unpacked=()):
    """Sentence 7 is read twice in train; the archive has them in another order than the table."""
    for locale, (first, second, third) in SENTENCES.items():
        folder = root / "data" / locale
        train = [(7, first), (7, first), (8, second)]
        for split, lines in (("train", train), ("dev", [(9, third)]), ("test", [])):
            names = [f"{split}{number}.wav" for number in range(len(lines))]
            table = [f"{sentence}|{name}|{text}|{text.lower()}|l e t|3200|FEMALE"
                     for name, (sentence, text) in zip(names, lines, strict=True)]  # fmt: skip
            as_tsv(folder / f"{split}.tsv", *table)
            place = folder / "audio" / split
            for number, name in enumerate(names):
                sound(place / name, number)
            put(place / "._train0.wav", "left by a Mac")
            if locale in unpacked:
                continue
            with tarfile.open(folder / "audio" / f"{split}.tar.gz", "w:gz") as archive:
                for name in reversed(["._train0.wav", *names]):
                    archive.add(place / name, f"{split}/{name}")
            for path in place.iterdir():
                path.unlink()
            place.rmdir()
    return Source(root)


def test_archives_are_streamed_and_english_becomes_the_translation(tmp_path):
    corpus = imported("fleurs", fleurs_release(tmp_path / "release"), tmp_path / "out")
    found = rows(corpus)
    assert columns(corpus, "id", "split", "language", "text", "translation")[:4] == [
        ("cmn_hans_cn/train/train2", "train", "zh", "一只猫。", "A cat."),
        ("cmn_hans_cn/train/train1", "train", "zh", "他说。", 'He said "NA".'),
        ("cmn_hans_cn/train/train0", "train", "zh", "他说。", 'He said "NA".'),
        ("cmn_hans_cn/dev/dev0", "dev", "zh", "结束。", "The end."),
    ]
    assert found["en_us/dev/dev0"]["translation"] is None
    assert found["fr_fr/train/train2"]["extra"] == {
        "sentence": "8", "locale": "fr_fr", "normalised": "un chat.", "gender": "FEMALE",
    }  # fmt: skip


def test_unpacked_audio_gives_the_same_rows(tmp_path):
    fleurs_release(tmp_path / "packed")
    fleurs_release(tmp_path / "unpacked", unpacked=SENTENCES)
    one, other = (
        rows(imported("fleurs", Source(tmp_path / name / "data", languages=("fr_fr",)),
                      tmp_path / f"{name}-out"))
        for name in ("packed", "unpacked")
    )  # fmt: skip
    assert one == other


def test_a_recording_that_the_archive_lacks_is_listed(tmp_path):
    source = fleurs_release(tmp_path / "release")
    table = source.root / "data/fr_fr/train.tsv"
    table.write_text(table.read_text() + "10\tlost.wav\tPerdu.\tperdu\tp\t1\tMALE\n")
    _, bad = read("fleurs", source)
    assert bad == [f"{table.parent}/audio/train.tar.gz has no lost.wav, which train.tsv names"]


def test_a_recording_of_too_many_bytes_is_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(fleurs, "LIMITS", type(fleurs.LIMITS)(max_bytes=100))
    records, bad = read("fleurs", fleurs_release(tmp_path))
    assert not records
    assert "train0.wav has 6,444 bytes; at most 100" in " ".join(bad)


@pytest.mark.parametrize("damage", ["short", "none", "noise"])
def test_a_damaged_archive_ends_the_import_with_its_name(tmp_path, capsys, damage):
    source = fleurs_release(tmp_path / "release")
    archive = source.root / "data/fr_fr/audio/train.tar.gz"
    whole = archive.read_bytes()
    noise = io.BytesIO(np.random.default_rng(0).bytes(3_000)).read()
    damaged = {"short": whole[: len(whole) // 2], "none": b"", "noise": whole[:60] + noise}[damage]
    archive.write_bytes(damaged)
    arguments = ["corpus", "import", "fleurs", str(source.root), str(tmp_path / "out")]
    assert trivium([*arguments, "--languages", "fr_fr"]) == 2
    told = capsys.readouterr().err
    assert f"{archive} cannot be read to its end" in told
    archive.write_bytes(whole)
    assert trivium([*arguments, "--languages", "fr_fr"]) == 0  # continues
    assert reasons(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("data/fr_fr/dev.tsv", r"fr_fr/dev\.tsv is not there; expected data/<locale>/"),
        ("data/fr_fr/audio/dev.tar.gz", r"dev\.tar\.gz is not there"),
        ("data", "holds no"),
    ],
)
def test_what_lacks_is_one_sentence(tmp_path, lost, sentence):
    source = fleurs_release(tmp_path / "release")
    (source.root / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match=sentence):
        read("fleurs", source)
