import pytest

from tests.data.corpora.imports import columns, imported, read, reasons
from tests.data.corpora.miniatures import as_json, picture, put, sound
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

NAMES = {"train": "1_a", "dev": "2_b", "test": "3_c"}


def flickr_release(root, pictures="Flicker8k_Dataset"):
    capt, spoken, token = [], [], ["9_lost.jpg.1#0|A picture that is nowhere ."]
    for number, (split, name) in enumerate(NAMES.items()):
        picture(root / pictures / f"{name}.jpg", number)
        put(root / "Flickr8k_text" / f"Flickr_8k.{split}Images.txt", f"{name}.jpg\n")
        for place in range(2):
            sound(root / "flickr_audio" / "wavs" / f"{name}_{place}.wav", number)
            capt.append(f"{name}_{place}.wav {name}.jpg #{place}")
            spoken.append(f"{name}_{place}.wav {number}")
            token.append(f'{name}.jpg#{place}|A "dog" number {place} .')
    put(root / "flickr_audio" / "wavs" / "1_a_0.txt", "stray")
    put(root / "flickr_audio" / "wavs" / "._1_a_0.wav", "left by a Mac")
    put(root / "flickr_audio" / "wav2capt.txt", "\n".join([*capt, "1_a_0.txt 1_a.jpg #0"]))
    put(root / "flickr_audio" / "wav2spk.txt", "\n".join(spoken) + "\n")
    lines = "\n".join(token).replace("|", "\t")
    put(root / "Flickr8k_text" / "Flickr8k.token.txt", lines + "\n")
    return Source(root)


def test_captions_are_read_from_where_the_parts_unpack(tmp_path):
    corpus = imported("flickr8k", flickr_release(tmp_path / "release"), tmp_path / "out")
    assert columns(corpus, "id", "split", "speaker", "picture", "text") == [
        (f"{name}_{place}", split, str(number), f"{name}.jpg", f'A "dog" number {place} .')
        for number, (split, name) in enumerate(NAMES.items()) for place in range(2)
    ]  # fmt: skip
    assert "no wav, picture and number: 1_a_0.txt" in reasons(tmp_path / "out")[0]


def test_pictures_texts_and_splits_may_lie_elsewhere(tmp_path):
    whole, _ = read("flickr8k", flickr_release(tmp_path / "a" / "release"))
    flickr_release(tmp_path / "b", "Images")
    (tmp_path / "b" / "flickr_audio").rename(tmp_path / "flickr_audio")
    audio, text = tmp_path / "flickr_audio", tmp_path / "b" / "Flickr8k_text"
    apart, _ = read("flickr8k", Source(audio, tmp_path / "b", text))
    assert [r["text"] for r in apart] == [r["text"] for r in whole]
    assert apart[0]["image"] == str(tmp_path / "b" / "Images" / "1_a.jpg")
    splits = [{"filename": f"{name}.jpg", "split": {"dev": "val"}.get(split, split)}
              for split, name in NAMES.items()]  # fmt: skip
    path = as_json(tmp_path / "dataset_flickr8k.json", {"images": splits})
    release = tmp_path / "a" / "release"
    assert read("flickr8k", Source(release, join=path))[0] == whole


def test_a_picture_of_no_split_or_without_caption_is_listed(tmp_path):
    source = flickr_release(tmp_path)
    put(tmp_path / "Flickr8k_text" / "Flickr_8k.devImages.txt", "other.jpg\n")
    text = (tmp_path / "Flickr8k_text" / "Flickr8k.token.txt").read_text()
    put(tmp_path / "Flickr8k_text" / "Flickr8k.token.txt", text.replace("3_c.jpg#1", "3_c.jpg#4"))
    records, bad = read("flickr8k", source)
    assert len(records) == 3
    assert bad[:3] == [
        "2_b_0.wav speaks of 2_b.jpg#0, which has not a split",
        "2_b_1.wav speaks of 2_b.jpg#1, which has not a split",
        "3_c_1.wav speaks of 3_c.jpg#1, which has not a caption in Flickr8k.token.txt",
    ]


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("flickr_audio/wav2capt.txt", "holds no wav2capt.txt; expected flickr_audio/ with wavs/"),
        ("flickr_audio/wavs", "flickr_audio/wavs is not there"),
        ("Flickr8k_text/Flickr8k.token.txt", "hold no Flickr8k.token.txt"),
        ("Flickr8k_text/Flickr_8k.testImages.txt", "hold no Flickr_8k.testImages.txt"),
        ("Flicker8k_Dataset", "hold no Flicker8k_Dataset"),
    ],
)
def test_what_lacks_is_one_sentence(tmp_path, lost, sentence):
    source = flickr_release(tmp_path / "release")
    (source.root / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match=sentence):
        read("flickr8k", source)
