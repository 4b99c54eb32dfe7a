"""What holds of every reader, shown on its miniature."""

import pytest

from tests.data.corpora.imports import read, rows
from tests.data.corpora.miniatures import picture, put
from tests.data.corpora.test_common_voice import translations, voice_release
from tests.data.corpora.test_feelings import iemocap_release, mosei_release
from tests.data.corpora.test_fleurs import fleurs_release
from tests.data.corpora.test_flickr8k import flickr_release
from tests.data.corpora.test_huggingface import saved
from tests.data.corpora.test_lhotse_cuts import manifest, recording
from tests.data.corpora.test_librispeech import librispeech_release
from tests.data.corpora.test_places import PICTURES, english, hindi, japanese
from tests.data.corpora.test_spoken import (
    minds_release,
    mls_release,
    voxceleb_release,
    voxpopuli_release,
)
from tests.data.corpora.test_spokencoco import coco_release
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpora.readers import READERS, opened
from trivium.data.corpora.release import Source
from trivium.data.corpus import Card, Corpus
from trivium.errors import CorpusError

CARD = Card(name="mini")


def places_release(root):
    for number, name in enumerate(PICTURES):
        picture(root / "images" / name, number)
    english(root / "all" / "en", "train_2020", "train", "dev_seen_2020")
    hindi(root / "all" / "hi", older=True)
    japanese(root / "all" / "ja")
    return Source(root / "all", root / "images")


def covost_release(root):
    return Source(voice_release(root).root, join=translations(root / "covost"))


def text_release(root):
    for language in ("de", "en"):
        put(root / f"train.{language}", "".join(f"{language} {n}\n" for n in range(6)))
    return Source(root)


def cuts_release(root):
    cuts = [recording(root, f"r{n}", 0.3).to_cut().with_id(f"c{n}") for n in range(4)]
    return manifest(root, *cuts)


def hf_release(root):
    saved(root, {"train": range(4), "test": range(4, 6)})
    return Source(root)


RELEASES = {
    "librispeech": librispeech_release, "common-voice": voice_release, "covost2": covost_release,
    "spokencoco": coco_release, "flickr8k": flickr_release, "places": places_release,
    "places-trilingual": places_release, "fleurs": fleurs_release, "minds14": minds_release,
    "iemocap": iemocap_release, "cmu-mosei": mosei_release, "voxpopuli": voxpopuli_release,
    "mls": mls_release, "voxceleb": voxceleb_release, "text": text_release,
    "parallel": text_release, "lhotse": cuts_release, "hf": hf_release,
}  # fmt: skip


def test_every_reader_has_a_miniature():
    assert RELEASES.keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_an_import_that_broke_off_ends_in_the_same_corpus(tmp_path, name):
    """Which needs records in an order that never changes."""
    source = RELEASES[name](tmp_path / "release")
    assert read(name, source) == read(name, source)

    def broken():
        yield from list(opened(name, source)[0])[:-1]
        raise CorpusError("broken off")

    options = IngestOptions(root=source.root, threads=1)
    with pytest.raises(CorpusError, match="broken off"):
        ingest(broken(), tmp_path / "broken", CARD, options)
    again = ingest(opened(name, source)[0], tmp_path / "broken", CARD, options)
    ingest(opened(name, source)[0], tmp_path / "whole", CARD, options)
    assert again.already or len(read(name, source)[0]) < 5  # all were still being looked at
    assert again.changed == 0
    one, other = (Corpus.open(tmp_path / folder) for folder in ("broken", "whole"))
    assert one.card.fingerprint == other.card.fingerprint
    for table in ("utterances", "pictures", "sentences"):
        if one.count(table):
            assert rows(one, table) == rows(other, table)


@pytest.mark.parametrize("name", READERS)
def test_links_have_the_sounds_of_copies(tmp_path, name):
    source = RELEASES[name](tmp_path / "release")
    for link in (True, False):
        options = IngestOptions(root=source.root, link=link)
        ingest(opened(name, source)[0], tmp_path / f"{link}", CARD, options)
    linked, copied = (Corpus.open(tmp_path / f"{link}") for link in (True, False))
    assert linked.count("utterances") == copied.count("utterances")
    light = ("id", "split", "text", "seconds", "picture", "extra")
    for one, other in zip(rows_or_none(linked), rows_or_none(copied), strict=True):
        assert [one[column] for column in light] == [other[column] for column in light]
        if one["path"] is not None:
            assert one["audio"] is None
            assert len(linked.sound(one)) == len(copied.sound(other))


def rows_or_none(corpus):
    return list(rows(corpus).values()) if corpus.count("utterances") else []
