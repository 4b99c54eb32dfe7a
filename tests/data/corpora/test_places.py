import pytest

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import as_json, picture, put, sound
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

PICTURES = [f"l/laundromat/gsun_{number}.jpg" for number in range(5)]
BASE = {"image_base_path": "/data/sls/images", "audio_base_path": "/data/sls/audio"}


def english(root, *names):
    """The release with the splits of 2020; every split has one picture."""
    for number, split in enumerate(names):
        wav = f"wavs/{number}/utt_{number}.wav"
        sound(root / wav, number)
        item = {"uttid": f"utt-{number}", "speaker": f"e{number}", "asr_text": f"there is {number}",
                "wav": wav, "image": PICTURES[number]}  # fmt: skip
        as_json(root / "metadata" / f"{split}.json", {**BASE, "data": [item]})
    put(root / "metadata" / "._train_2020.json", "left by a Mac")
    put(root / "metadata" / "word-alignment-train_2020.json", "{}")


def hindi(root, older=False):
    """Two layouts: the older one has its wavs apart, another key, and paths with a slash."""
    for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
        data = []
        for number in numbers:
            sound(root / "hindi_wavs" / f"h{number}.wav", number)
            data.append(
                {"hindi_wav": f"h{number}.wav", "english_wav": "x.wav", "uttid": None,
                 "image": "/" + PICTURES[number]}
                if older else {"wav": f"hindi_wavs/h{number}.wav", "image": PICTURES[number]}
            )  # fmt: skip
        name = "hindi_english_100k" if older else "PlacesHindi100k"
        as_json(root / f"{name}_{split}.json", {"data": data, "english_base_path": "/data"})


def japanese(root):
    for split, numbers in (("train", (0, 1, 4)), ("valid", (2,))):
        lines = []
        for number in numbers:
            sound(root / "wavs" / f"j{number}.wav", number)
            lines.append(f"/{PICTURES[number]} /wavs/j{number}.wav")
        put(root / f"PlacesAudioJpn_100k_image2audio_{split}.txt", "\n".join(lines) + "\n")


@pytest.fixture
def places(tmp_path):
    for number, name in enumerate(PICTURES):
        picture(tmp_path / "images" / "data/vision/torralba/deeplearning/images256" / name, number)
    english(tmp_path / "all" / "PlacesAudio_400k_distro", "train_2020", "train", "dev_seen_2020",
            "test_unseen_2020")  # fmt: skip
    hindi(tmp_path / "all" / "Hindi100k")
    japanese(tmp_path / "all" / "PlacesAudioJpn_100k")
    return Source(tmp_path / "all", tmp_path / "images")


def test_one_release_by_its_own_folder(places, tmp_path):
    source = Source(places.root / "PlacesAudio_400k_distro", places.images)
    corpus = imported("places", source, tmp_path / "out")
    assert columns(corpus, "id", "split", "text", "speaker", "picture") == [
        ("utt-2", "dev_seen", "there is 2", "e2", PICTURES[2]),
        ("utt-3", "test_unseen", "there is 3", "e3", PICTURES[3]),
        ("utt-0", "train", "there is 0", "e0", PICTURES[0]),
    ]
    assert rows(corpus)["utt-0"]["extra"] == {}


def test_the_lists_before_2020_have_train_and_val(tmp_path, places):
    root = tmp_path / "older"
    english(root, "train", "val")
    records, _ = read("places", Source(root, places.images))
    assert [(record["id"], record["split"]) for record in records] == [
        ("utt-0", "train"), ("utt-1", "dev")
    ]  # fmt: skip


@pytest.mark.parametrize("older", [True, False])
def test_hindi_in_both_layouts_and_without_some_wavs(tmp_path, places, older):
    root = tmp_path / "hindi"
    hindi(root, older)
    (root / "hindi_wavs" / "h1.wav").unlink()
    corpus = imported("places", Source(root, places.images), tmp_path / "out")
    assert columns(corpus, "split", "picture", "language", "text") == [
        ("train", PICTURES[0], "hi", None), ("dev", PICTURES[2], "hi", None),
        ("dev", PICTURES[3], "hi", None),
    ]  # fmt: skip
    assert "h1.wav cannot be read: no such file" in reasons(tmp_path / "out")[0]


def test_japanese_paths_begin_with_a_slash(tmp_path, places):
    source = Source(places.root / "PlacesAudioJpn_100k", places.images)
    corpus = imported("places", source, tmp_path / "out")
    assert columns(corpus, "id", "split", "picture")[-1] == ("ja/wavs/j2", "dev", PICTURES[2])
    data = [{"wav": "wavs/j0.wav", "image": "/" + PICTURES[0]}]  # M-SpeechCLIP's copy
    (source.root / "PlacesAudioJpn_100k_image2audio_train.txt").unlink()
    (source.root / "PlacesAudioJpn_100k_image2audio_valid.txt").unlink()
    as_json(source.root / "PlacesJpn_val.json", {"data": data})
    records, _ = read("places", source)
    assert [(r["split"], r["picture"]) for r in records] == [("dev", PICTURES[0])]


def test_several_releases_share_their_pictures(places, tmp_path):
    corpus = imported("places", Source(places.root, places.images, languages=("hi", "ja")),
                      tmp_path / "out")  # fmt: skip
    assert corpus.card.counts == {"utterances": 8, "pictures": 5}


def test_the_list_that_belongs_to_another_must_be_there(tmp_path, places):
    english(tmp_path / "older", "train")
    with pytest.raises(CorpusError, match=r"metadata/val\.json is not there"):
        read("places", Source(tmp_path / "older", places.images))


def test_the_trilingual_set_has_what_all_speak_of_and_no_leak(places, tmp_path):
    corpus = imported("places-trilingual", places, tmp_path / "out")
    found = {(row["picture"], row["split"], row["language"]) for row in rows(corpus).values()}
    assert found == {(PICTURES[0], "train", language) for language in ("en", "hi", "ja")} | {
        (PICTURES[2], "dev", language) for language in ("en", "hi", "ja")
    }
    only = Source(places.root, places.images, splits=("dev",))
    assert {record["split"] for record in read("places-trilingual", only)[0]} == {"dev"}


def test_a_picture_held_out_by_one_list_is_held_out(places):
    as_json(
        places.root / "PlacesAudio_400k_distro" / "metadata" / "test_seen_2020.json",
        {"data": [{"uttid": "again", "wav": "wavs/0/utt_0.wav", "image": PICTURES[0]}]},
    )
    records, _ = read("places-trilingual", places)
    assert {record["split"] for record in records if record["picture"] == PICTURES[0]} == {"test"}


def japanese_of_other_splits(source):
    name = "PlacesAudioJpn_100k/PlacesAudioJpn_100k_image2audio_more.txt"
    put(source.root / name, f"{PICTURES[0]} wavs/j0.wav\n")
    return source


@pytest.mark.parametrize(
    ("name", "source", "sentence"),
    [
        ("places", lambda s: Source(s.root), r"no .*gsun_2\.jpg nor .*; expected"),
        ("places", lambda s: Source(s.images), "holds no metadata/"),
        ("places", lambda s: Source(s.root, s.images, languages=("de",)), "no language 'de'"),
        ("places-trilingual", lambda s: Source(s.root / "Hindi100k", s.images),
         "has no list in en, ja; expected releases in en, hi, ja side by side"),
        ("places-trilingual", lambda s: Source(s.root, s.images, splits=("tets",)),
         r"has no split 'tets'; did you mean 'test'\?"),
        ("places-trilingual", japanese_of_other_splits,
         r"image2audio_more\.txt is of the split 'more'; expected one of train, dev, test"),
    ],
)  # fmt: skip
def test_what_lacks_is_one_sentence(places, name, source, sentence):
    with pytest.raises(CorpusError, match=sentence):
        read(name, source(places))


def test_a_bad_entry_costs_no_other(places):
    path = places.root / "Hindi100k" / "PlacesHindi100k_train.json"
    good = {"wav": "hindi_wavs/h0.wav", "image": PICTURES[0]}
    as_json(path, {"data": [{"image": PICTURES[0]}, {"image": 3}, 4, good]})
    records, bad = read("places", Source(places.root, places.images, languages=("hi",)))
    assert len(records) == 3
    assert bad[0].startswith(f"{path} has an entry without wav: ")
    assert bad[1:] == [f"{path}: member 2 of 'data' has no 'image': {{\"image\": 3}}",
                       f"{path}: member 3 of 'data' has no 'image': 4"]  # fmt: skip
    as_json(path, {"data": [{"image": PICTURES[0]}]})
    with pytest.raises(CorpusError, match="name nothing; expected"):
        read("places", Source(places.root, places.images, languages=("hi",)))


@pytest.mark.parametrize("name", ["places", "places-trilingual"])
def test_a_bad_line_of_the_japanese_list_costs_no_other(places, name):
    before, _ = read(name, places)
    folder = places.root / "PlacesAudioJpn_100k"
    path = folder / "PlacesAudioJpn_100k_image2audio_train.txt"
    path.write_bytes(b"\xff\xfe wavs/j0.wav\n" + PICTURES[0].encode() + b"\n" + path.read_bytes())
    records, bad = read(name, places)
    assert records == before
    assert bad == [f"{path}: line 1 is not UTF-8: byte 1 of it is 0xff",
                   f"{path}: line 2 has no picture and wav: '{PICTURES[0]}'"]  # fmt: skip
