import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import (
    CutSet,
    Features,
    FeatureSet,
    Recording,
    RecordingSet,
    SupervisionSegment,
    SupervisionSet,
)
from lhotse.cut import PaddingCut
from lhotse.supervision import AlignmentItem

from tests.conftest import tone
from tests.data.corpora.imports import columns, imported, read, rows
from tests.data.corpora.miniatures import picture, sound
from trivium.data.audio import decode_audio
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError


def recording(root, name="r1", seconds=1.0):
    return Recording.from_file(sound(root / f"{name}.flac", 3, seconds=seconds), recording_id=name)


def said(name, start=0.0, duration=1.0, **more):
    fields = {"text": f"Text of {name}", "language": "en", "speaker": "anna", "gender": "F"} | more
    return SupervisionSegment(id=name, recording_id="r1", start=start, duration=duration, **fields)


def manifest(root, *cuts, name="cuts.jsonl.gz"):
    CutSet.from_cuts(cuts).to_file(root / name)
    return Source(root / name)


def test_a_cut_with_one_supervision_keeps_its_file_and_its_fields(tmp_path):
    cut = recording(tmp_path).to_cut().with_id("c1")
    cut.supervisions = [said("s1", custom={"noise": 0.5})]
    cut.custom = {"label": 3, "snr": 12, "dataloading_info": {"rank": 0},
                  "image": str(picture(tmp_path / "p.png"))}  # fmt: skip
    corpus = imported("lhotse", manifest(tmp_path, cut), tmp_path / "out")
    (row,) = rows(corpus).values()
    assert row["audio"] == (tmp_path / "r1.flac").read_bytes()
    assert (row["id"], row["text"], row["language"], row["speaker"], row["label"]) == (
        "c1", "Text of s1", "en", "anna", "3"
    )  # fmt: skip
    assert row["extra"] == {"snr": 12, "noise": 0.5, "gender": "F"}
    assert corpus.count("pictures") == 1


def test_every_supervision_of_a_long_cut_is_an_utterance(tmp_path):
    cut = recording(tmp_path, seconds=3.0).to_cut()
    alignment = {"phone": [AlignmentItem("AH0", 1.25, 0.5)]}
    cut.supervisions = [said("s1", 0.0, 1.0), said("s2", 1.25, 0.75, alignment=alignment)]
    corpus = imported("lhotse", manifest(tmp_path, cut), tmp_path / "out")
    assert columns(corpus, "id", "text", "seconds") == [
        ("s1", "Text of s1", 1.0), ("s2", "Text of s2", 0.75)
    ]  # fmt: skip
    phones = rows(corpus)["s2"]["phones"]
    assert phones == [{"symbol": "AH0", "start": 0.0, "end": 0.5}]
    heard = decode_audio(rows(corpus)["s2"]["audio"])
    whole = soundfile.read(tmp_path / "r1.flac", dtype="float32")[0]
    np.testing.assert_allclose(heard, whole[20_000:32_000], atol=2**-14)


def test_what_lhotse_computes_is_stored(tmp_path):
    cut = recording(tmp_path).to_cut()
    two = tmp_path / "two.wav"
    soundfile.write(two, np.stack([tone(1.0), 0 * tone(1.0)], 1), 16_000)
    one_of_two = Recording.from_file(two).to_cut()
    one_of_two = next(iter(one_of_two.to_mono())).with_id("mono")
    cuts = [
        cut.perturb_volume(0.5).with_id("soft"),
        cut.pad(duration=1.5).with_id("long"),
        one_of_two,
    ]
    corpus = imported("lhotse", manifest(tmp_path, *cuts), tmp_path / "out")
    assert columns(corpus, "id", "seconds") == [
        ("soft", 1.0), ("long", 1.5), ("mono", 1.0)
    ]  # fmt: skip
    soft = decode_audio(rows(corpus)["soft"]["audio"])
    np.testing.assert_allclose(soft, 0.5 * tone(1.0, 260.0), atol=2**-14)
    heard = decode_audio(rows(corpus)["mono"]["audio"])
    np.testing.assert_allclose(heard, tone(1.0), atol=2**-14)


def test_a_resampled_cut_is_its_file(tmp_path):
    cut = recording(tmp_path).to_cut().resample(8_000)
    (found,), _ = read("lhotse", manifest(tmp_path, cut))
    assert found["audio"] == str(tmp_path / "r1.flac")
    assert "offset" not in found


def test_paths_are_meant_from_the_manifest_or_from_here(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path / "made")
    cut = recording(Path("wavs")).to_cut()
    source = manifest(tmp_path / "made", cut)
    from_here, _ = read("lhotse", source)
    monkeypatch.chdir(os.sep)
    from_afar, _ = read("lhotse", source)
    assert from_here == from_afar
    assert from_afar[0]["audio"] == str(tmp_path / "made" / "wavs" / "r1.flac")


def test_recordings_and_supervisions_without_cuts(tmp_path):
    RecordingSet.from_recordings([recording(tmp_path)]).to_file(tmp_path / "recordings.jsonl.gz")
    alone, _ = read("lhotse", Source(tmp_path / "recordings.jsonl.gz"))
    assert [Path(record["audio"]).name for record in alone] == ["r1.flac"]
    segments = [said("s1", 0.0, 0.5), said("s2", 0.5, 0.5)]
    SupervisionSet.from_segments(segments).to_file(tmp_path / "supervisions.jsonl")
    with pytest.raises(CorpusError, match="holds supervisions alone; expected a manifest"):
        read("lhotse", Source(tmp_path / "supervisions.jsonl"))
    both, bad = read("lhotse", Source(tmp_path / "supervisions.jsonl",
                                      join=tmp_path / "recordings.jsonl.gz"))  # fmt: skip
    assert [(record["id"], record.get("offset")) for record in both] == [("s1", 0.0), ("s2", 0.5)]
    assert not bad


def test_a_sound_that_cannot_be_computed_is_listed(tmp_path):
    cut = recording(tmp_path).to_cut().perturb_volume(0.5)
    source = manifest(tmp_path, cut)
    (tmp_path / "r1.flac").unlink()
    records, bad = read("lhotse", source)
    assert not records
    assert "cannot be read:" in bad[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"cuts\.jsonl\.gz is not there; expected a manifest"),
        (b"xx", "is no manifest that lhotse reads: Not a gzipped file"),
        (gzip.compress(b'{"a": 1}\n', mtime=0), "is no manifest that lhotse reads"),
    ],
    ids=("nothing", "junk", "another"),
)
def test_no_manifest_is_one_sentence(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "cuts.jsonl.gz").write_bytes(content)
    with pytest.raises(CorpusError, match=sentence):
        read("lhotse", Source(tmp_path / "cuts.jsonl.gz"))


def test_a_manifest_that_breaks_off_names_its_folder(tmp_path):
    source = manifest(tmp_path, *(recording(tmp_path).to_cut().with_id(f"{n}") for n in range(3)),
                      name="cuts.jsonl")  # fmt: skip
    whole = source.root.read_text()
    source.root.write_text(whole[:-100])
    with pytest.raises(CorpusError, match=r"a cut of .* cannot be read"):
        read("lhotse", source)


def test_padding_and_other_manifests_are_no_cuts(tmp_path):
    padding = PaddingCut("p1", 1.0, 16_000, -23.0, num_samples=16_000)
    with pytest.raises(CorpusError, match=r"a cut of .* cannot be read: .*'PaddingCut'"):
        read("lhotse", manifest(tmp_path, recording(tmp_path).to_cut(), padding))
    FeatureSet.from_features([
        Features("fbank", 10, 80, 0.01, 16_000, 0.0, 0.1, "numpy_files", "x", "y", "r1", 0)
    ]).to_file(tmp_path / "feats.jsonl")  # fmt: skip
    with pytest.raises(CorpusError, match=r"feats\.jsonl holds a FeatureSet; expected a manifest"):
        read("lhotse", Source(tmp_path / "feats.jsonl"))


def test_custom_fields_never_replace_what_a_cut_is(tmp_path):
    cut = recording(tmp_path).to_cut().with_id("c1")
    cut.custom = {"id": "other", "seconds": 3}
    cut = cut.attach_image("image", picture(tmp_path / "p.png"))
    ((record,), _) = read("lhotse", manifest(tmp_path, cut))
    assert record["id"] == "c1"
    assert (record["custom_id"], record["custom_seconds"]) == ("other", 3)
    assert record["image"] == str(tmp_path / "p.png")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    source = manifest(tmp_path, recording(tmp_path).to_cut())
    monkeypatch.setitem(sys.modules, "lhotse", None)
    with pytest.raises(CorpusError, match=r"is not installed; `pip install trivium\[corpora\]`"):
        read("lhotse", source)
