"""IEMOCAP: acted talks with emotions; the 5,531 utterances in four classes that papers use."""

import re
from collections.abc import Iterator
from pathlib import Path

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, locate, needed, visible
from trivium.data.corpus import Card

CARD = Card(name="iemocap", licence="IEMOCAP's own, not to be passed on", source="IEMOCAP.")
EXPECTED = (
    "IEMOCAP_full_release/Session{1..5}/ with dialog/EmoEvaluation/*.txt, "
    "dialog/transcriptions/*.txt and sentences/wav/<dialog>/*.wav"
)
USES: tuple[str, ...] = ("splits",)
PROMISED: dict[str, int] = {
    "session1": 1_085, "session2": 1_023, "session3": 1_151, "session4": 1_031, "session5": 1_241,
}  # fmt: skip
SESSIONS = {name: f"Session{name[-1]}" for name in PROMISED}
LABELS = {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"}

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
RATED = re.compile(
    r"^\[[\d.]+ - [\d.]+\]\t(\S+)\t(\w+)\t\[([\d.]+), ([\d.]+), ([\d.]+)\]", re.MULTILINE
)
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
SAID = re.compile(r"^(\S+) \[[\d.]+-[\d.]+\]: ?(.*)", re.MULTILINE)


def read(source: Source) -> Iterator[Record | BadLine]:
    """Utterances that are neutral, happy (or excited), angry or sad; a session is a split.

    Whoever leaves one session out tests on its two speakers, whom the others never have.
    """
    root = locate(source.root, ("Session1/dialog", "Session[2-5]/dialog"), EXPECTED)
    sessions = chosen(source.splits, SESSIONS, "session", root)
    for name in sessions:
        for part in ("dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav"):
            needed(root / SESSIONS[name] / part, EXPECTED)
    return (record for name in sessions for record in _session(root / SESSIONS[name], name))


def _session(folder: Path, split: str) -> Iterator[Record | BadLine]:
    for ratings in visible((folder / "dialog" / "EmoEvaluation").glob("*.txt")):
        dialog = ratings.stem
        transcript = folder / "dialog" / "transcriptions" / ratings.name
        if not transcript.exists():
            yield BadLine(f"{transcript} is not there; expected one for {ratings}")
            continue
        said = dict(SAID.findall(_text(transcript)))
        for id_, emotion, *rated in RATED.findall(_text(ratings)):
            if emotion in LABELS:
                valence, activation, dominance = map(float, rated)
                yield {
                    "id": id_, "audio": str(folder / "sentences/wav" / dialog / f"{id_}.wav"),
                    "text": said.get(id_, "").strip(), "language": "en", "label": LABELS[emotion],
                    # The letter in the dialog's name is of who wears the markers.
                    "speaker": id_[:5] + id_.rpartition("_")[2][0], "split": split,
                    "session": int(split[-1]), "emotion": emotion, "valence": valence,
                    "activation": activation, "dominance": dominance,
                }  # fmt: skip


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
