"""CMU-MOSEI: sentences of video talks with sentiment from -3 to 3 and six emotions from 0 to 3."""

import ast
import importlib.util
import reprlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data.corpora.record import BadLine, Record
from trivium.data.corpora.release import Source, chosen, folders, lines, locate
from trivium.data.corpus import Card
from trivium.errors import CorpusError

CARD = Card(name="cmu-mosei", licence="CMU-MOSEI's own, for research", source="CMU-MOSEI.")
EXPECTED = (
    "Raw/ with Audio/Full/WAV_16000/<video>.wav and Transcript/Segmented/Combined/<video>.txt; "
    "there or in --join FOLDER, CMU_MOSEI_Labels.csd and cmu_mosei_std_folds.py of the SDK"
)
USES: tuple[str, ...] = ("join", "splits")
PROMISED: dict[str, int] = {"train": 16_327, "dev": 1_871, "test": 4_662, "none": 399}
LABELS, FOLDS = "CMU_MOSEI_Labels.csd", "cmu_mosei_std_folds.py"
FOLD_NAMES = {"train": "standard_train_fold", "dev": "standard_valid_fold",
              "test": "standard_test_fold"}  # fmt: skip
FEATURES = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
SAME_SECONDS = 0.1  # a labelled stretch is that of a transcript if both ends are this near


def read(source: Source) -> Iterator[Record | BadLine]:
    """Labelled stretches with what is said; `score` is the sentiment.

    Videos of no fold are the split "none".
    """
    root = locate(source.root, ("Audio/Full/WAV_16000",), EXPECTED)
    near = [source.join] if source.join else [root, source.root, root.parent]
    near += [inner for folder in near if folder.is_dir() for inner in folders(folder)]
    folds = _folds(_found(near, FOLDS))
    splits = chosen(source.splits, (*FOLD_NAMES, "none"), "split", root)
    labels = _found(near, LABELS)
    if importlib.util.find_spec("h5py") is None:
        raise CorpusError(
            f"{labels} is read with h5py, which is not installed; `pip install trivium[corpora]`"
        )
    return _records(root, labels, folds, splits)


def _found(near: list[Path], name: str) -> Path:
    for folder in near:
        if (folder / name).is_file():
            return folder / name
    raise CorpusError(f"{near[0]} holds no {name}; expected {EXPECTED}")


def _folds(path: Path) -> dict[str, str]:
    """The split of each video, from lists that are read as values and never run."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lists = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body if isinstance(node, ast.Assign)
            for target in node.targets if isinstance(target, ast.Name)
        }  # fmt: skip
    except (SyntaxError, ValueError) as error:
        raise CorpusError(f"{path} is no list of folds: {error}; expected {EXPECTED}") from error
    for name in FOLD_NAMES.values():
        if name not in lists:
            raise CorpusError(f"{path} has no {name}; expected {EXPECTED}")
        if not isinstance(lists[name], list | tuple) or not all(
            isinstance(video, str) for video in lists[name]
        ):
            told = reprlib.repr(lists[name])
            raise CorpusError(f"{path}: {name} is {told}; expected a list of names of videos")
    return {video: split for split, name in FOLD_NAMES.items() for video in lists[name]}


def _records(
    root: Path, labels: Path, folds: dict[str, str], splits: list[str]
) -> Iterator[Record | BadLine]:
    for video, intervals, features in _labels(labels):
        split = folds.get(video, "none")
        if split not in splits:
            continue
        segments = _segments(root / "Transcript" / "Segmented" / "Combined" / f"{video}.txt")
        wav = root / "Audio" / "Full" / "WAV_16000" / f"{video}.wav"
        for (start, end), rated in zip(intervals, features, strict=True):
            number, text = _match(segments, start, end)
            yield {
                "id": f"{video}_{number or f'{start:.3f}s'}", "audio": str(wav), "offset": start,
                "seconds": end - start, "text": text, "language": "en", "split": split,
                "score": rated[0], "video": video, **dict(zip(FEATURES, rated, strict=True)),
            }  # fmt: skip


def _labels(path: Path) -> Iterator[tuple[str, list[list[float]], list[list[float]]]]:
    """Intervals (n, 2) and features (n, 7) of each video, by its name."""
    import h5py

    try:
        with h5py.File(path) as file:
            data: Any = next(iter(file.values()))["data"]
            for video in sorted(data):
                intervals, features = (np.asarray(data[video][name][()], np.float64)
                                       for name in ("intervals", "features"))  # fmt: skip
                if features.shape[1:] != (len(FEATURES),) or intervals.shape != (len(features), 2):
                    raise CorpusError(
                        f"{path}: {video} has features of the shape {features.shape}; expected "
                        f"(n, {len(FEATURES)}), and intervals of {intervals.shape}; expected (n, 2)"
                    )
                yield video, intervals.tolist(), features.tolist()
    except (OSError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise CorpusError(f"{path} is no file of labels: {error}; expected {EXPECTED}") from error


def _segments(path: Path) -> list[tuple[float, float, str, str]]:
    """Start, end, number and text of each segment of a transcript."""
    found = []
    for line in lines(path) if path.exists() else ():
        fields = [] if isinstance(line, BadLine) else line[1].split("___", 4)
        if len(fields) == 5:
            _, number, start, end, text = fields
            with suppress(ValueError):  # a line whose times are none matches nothing
                found.append((float(start), float(end), number, text.strip()))
    return found


def _match(
    segments: list[tuple[float, float, str, str]], start: float, end: float
) -> tuple[str | None, str | None]:
    for begins, ends, number, text in segments:
        if abs(begins - start) < SAME_SECONDS and abs(ends - end) < SAME_SECONDS:
            return number, text
    return None, None
