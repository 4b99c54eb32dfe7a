"""Indexing, searching and keeping a library, with a model that knows things by their bytes."""

import json

import numpy as np
import pytest

import trivium
from tests.conftest import COLUMNS_OF_CARD, png, tone
from tests.library.test_sources import corpus, fill
from tests.library.toys import Toy, ids, vector
from trivium.data import store
from trivium.data.audio import decode_audio, encode_wav
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.image import decode_image
from trivium.data.store import Table
from trivium.errors import CorpusError, SettingsError, TriviumError
from trivium.library import embedding, indexing
from trivium.library.embedding import write_vectors
from trivium.library.library import Library
from trivium.library.sources import open_source


def test_a_thing_is_nearest_to_itself_whatever_its_kind(tmp_path):
    files = {"a.txt": "hello", "b.wav": encode_wav(tone(0.3)), "c.png": png("green")}
    made = trivium.Library.create(tmp_path / "library", "toy", Toy())
    done = made.index(fill(tmp_path / "mixed", files), name="m", language="en")
    assert (done.added, done.changed, done.unchanged, done.skipped) == (3, 0, 0, [])
    again = Library.open(tmp_path / "library", Toy())
    assert len(again) == 3
    [hit, *_] = again.search(text="hello")
    assert (hit.id, hit.kind) == ("m/a.txt", "text")
    assert hit.score == pytest.approx(1, abs=1e-3)
    assert hit.as_dict()["cosine"] == round(hit.score, 6)
    assert ids(again.search(speech=decode_audio(files["b.wav"]), k=1)) == ["m/b.wav"]
    assert ids(again.search(image=decode_image(files["c.png"]), k=1)) == ["m/c.png"]
    [sound] = again.search(text="x", of="speech")
    assert sound.item == {"id": "m/b.wav", "kind": "speech", "source": "m", "language": "en",
                          "seconds": pytest.approx(0.3)}  # fmt: skip
    assert again.media(sound) == files["b.wav"]
    assert again.media(hit) is None
    assert again.facts() == [("m", "picture", None, 1, None),
                             ("m", "speech", "en", 1, pytest.approx(0.3)),
                             ("m", "text", "en", 1, None)]  # fmt: skip


def test_only_what_is_new_or_changed_is_embedded(library, texts):
    library.model.asked.clear()
    assert library.index(texts).unchanged == 40
    assert library.model.asked == []
    fill(texts, {"03.txt": "another text", "new.txt": "a new one"})
    (texts / "05.txt").unlink()
    done = library.index(texts)
    assert (done.added, done.changed, done.unchanged, done.gone, done.dropped) == (1, 1, 38, 1, 0)
    assert sum(count for count, _ in library.model.asked) == 2
    assert ids(library.search(text="another text", k=1)) == ["texts/03.txt"]
    assert library.near("texts/05.txt", k=1)  # kept until told otherwise
    assert library.index(texts, drop=True).dropped == 1
    assert len(library) == 40
    with pytest.raises(TriviumError, match=r"no item of .* has the id 'texts/05\.txt'; ids look"):
        library.near("texts/05.txt")


def test_dropping_reaches_no_other_source(library, tmp_path):
    other = fill(tmp_path / "other", {"a.txt": "one", "b.txt": "two"})
    library.index(other)
    (other / "a.txt").unlink()
    assert library.index(other, drop=True).dropped == 1
    assert len(library) == 41


def test_a_folder_that_became_empty_drops_nothing(library, texts):
    for file in texts.iterdir():
        file.unlink()
    with pytest.raises(TriviumError, match="holds nothing to embed"):
        library.index(texts, drop=True)
    assert len(library) == 40


def test_a_file_that_became_unreadable_stays_as_it_was(library, texts):
    (texts / "07.txt").write_bytes(b"\xff")
    done = library.index(texts, drop=True)
    assert [one.name for one in done.skipped] == ["07.txt"]
    listed = (library.path / "skipped.jsonl").read_text().splitlines()
    assert json.loads(listed[0])["name"] == "07.txt"
    assert ids(library.search(text="text 7", k=1)) == ["texts/07.txt"]
    (texts / "07.txt").write_text("whole again")
    assert library.index(texts).changed == 1
    assert not (library.path / "skipped.jsonl").exists()


def test_what_the_model_refuses_is_skipped_alone(tmp_path, texts):
    made = Library.create(tmp_path / "l", "toy", Toy(refuse=lambda thing: thing == "text 7"))
    done = made.index(texts)
    assert done.added == 39
    assert [(one.name, one.reason) for one in done.skipped] == [
        ("07.txt", "this toy does not take one of 1")
    ]


def test_a_source_of_which_nothing_can_be_used_is_refused(tmp_path):
    made = Library.create(tmp_path / "l", "toy", Toy(kinds=("text", "picture")))
    heard = fill(tmp_path / "heard", {"a.wav": encode_wav(tone(0.2))})
    with pytest.raises(TriviumError, match="heard holds speech, and the model embeds picture and"):
        made.index(heard)
    broken = fill(tmp_path / "broken", {"a.png": "junk"})
    with pytest.raises(TriviumError, match=r"nothing of .*broken is readable; a\.png: the bytes"):
        made.index(broken)
    assert len(made) == 0
    assert made.search(text="x") == []
    assert made.facts() == []
    with pytest.raises(TriviumError, match="is empty, so it has no item 'x'"):
        made.near("x")


def test_kinds_the_model_does_not_embed_are_counted(tmp_path):
    files = {"a.wav": encode_wav(tone(0.2)), "b.txt": "x", "c.png": png()}
    made = Library.create(tmp_path / "l", "toy", Toy(kinds=("text", "picture")))
    done = made.index(fill(tmp_path / "mixed", files), of=("text", "speech"))
    assert dict(done.left_out) == {"speech": 1}
    assert done.added == 1


def test_kinds_not_asked_for_are_neither_embedded_nor_gone(tmp_path):
    folder = fill(tmp_path / "mixed", {"b.txt": "x", "c.png": png()})
    made = Library.create(tmp_path / "l", "toy", Toy())
    made.index(folder)
    done = made.index(folder, of=("text",), drop=True)
    assert (done.unchanged, done.dropped, len(made)) == (1, 0, 2)
    with pytest.raises(TriviumError, match="'image' is no kind of item; known are picture, spe"):
        made.index(folder, of=("image",))


def test_another_models_vectors_are_refused(library, texts):
    other = Library.open(library.path, Toy("another"))
    for use in (lambda: other.search(text="x"), lambda: other.index(texts)):
        with pytest.raises(SettingsError, match=r"holds vectors of toy \(toy\), and the model giv"):
            use()
    assert len(Library.open(library.path)) == 40


def test_a_model_that_diverged_is_refused(tmp_path, texts):
    broken = Toy()
    broken.embed = lambda **_: np.full((40, 8), np.nan, np.float32)
    made = Library.create(tmp_path / "l", "toy", broken)
    with pytest.raises(TriviumError, match=r"the vector of 00\.txt holds NaN or infinity"):
        made.index(texts)


def test_a_folder_of_other_things_is_no_place_for_a_library(texts, tmp_path):
    with pytest.raises(TriviumError, match="texts holds other things; name a new or empty folder"):
        Library.create(texts, "toy", Toy())
    with pytest.raises(TriviumError, match="nowhere is not there; `trivium library index MODEL"):
        Library.open(tmp_path / "nowhere")
    with pytest.raises(TriviumError, match=r"has no library\.json, so it is no library"):
        Library.open(texts)
    left = fill(tmp_path / "killed", {".library.json.7.part": "", ".lock": ""})
    assert len(Library.create(left, "toy", Toy())) == 0


def test_two_sources_of_one_name_are_told_apart(library, tmp_path):
    other = fill(tmp_path / "elsewhere" / "texts", {"00.txt": "another"})
    with pytest.raises(SettingsError, match=r"has another source called 'texts': .*\(--name\)"):
        library.index(other)
    library.index(other, name="more")
    assert ids(library.search(text="another", k=1)) == ["more/00.txt"]
    with pytest.raises(SettingsError, match="'a/b' is no name for a source"):
        library.index(other, name="a/b")


def test_a_source_that_was_moved_keeps_its_vectors(library, texts, tmp_path):
    texts.rename(tmp_path / "moved")
    library.model.asked.clear()
    assert library.index(tmp_path / "moved", name="texts").unchanged == 40
    assert library.model.asked == []
    assert library.card.sources["texts"].path == str(tmp_path / "moved")


def test_columns_come_later_and_keep_their_type(tagged, tmp_path):
    rows = [
        ("sentences", {"id": "z", "text": "late", "extra": json.dumps({"place": "x", "age": 1})})
    ]
    corpus(tmp_path / "late", rows)
    tagged.index(tmp_path / "late")
    [late] = tagged.search(text="late", where="place = 'x'")
    assert late.item["age"] == 1
    assert "place" not in tagged.near(late.id, k=1)[0].item
    for value in ("old", True, float("nan")):
        other = [("sentences", {"id": "w", "text": "w", "extra": json.dumps({"age": value})})]
        made = corpus(tmp_path / f"other-{value}", other)
        tagged.index(made.path)
        [found] = tagged.search(text="w", where=f"id like 'other-{value}%'")
        assert "age" not in found.item
    assert len(tagged) == 34


def test_a_column_of_several_types_is_text(tmp_path):
    ages = (5, "unknown", 2**60, None)
    rows = [
        ("sentences", {"id": f"r{n}", "text": f"row {n}", "extra": json.dumps({"age": age})})
        for n, age in enumerate(ages)
    ]
    library = Library.create(tmp_path / "library", "toy", Toy())
    library.index(corpus(tmp_path / "mixed", rows).path)
    found = {hit.id[-1]: hit.item.get("age") for hit in library.search(text="row", k=4)}
    assert found == {"0": "5", "1": "unknown", "2": str(2**60), "3": None}


def test_a_column_of_ones_own_takes_no_score_away(tmp_path):
    extra = json.dumps({"cosine": "0.9", "library": "Bodleian"})
    library = Library.create(tmp_path / "library", "toy", Toy())
    rows = [("sentences", {"id": "a", "text": "a", "extra": extra})]
    library.index(corpus(tmp_path / "c", rows).path)
    [hit] = library.search(text="a")
    told = hit.as_dict()
    assert told["cosine"] == pytest.approx(1, abs=1e-3)
    assert (told["extra_cosine"], told["extra_library"]) == ("0.9", "Bodleian")


def test_a_corpus_that_grew_is_embedded_where_it_grew(tagged, tmp_path):
    with CorpusWriter(tmp_path / "rows", Card(**COLUMNS_OF_CARD)) as writer:
        writer.add("sentences", {"id": "new", "text": "a new row"})
    assert Corpus.open(tmp_path / "rows").count("sentences") == 31
    done = tagged.index(tmp_path / "rows")
    assert (done.added, done.changed, done.unchanged) == (1, 0, 30)


def test_an_interrupted_indexing_says_so_and_continues(tmp_path, texts, monkeypatch):
    monkeypatch.setattr(embedding, "EMBED_ITEMS", 10)
    monkeypatch.setattr(indexing, "COMMIT_ROWS", 10)
    toy = Toy()
    real, calls = toy.embed, []

    def embed(**things):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(**things)

    toy.embed = embed
    made = Library.create(tmp_path / "l", "toy", toy)
    with pytest.raises(KeyboardInterrupt):
        made.index(texts)
    assert len(made) == 20
    assert not made.card.sources["texts"].complete
    done = made.index(texts)
    assert (done.added, done.unchanged, len(made)) == (20, 20, 40)
    assert made.card.sources["texts"].complete


def test_many_commits_are_joined_when_nobody_reads(tmp_path, texts, monkeypatch):
    monkeypatch.setattr(embedding, "EMBED_ITEMS", 2)
    monkeypatch.setattr(indexing, "COMMIT_ROWS", 2)
    made = Library.create(tmp_path / "l", "toy", Toy())
    made.index(texts)
    table = Table(made.path / "items.lance")
    assert (len(table.dataset.get_fragments()), len(table.dataset.versions())) == (1, 1)
    reader = Library.open(made.path, Toy())
    assert len(reader.search(text="text 1", k=50)) == 40
    fill(texts, {f"{n}.txt": "changed" for n in range(10, 20)})
    made.index(texts)
    assert len(Table(made.path / "items.lance").dataset.versions()) > 1
    assert "changed" not in {hit.item["text"] for hit in reader.search(text="text 1", k=50)}


def test_a_library_that_is_written_is_not_written_by_another(library, texts):
    with store.lock(library.path), pytest.raises(CorpusError, match="is being written by another"):
        library.index(texts)


def test_damage_is_called_damage(library):
    library.items  # noqa: B018
    [file] = (library.path / "items.lance" / "data").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CorpusError, match=r"items\.lance is damaged: .*; copy the library anew"):
        len(Library.open(library.path))


def test_vectors_alone_stand_beside_what_they_are_of(tmp_path):
    files = {"a.txt": "one", "b.png": png(), "bad.png": "junk", "c.wav": encode_wav(tone(0.2))}
    source = open_source(fill(tmp_path / "mixed", files), "en")
    shape, skipped = write_vectors(Toy(), source, tmp_path / "v.npy", ())
    assert shape == (3, 8)
    assert [one.name for one in skipped] == ["bad.png"]
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    vectors = np.load(tmp_path / "v.npy")
    by_id = {line["id"]: vectors[place] for place, line in enumerate(lines)}
    np.testing.assert_allclose(by_id["a.txt"], vector("one"), atol=1e-6)
    assert {line["id"]: line.get("language") for line in lines} == {
        "a.txt": "en", "b.png": None, "c.wav": "en"}  # fmt: skip
    with pytest.raises(TriviumError, match="could be embedded: the model embeds text"):
        shown = open_source(fill(tmp_path / "shown", {"b.png": png()}))
        write_vectors(Toy(kinds=("text",)), shown, tmp_path / "w.npy", ())
    assert not (tmp_path / "w.npy").exists()
