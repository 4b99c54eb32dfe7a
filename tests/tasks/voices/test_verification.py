"""Verification: made and listed trials of a corpus, speakers drawn again, refusals by name."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import utterance
from trivium.data.corpus import Corpus, CorpusWriter
from trivium.errors import SettingsError, TriviumError
from trivium.tasks.score import Signature
from trivium.tasks.voices.detection import Sweep
from trivium.tasks.voices.trials import Trials
from trivium.tasks.voices.verification import (
    Verification,
    VerificationSettings,
    measure,
    run,
)

SIGNATURE = Signature(task="verification", corpus="f" * 64, split="test", model="m" * 40)
QUICK = VerificationSettings(resamples=20, count=60)


class Listener:
    """Hears who speaks from the text, which names the speaker, and a little else."""

    name, checksum, voice_reads = "listener", "l" * 40, ("speech", "text")
    noise = 0.0

    def embed_voice(self, sounds: list[np.ndarray], texts: list[str]) -> np.ndarray:
        assert len(sounds) == len(texts)
        own = np.eye(6)[[int(text[1]) for text in texts]]
        return 3 * own + self.noise * np.array([[len(text)] * 6 for text in texts])


@pytest.fixture
def voiced(by_hand: Corpus) -> Corpus:
    """Five speakers with eight utterances each."""
    with CorpusWriter(by_hand.path, by_hand.card) as writer:
        for number in range(100, 140):
            speaker = f"v{number % 5}"
            row = {"speaker": speaker, "text": speaker + "!" * (number % 3), "split": "test",
                   "language": ("en", "hi")[number % 2],
                   "extra": json.dumps({"sex": "FM"[number % 5 % 2]})}  # fmt: skip
            writer.add("utterances", utterance(number, **row))
    return Corpus.open(by_hand.path)


def test_made_trials_of_a_split_are_measured(voiced: Corpus) -> None:
    done: list[int] = []
    found = measure(Listener(), voiced, "test", QUICK, advance=done.append)
    assert sum(done) == 40
    assert found.score.values == {"EER": 0, "minDCF@0.01": 0, "minDCF@0.05": 0}
    assert found.score.chance == {"EER": 50, "minDCF@0.01": 1, "minDCF@0.05": 1}
    assert (found.trials, found.targets) == (60, 30)
    assert 0 <= found.threshold <= 1
    signature = found.score.signature
    assert signature.gallery.startswith("60 trials of list ")
    assert signature.gallery.endswith(", 5 speakers")
    assert signature.corpus == voiced.card.fingerprint
    assert found == measure(Listener(), voiced, "test", QUICK)
    assert found.score.lower_is_better


def test_a_model_that_hears_nothing_gets_one_half(voiced: Corpus) -> None:
    class Deaf(Listener):
        def embed_voice(self, sounds: list[np.ndarray], _: object) -> np.ndarray:
            return np.ones((len(sounds), 4))

    found = measure(Deaf(), voiced, "test", QUICK)
    assert found.score.values == {"EER": 50, "minDCF@0.01": 1, "minDCF@0.05": 1}
    assert "EER 50.00 is not surely below 50" in found.remarks[0]


def test_a_list_is_measured_as_it_stands(voiced: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("1 u0100 u0105\n1 u0101.wav u0106\n0 u0100 u0101.wav\n0 u0102 u0103\n")
    done: list[int] = []
    found = measure(Listener(), voiced, "test", QUICK, trials=path, advance=done.append)
    assert sum(done) == 6  # each utterance is heard once, and those of no trial never
    assert (found.trials, found.targets, found.score.values["EER"]) == (4, 2, 0)
    assert found.score.signature.gallery.endswith(", 4 speakers")
    rows = list(csv.DictReader(found.listed.splitlines()))
    assert rows[1] == {
        "enrol": "u0101.wav", "test": "u0106", "same": "1", "score": "1", "enrol_speaker": "v1",
        "test_speaker": "v1",
    }  # fmt: skip


def test_vectors_are_compared_by_angle(voiced: Corpus) -> None:
    class Loud(Listener):
        def embed_voice(self, sounds: list[np.ndarray], texts: list[str]) -> np.ndarray:
            return super().embed_voice(sounds, texts) * [[len(sound)] for sound in sounds]

    assert measure(Loud(), voiced, "test", QUICK) == measure(Listener(), voiced, "test", QUICK)


def test_intervals_are_those_of_drawn_speakers() -> None:
    """A slow twin that writes every drawn trial down so often as its speakers were drawn."""
    draw = np.random.default_rng(0)
    names = [f"s{number}" for number in range(8)]
    pairs = [(a, b) for a in names for b in names for _ in range(3)]
    same = np.array([a == b for a, b in pairs])
    scores = draw.normal(size=len(pairs)) + same
    settings = VerificationSettings(resamples=40, seed=3, priors=(0.05,))
    found = run(scores, same, settings, SIGNATURE, pairs)
    again, slow = np.random.default_rng(3), []
    for _ in range(40):
        times = Counter(names[number] for number in again.integers(8, size=8).tolist())
        copies = [
            place for place, (a, b) in enumerate(pairs)
            for _ in range(times[a] if a == b else times[a] * times[b])
        ]  # fmt: skip
        curve = Sweep(scores[copies], same[copies]).curve()
        slow.append((100 * curve.equal_error()[0], curve.min_cost(0.05)))
    low, high = np.quantile(slow, [0.025, 0.975], axis=0)
    assert found.score.intervals["EER"] == pytest.approx((low[0], high[0]))
    assert found.score.intervals["minDCF@0.05"] == pytest.approx((low[1], high[1]))


def test_speakers_make_wider_intervals_than_trials() -> None:
    draw = np.random.default_rng(0)
    names = [f"s{number}" for number in range(12)]
    pairs = [(a, b) for a in names for b in names for _ in range(12 if a == b else 1)]
    ease = dict(zip(names, draw.normal(size=12), strict=True))
    same = np.array([a == b for a, b in pairs])
    scores = np.array([ease[a] + 2 * (a == b) for a, b in pairs]) + draw.normal(size=len(pairs))
    settings = VerificationSettings(resamples=200)
    wide = run(scores, same, settings, SIGNATURE, pairs).score.intervals["EER"]
    narrow = run(scores, same, settings, SIGNATURE).score.intervals["EER"]
    assert wide[1] - wide[0] > 1.2 * (narrow[1] - narrow[0])


def test_unknown_speakers_are_told(voiced: Corpus) -> None:
    with CorpusWriter(voiced.path, voiced.card) as writer:
        writer.add("utterances", utterance(200, speaker=None, split="test", text="v5"))
    listed = Trials(("u0100", "u0200"), ("u0105", "u0100"), np.array([True, False]))
    corpus = Corpus.open(voiced.path)
    found = measure(Listener(), corpus, "test", QUICK, trials=listed)
    assert "some speakers are not known" in found.remarks[0]
    assert "speakers" not in found.score.signature.gallery
    made = measure(Listener(), corpus, "test", QUICK)
    assert made.remarks[0] == "1 of 41 utterances have no text or speaker and are left out: 'u0200'"


def test_a_list_that_contradicts_the_corpus_is_refused(voiced: Corpus) -> None:
    listed = Trials(("u0100", "u0101"), ("u0105", "u0102"), np.array([True, True]))
    told = "'u0101' and 'u0102' is said to be of one, .* names their speakers 'v1' and 'v2'"
    with pytest.raises(TriviumError, match=told):
        measure(Listener(), voiced, "test", QUICK, trials=listed)


def test_recordings_that_are_not_there_are_named(voiced: Corpus) -> None:
    listed = Trials(("u0100", "nope"), ("u0000", "u0102"), np.array([True, False]))
    told = r"2 of 4 recordings .* the split 'test' of .*: 'nope', 'u0000'; ids look like 'u01"
    with pytest.raises(TriviumError, match=told):
        measure(Listener(), voiced, "test", QUICK, trials=listed)


def test_what_matches_and_where_is_measured(voiced: Corpus) -> None:
    settings = QUICK.override(['match=["language", "sex"]', "where=speaker != 'v0'"])
    found = measure(Listener(), voiced, "test", settings)
    assert found.score.signature.split == "test where speaker != 'v0'"
    rows = list(csv.DictReader(found.listed.splitlines()))
    assert {row["enrol_speaker"] for row in rows} == {"v1", "v2", "v3", "v4"}
    unlike = {(row["enrol_speaker"], row["test_speaker"]) for row in rows if row["same"] == "0"}
    assert all(int(a[1]) % 2 == int(b[1]) % 2 for a, b in unlike)


def test_a_broken_model_is_named(voiced: Corpus) -> None:
    class Broken(Listener):
        def embed_voice(self, sounds: list[np.ndarray], _: object) -> np.ndarray:
            return np.full((len(sounds), 2), np.nan)

    with pytest.raises(TriviumError, match=r"40 of 40 vectors hold NaN .* 'u0100'"):
        measure(Broken(), voiced, "test", QUICK)


def test_a_result_is_written_and_comes_back(voiced: Corpus, tmp_path: Path) -> None:
    class Noisy(Listener):
        noise = 3.0

    found = measure(Noisy(), voiced, "test", QUICK)
    found.write(tmp_path / "new")
    back = Verification.load(tmp_path / "new" / "verification.json")
    assert back == found.model_copy(update={"listed": ""})
    with Image.open(tmp_path / "new" / "verification.png") as image:
        assert image.format == "PNG"
    again = measure(Noisy(), voiced, "test", QUICK, trials=tmp_path / "new" / "trials.csv")
    assert again == found
    headers, lines = found.table()
    assert headers == ["value", "score", "95 %", "chance"]
    assert [line[0] for line in lines] == ["EER", "minDCF@0.01", "minDCF@0.05"]


@pytest.mark.parametrize("wrong", ["count=1", "priors=[]", "priors=[0]", "priors=[1.0]", "sex=F"])
def test_settings_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError):
        QUICK.override([wrong])
