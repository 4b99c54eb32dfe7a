import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import as_json, picture, put, sound
from trivium.data.corpora import json_list, media
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpora.readers import opened as readers_opened
from trivium.data.corpora.release import Source
from trivium.data.corpus import Card
from trivium.errors import CorpusError


def coco_release(root):
    """Three pictures for training and three for validation, two captions each."""
    release, images = root / "SpokenCOCO", root / "coco"
    for part, first in (("train", 0), ("val", 3)):
        data = []
        for number in range(first, first + 3):
            name = f"{part}2014/COCO_{part}2014_{number:012}.jpg"
            picture(images / name, number)
            captions = []
            for place in range(2):
                wav = f"wavs/{part}/0/s{number}-{place}.wav"
                sound(release / wav, number)
                said = {"text": f"picture {number}, caption {place}", "uttid": f"s{number}-{place}"}
                captions.append({**said, "wav": wav, "speaker": f"s{number}"})
            data.append({"image": name, "captions": captions})
        as_json(release / f"SpokenCOCO_{part}.json", {"data": data})
        put(release / "wavs" / part / "0" / "._s0.wav", "left by a Mac")
    return Source(release, images)


def karpathy(root):
    splits = ("train", "train", "restval", "val", "test", None)
    images = [
        {"filename": f"COCO_{'train' if n < 3 else 'val'}2014_{n:012}.jpg", "split": split,
         "sentences": [{"raw": "a [ in {"}]}
        for n, split in enumerate(splits) if split
    ]  # fmt: skip
    return as_json(root / "dataset_coco.json", {"images": images, "dataset": "coco"})


def test_captions_share_their_picture(tmp_path):
    corpus = imported("spokencoco", coco_release(tmp_path), tmp_path / "out")
    assert corpus.card.counts == {"utterances": 12, "pictures": 6}
    found = columns(corpus, "id", "split", "text", "speaker", "picture")
    assert found[0] == ("s0-0", "train", "picture 0, caption 0", "s0",
                        "train2014/COCO_train2014_000000000000.jpg")  # fmt: skip
    assert found[-1][:2] == ("s5-1", "dev")


def test_karpathys_splits_are_joined_by_the_pictures_name(tmp_path):
    source = coco_release(tmp_path)
    joined = Source(source.root, source.images, karpathy(tmp_path))
    records, bad = read("spokencoco", joined)
    assert {record["picture"][-7:-4] + record["split"] for record in records} == {
        "000train", "001train", "002train", "003dev", "004test"
    }  # fmt: skip
    assert bad == ["val2014/COCO_val2014_000000000005.jpg is in none of Karpathy's splits"]
    only = Source(source.root, source.images, joined.join, splits=("test",))
    assert [record["id"] for record in read("spokencoco", only)[0]] == ["s4-0", "s4-1"]


def test_the_split_files_of_others_will_do_unrolled_or_not(tmp_path):
    source = coco_release(tmp_path)
    data = json.loads((source.root / "SpokenCOCO_val.json").read_text())["data"]
    unrolled = [{"image": item["image"], "caption": caption}
                for item in data for caption in item["captions"]]  # fmt: skip
    for name, part in (("train", data[:1]), ("val", unrolled[2:4]), ("test", data[2:])):
        as_json(tmp_path / "k" / f"SpokenCOCO_{name}_karpathy.json", {"data": part})
    records, _ = read("spokencoco", Source(source.root, source.images, tmp_path / "k"))
    assert [(record["id"], record["split"]) for record in records] == [
        ("s3-0", "train"), ("s3-1", "train"), ("s4-0", "dev"), ("s4-1", "dev"), ("s5-0", "test"),
        ("s5-1", "test"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda s: (s.root / "SpokenCOCO_val.json").unlink(), "SpokenCOCO_val.json is not there"),
        (lambda s: (s.root / "wavs").rename(s.root / "w"), r"no .*s0-0\.wav; expected"),
        (lambda s: s.images.rename(s.root.parent / "x"), "coco/train2014/.* nor .*; expected"),
        (lambda s: put(s.root / "SpokenCOCO_train.json", '{"data": [{"im'), "is not JSON"),
        (lambda s: put(s.root / "SpokenCOCO_train.json", '{"data": ['), "before it is whole"),
        (lambda s: put(s.root / "SpokenCOCO_train.json", '{"data": []}'), "name nothing"),
        (lambda s: put(s.root / "SpokenCOCO_train.json", '{"data": [1'), "before it is whole"),
        (lambda s: as_json(s.root / "SpokenCOCO_train.json",
                           {"data": [{"image": "a", "captions": [{"text": "x"}]}]}),
         "name nothing; expected"),
        (lambda s: put(s.root / "SpokenCOCO_train.json", '{"info": 1}'), "the list 'data'"),
    ],
)  # fmt: skip
def test_what_lacks_is_one_sentence(tmp_path, break_it, sentence):
    source = coco_release(tmp_path)
    break_it(source)
    with pytest.raises(CorpusError, match=sentence):
        read("spokencoco", source)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES), st.dictionaries(st.text(), VALUES), st.sampled_from([None, 0, 3]))
def test_a_list_read_in_blocks_is_the_list(tmp_path_factory, members, before, indent):
    """The slow twin is json, which holds the whole file."""
    path = tmp_path_factory.mktemp("json") / "t.json"
    as_value = {key: value for key, value in before.items() if key != "data"} | {"data": members}
    path.write_text(json.dumps(as_value, indent=indent) + "\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_list, "BLOCK_CHARACTERS", 7)
        assert list(json_list.read_list(path, "data")) == members


def test_a_picture_that_is_lost_costs_its_captions(tmp_path):
    source = coco_release(tmp_path)
    (source.images / "val2014/COCO_val2014_000000000004.jpg").unlink()
    corpus = imported("spokencoco", source, tmp_path / "out")
    assert len(rows(corpus)) == 10


def test_a_picture_is_decoded_once_for_captions_that_stand_together(tmp_path, monkeypatch):
    opened, real = [], media.open_image
    monkeypatch.setattr(media, "open_image", lambda data: opened.append(data) or real(data))
    media._decode.cache_clear()
    source = coco_release(tmp_path)
    records = list(readers_opened("spokencoco", source)[0])
    ingest(records, tmp_path / "out", Card(name="coco"), IngestOptions(threads=1))
    assert len(opened) == 6


def test_a_bad_entry_costs_no_other_and_a_caption_needs_no_text(tmp_path):
    source = coco_release(tmp_path)
    path = source.root / "SpokenCOCO_train.json"
    data = json.loads(path.read_text())["data"]
    del data[0]["captions"][0]["text"]
    data[0]["captions"][1]["text"] = ""
    del data[1]["captions"][0]["wav"]
    data[1]["captions"][1]["wav"] = 5
    as_json(path, {"data": [7, {"captions": []}, {"image": "a", "captions": None}, *data]})
    corpus = imported("spokencoco", source, tmp_path / "out")
    assert columns(corpus, "id", "text")[:3] == [
        ("s0-0", None), ("s0-1", None), ("s2-0", "picture 2, caption 0")
    ]  # fmt: skip
    assert [reason.removeprefix(f"{path}: ").partition(":")[0]
            for reason in reasons(tmp_path / "out")] == [
        "member 1 of 'data' has no 'image'", "member 2 of 'data' has no 'image'",
        "a caption of a has no 'wav'",
        *["a caption of train2014/COCO_train2014_000000000001.jpg has no 'wav'"] * 2,
    ]  # fmt: skip
