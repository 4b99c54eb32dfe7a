"""IEMOCAP and CMU-MOSEI."""

import h5py
import numpy as np
import pytest

from tests.data.corpora.imports import columns, imported, read, reasons, rows
from tests.data.corpora.miniatures import put, sound
from trivium.data.corpora import iemocap, mosei
from trivium.data.corpora.release import Source
from trivium.errors import CorpusError

RATED = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes0{n}F_impro01_F000\tneu\t[2.5000, 2.5000, 2.0000]
C-E2:\tNeutral;\t()
[9.0000 - 9.5000]\tSes0{n}F_impro01_M000\texc\t[4.0000, 3.5000, 3.0000]
[9.6000 - 9.9000]\tSes0{n}F_impro01_M001\txxx\t[2.0000, 3.5000, 3.0000]
"""
SAID = """Ses0{n}F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses0{n}F_impro01_M000 [009.0000-009.5000]: Do you have your forms?
M: [BREATHING]
Ses0{n}F_impro01_M001 [009.6000-009.9000]: Yeah.
"""


def iemocap_release(root):
    for number in range(1, 6):
        session = root / "IEMOCAP_full_release" / f"Session{number}"
        dialog = f"Ses0{number}F_impro01"
        put(session / f"dialog/EmoEvaluation/{dialog}.txt", RATED.replace("{n}", str(number)))
        put(session / f"dialog/EmoEvaluation/._{dialog}.txt", "left by a Mac")
        put(session / "dialog/EmoEvaluation/Self-evaluation/x.txt", "not read")
        put(session / "dialog/EmoEvaluation/Categorical/x.txt", "not read")
        put(session / f"dialog/transcriptions/{dialog}.txt", SAID.replace("{n}", str(number)))
        for name in ("F000", "M000", "M001"):
            sound(session / "sentences/wav" / dialog / f"{dialog}_{name}.wav", number)
    return Source(root / "IEMOCAP_full_release")


def test_iemocap_has_four_classes_and_sessions(tmp_path, monkeypatch, capsys):
    for session in list(iemocap.PROMISED)[:4]:
        monkeypatch.setitem(iemocap.PROMISED, session, 2)
    corpus = imported("iemocap", iemocap_release(tmp_path), tmp_path / "out")
    assert columns(corpus, "id", "split", "speaker", "label", "text")[:2] == [
        ("Ses01F_impro01_F000", "session1", "Ses01F", "neutral", "Excuse me."),
        ("Ses01F_impro01_M000", "session1", "Ses01M", "happy", "Do you have your forms?"),
    ]
    found = rows(corpus)
    assert len(found) == 10
    assert found["Ses05F_impro01_M000"]["extra"] == {
        "session": 5, "emotion": "exc", "valence": 4.0, "activation": 3.5, "dominance": 3.0,
    }  # fmt: skip
    assert "session5 has 2 rows, and the release promises 1,241" in capsys.readouterr().out


def test_the_promised_sessions_are_the_5531():
    assert sum(iemocap.PROMISED.values()) == 5_531


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("Session3/dialog/transcriptions", "Session3/dialog/transcriptions is not there"),
        ("Session5/sentences/wav", "Session5/sentences/wav is not there; expected IEMOCAP_full"),
        ("Session2", "Session2/dialog/EmoEvaluation is not there"),
    ],
)
def test_a_part_of_iemocap_that_lacks_is_named(tmp_path, lost, sentence):
    source = iemocap_release(tmp_path)
    (source.root / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match=sentence):
        read("iemocap", source)


def test_a_dialog_without_transcript_is_listed(tmp_path):
    source = iemocap_release(tmp_path)
    (source.root / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    records, bad = read("iemocap", source)
    assert len(records) == 8
    assert "transcriptions/Ses01F_impro01.txt is not there" in bad[0]


FOLDS = """# lists of the SDK
standard_train_fold=['aaa', 'bbb']
standard_valid_fold=['ccc']
standard_test_fold=['ddd']
"""


def mosei_release(root):
    """Segments are not in the order of the transcript; one is in none; one video is in no fold."""
    videos = ("aaa", "ccc", "ddd", "-eee")
    for number, video in enumerate(videos):
        sound(root / "Raw/Audio/Full/WAV_16000" / f"{video}.wav", number, seconds=3.0)
        lines = [f"{video}___0___0.5___1.25___First, of {video}___yes.",
                 f"{video}___1___1.25___2.0___Second.", "broken line",
                 f"{video}___2___x___y___no times"]  # fmt: skip
        put(root / f"Raw/Transcript/Segmented/Combined/{video}.txt", "\n".join(lines))
    put(root / "Raw/Audio/Full/WAV_16000/._aaa.wav", "left by a Mac")
    with h5py.File(root / mosei.LABELS, "w") as file:
        for number, video in enumerate(videos):
            group = file.create_group(f"All Labels/data/{video}")
            group["intervals"] = np.array([[1.2501, 2.0], [0.5, 1.25], [2.5, 2.9]])
            group["features"] = np.array([[number - 1.5, 0, 0, 0, 0, 0, 2.0]] * 3, np.float32)
    put(root / mosei.FOLDS, FOLDS)
    return Source(root)


def test_mosei_segments_have_scores_and_folds(tmp_path):
    corpus = imported("cmu-mosei", mosei_release(tmp_path / "release"), tmp_path / "out")
    assert columns(corpus, "id", "split", "text", "score")[:3] == [
        ("-eee_1", "none", "Second.", 1.5),
        ("-eee_0", "none", "First, of -eee___yes.", 1.5),
        ("-eee_2.500s", "none", None, 1.5),
    ]
    found = rows(corpus)
    assert [found[f"{video}_0"]["split"] for video in ("aaa", "ccc", "ddd")] == [
        "train", "dev", "test"
    ]  # fmt: skip
    assert found["aaa_0"]["seconds"] == pytest.approx(0.75)
    assert found["aaa_0"]["extra"] == {
        "video": "aaa", "sentiment": -1.5, "happy": 0.0, "sad": 0.0, "anger": 0.0, "surprise": 0.0,
        "disgust": 0.0, "fear": 2.0,
    }  # fmt: skip
    only = Source(tmp_path / "release", splits=("test",))
    assert {record["split"] for record in read("cmu-mosei", only)[0]} == {"test"}


def labels_of(root, name, value):
    """A file of labels that has something else in it."""
    with h5py.File(root / mosei.LABELS, "w") as file:
        file[name] = value


def test_a_segment_past_the_end_of_its_video_is_listed(tmp_path):
    source = mosei_release(tmp_path / "release")
    sound(source.root / "Raw/Audio/Full/WAV_16000/aaa.wav", seconds=2.2)
    imported("cmu-mosei", source, tmp_path / "out")
    assert [reason[:20] for reason in reasons(tmp_path / "out")] == ["offset is 2.5 s, pas"]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda r: (r / mosei.LABELS).unlink(), "holds no CMU_MOSEI_Labels.csd; expected Raw/"),
        (lambda r: (r / mosei.FOLDS).unlink(), "holds no cmu_mosei_std_folds.py"),
        (lambda r: put(r / mosei.FOLDS, "import os\nstandard_train_fold = os.listdir()"),
         "is no list of folds"),
        (lambda r: put(r / mosei.FOLDS, "standard_train_fold = []"), "has no standard_valid_fold"),
        (lambda r: put(r / mosei.FOLDS, FOLDS.replace("['ccc']", "None")),
         r"folds\.py: standard_valid_fold is None; expected a list of names of videos"),
        (lambda r: put(r / mosei.FOLDS, FOLDS.replace("'bbb'", "['bbb']")),
         r"standard_train_fold is \['aaa', \['bbb'\]\]; expected a list"),
        (lambda r: labels_of(r, "first", [1.0, 2.0]), "is no file of labels"),
        (lambda r: labels_of(r, "first/data", [1.0, 2.0]), "is no file of labels"),
        (lambda r: labels_of(r, "first/data/aaa/intervals", [[0.0, 1.0]]), "is no file of labels"),
        (lambda r: put(r / mosei.LABELS, "x"), r"Labels\.csd is no file of labels"),
        (lambda r: h5py.File(r / mosei.LABELS, "w").close(), "is no file of labels"),
        (lambda r: (r / "Raw").rename(r / "x"), None),
    ],
)  # fmt: skip
def test_a_part_of_mosei_that_lacks_is_named(tmp_path, break_it, sentence):
    source = mosei_release(tmp_path)
    break_it(source.root)
    if sentence is None:  # the folder above may have any name
        assert read("cmu-mosei", source)[0]
        return
    with pytest.raises(CorpusError, match=sentence):
        read("cmu-mosei", source)


def test_features_of_another_shape_are_refused(tmp_path):
    source = mosei_release(tmp_path)
    with h5py.File(source.root / mosei.LABELS, "a") as file:
        del file["All Labels/data/aaa/features"]
        file["All Labels/data/aaa/features"] = np.zeros((3, 6), np.float32)
    with pytest.raises(CorpusError, match=r"aaa has features of the shape \(3, 6\); expected"):
        read("cmu-mosei", source)


def test_a_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch):
    source = mosei_release(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CorpusError, match=r"h5py, which is not installed; `pip install trivium\["):
        read("cmu-mosei", source)
