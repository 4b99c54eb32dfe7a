import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.corpora.imports import columns, imported, read, rows
from tests.data.corpora.miniatures import as_tsv, put, sound
from trivium.data.corpora import release
from trivium.data.corpora.record import BadLine
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

HEAD = "client_id|path|sentence|up_votes|down_votes|age|gender|accent"  # `accents` since release 7
NEWER = "client_id|path|sentence|up_votes|down_votes|age|gender|accents|variant|locale|segment"


def voice_release(root):
    """French as in release 4, Swedish as in a newer one."""
    french, swedish = (root / "cv-corpus-4" / language for language in ("fr", "sv-SE"))
    lines = [f"speaker{n}|common_voice_fr_{n}.mp3|{text}|2|0||female|" for n, text in enumerate(
        ['Il dit "oui".', "NA", "null", "deux \\\\ barres", "un\\\ttab".replace("\t", "|"), "fin"]
    )]  # fmt: skip
    for name, part in (("train", lines[:4]), ("dev", lines[4:5]), ("test", lines[5:])):
        as_tsv(french / f"{name}.tsv", HEAD, *part)
    as_tsv(french / "validated.tsv", HEAD, *lines)
    for name in ("train", "dev", "test", "other"):
        as_tsv(swedish / f"{name}.tsv", NEWER, f"{name}|common_voice_sv-SE_{name}|Hej {name}|1|0")
        sound(swedish / "clips" / f"common_voice_sv-SE_{name}.mp3", 0, 32_000)
    put(french / "clips" / "._common_voice_fr_0.mp3", "left by a Mac")
    for number in range(6):
        sound(french / "clips" / f"common_voice_fr_{number}.mp3", number, 48_000)
    return Source(root / "cv-corpus-4")


def test_languages_and_splits_are_read_and_the_rest_is_kept(tmp_path):
    source = voice_release(tmp_path)
    corpus = imported("common-voice", Source(source.root, languages=("sv-SE",)), tmp_path / "sv")
    assert columns(corpus, "id", "split", "text", "language", "speaker") == [
        (f"common_voice_sv-SE_{split}", split, f"Hej {split}", "sv-SE", split)
        for split in ("train", "dev", "test")
    ]
    assert rows(corpus)["common_voice_sv-SE_dev"]["extra"] == {"up_votes": "1", "down_votes": "0"}
    french, bad = read("common-voice", Source(source.root / "fr", splits=("train",)))
    assert [record["text"] for record in french] == [
        'Il dit "oui".', "NA", "null", "deux \\\\ barres"
    ]  # fmt: skip
    assert not bad
    other, _ = read("common-voice", Source(source.root, languages=("sv-SE",), splits=("other",)))
    assert [record["split"] for record in other] == ["other"]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda root: (root / "fr/test.tsv").unlink(), r"fr/test\.tsv is not there; expected"),
        (lambda root: as_tsv(root / "fr/dev.tsv", "a|b"), r"dev\.tsv has no column 'client_id'"),
        (lambda root: (root / "fr/clips").rename(root / "clips.tar"), "fr/clips is not there"),
        (lambda root: (root / "fr").rename(root / "de"), "has no language 'fr'; known are de, sv"),
    ],
)
def test_what_lacks_is_said_before_anything_is_written(tmp_path, break_it, sentence):
    source = voice_release(tmp_path)
    break_it(source.root)
    with pytest.raises(CorpusError, match=sentence):
        read("common-voice", Source(source.root, languages=("fr",)))


def translations(root):
    """The table as published, with the backslashes that pandas writes."""
    lines = ['He says \\"yes\\".|train', "NA|train_covost", "null|dev", "two \\\\ bars|test",
             "a\\|tab|test", "unused|train_other"]  # fmt: skip
    named = [f"common_voice_fr_{n}.mp3|{line}" for n, line in enumerate(lines)]
    as_tsv(root / "covost_v2.fr_en.tsv", "path|translation|split", *named)
    return root


def test_translations_are_joined_as_their_authors_do(tmp_path):
    source = Source(voice_release(tmp_path).root, join=translations(tmp_path / "covost"))
    corpus = imported("covost2", source, tmp_path / "out")
    assert columns(corpus, "split", "text", "translation") == [
        ("train", 'Il dit "oui".', 'He says "yes".'),
        ("train", "NA", "NA"),
        ("dev", "null", "null"),
        ("test", "deux \\ barres", "two \\ bars"),
        ("test", "un\ttab", "a\ttab"),
    ]
    found = rows(corpus)["common_voice_fr_1.fr_en"]
    assert (found["language"], found["translation_language"]) == ("fr", "en")
    assert found["extra"] == {"part": "train_covost"}


def test_the_tables_of_the_authors_script_will_do_too(tmp_path):
    root, folder = voice_release(tmp_path).root, tmp_path / "made"
    head = "path|sentence|translation|client_id"
    for number, split in enumerate(("train", "dev", "test")):
        line = f'common_voice_fr_{number}.mp3|Dit \\\\ {split}|Says \\"{split}|speaker{number}'
        as_tsv(folder / f"covost_v2.fr_en.{split}.tsv", head, line)
    records, bad = read("covost2", Source(root, join=folder, splits=("dev",)))
    assert not bad
    (record,) = records
    assert (record["text"], record["translation"]) == ("Dit \\ dev", 'Says "dev')
    assert (record["split"], record["speaker"]) == ("dev", "speaker1")


def test_a_line_that_breaks_off_is_no_clip(tmp_path):
    root = voice_release(tmp_path).root
    for name, head in (("covost_v2.fr_en.tsv", "split|translation|path"),
                       ("covost_v2.de_en.tsv", "path|translation|split")):  # fmt: skip
        as_tsv(tmp_path / "covost" / name, head, "train|Says one|common_voice_fr_1.mp3", "train")
    source = Source(root, join=tmp_path / "covost", languages=("fr_en",))
    records, bad = read("covost2", source)
    assert [record["translation"] for record in records] == ["Says one"]
    assert "validated.tsv has no ''" in bad[0]


def test_a_clip_of_another_release_is_listed(tmp_path):
    folder = tmp_path / "covost"
    as_tsv(folder / "covost_v2.fr_en.tsv", "path|translation|split", "lost.mp3|Gone|train")
    records, bad = read("covost2", Source(voice_release(tmp_path).root, join=folder))
    assert not records
    assert "validated.tsv has no 'lost.mp3'" in bad[0]
    assert "belongs to Common Voice 4" in bad[0]


@pytest.mark.parametrize(
    ("join", "languages", "sentence"),
    [
        (None, (), "is one half of CoVoST 2; expected Common Voice 4"),
        ("nowhere", (), "nowhere is not there"),
        ("covost", ("fr_de",), "has no pair of languages 'fr_de'; did you mean 'fr_en'"),
    ],
)
def test_the_other_half_must_be_there(tmp_path, join, languages, sentence):
    translations(tmp_path / "covost")
    path = tmp_path / join if join else None
    with pytest.raises(CorpusError, match=sentence):
        read("covost2", Source(voice_release(tmp_path).root, join=path, languages=languages))


FIELD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5))
def test_any_field_comes_back_from_an_escaped_table(tmp_path_factory, pairs):
    """The slow twin is Python's writer of what pandas writes."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\",
                        lineterminator="\r\n")  # fmt: skip
    writer.writerows([("a", "b"), *pairs])
    path = put(tmp_path_factory.mktemp("escaped") / "t.tsv", written.getvalue())
    found = [row for row in release.rows(path, escaped=True) if not isinstance(row, BadLine)]
    assert [(row["a"], row["b"]) for row in found] == pairs
