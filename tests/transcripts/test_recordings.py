"""Recordings: pieces of all of them in the same passes, joined as if each had been alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import tone
from tests.transcripts.toys import Deaf, Toy
from trivium.errors import SettingsError, TriviumError
from trivium.transcripts import recordings
from trivium.transcripts.pieces import CuttingSettings, cut
from trivium.transcripts.recordings import Wish, transcripts

SHORT = CuttingSettings(min_seconds=0.1, max_seconds=0.5)
QUIET = np.zeros(16_000, np.float32)


def silence(seconds):
    return np.zeros(round(16_000 * seconds), np.float32)


parts = st.lists(
    st.tuples(st.booleans(), st.floats(0.01, 1.5)).map(
        lambda part: tone(part[1]) if part[0] else silence(part[1])
    ),
    min_size=1,
    max_size=4,
).map(np.concatenate)


@given(st.lists(parts, max_size=4), st.sampled_from([0.1, 1.0, 1e6]))
@settings(max_examples=30)
def test_many_together_are_each_alone(many, block_seconds):
    wish = Wish("hi", cutting=SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "BLOCK_SECONDS", block_seconds)
        together = list(transcripts(Toy(), enumerate(many), wish))
    alone = [found for one in many for _, found in transcripts(Toy(), [(0, one)], wish)]
    assert together == list(enumerate(alone))
    for samples, found in zip(many, alone, strict=True):
        pieces = [piece for piece in cut(samples, SHORT) if piece.heard]
        spoken = [each for each in found.segments if each.text]
        assert [(each.start_seconds, each.end_seconds) for each in spoken] == [
            (piece.heard[0] / 16_000, piece.heard[1] / 16_000) for piece in pieces
        ]
        lengths = [piece.heard[1] - piece.heard[0] for piece in pieces]
        assert [each.text.split(":")[0] for each in spoken] == [f"hi{one}" for one in lengths]
        loudest = [abs(samples[slice(*piece.heard)]).max() for piece in pieces]
        assert [each.text.split(":")[1] for each in spoken] == [f"{one:.4f}" for one in loudest]
        assert found.language == "hi"


def test_pieces_of_all_recordings_are_asked_at_once():
    toy = Toy()
    many = [("a", tone(1.4)), ("b", np.concatenate([tone(0.4), silence(2.0)])), ("c", QUIET)]
    found = dict(transcripts(toy, many, Wish("de", to="en", cutting=SHORT)))
    heard = sum(bool(piece.heard) for _, samples in many for piece in cut(samples, SHORT))
    assert toy.asked == [0, heard]
    assert found["a"].text.startswith("de>en 0.")
    assert found["a"].language == "en"


def test_silence_is_one_empty_segment_and_a_warning():
    samples = np.concatenate([silence(2.0), tone(0.5), silence(3.0)])
    [(_, found)] = transcripts(Toy(), [(0, samples)], Wish(cutting=SHORT))
    first, *spoken, last = found.segments
    assert (first.text, last.text) == ("", "")
    assert first.start_seconds == 0.0
    assert spoken[-1].end_seconds <= last.start_seconds <= 3.0
    assert last.end_seconds == 5.5
    assert all(each.text for each in spoken)
    assert [warning.partition(" from")[0] for warning in found.warnings] == ["nothing is heard"] * 2
    toy = Toy()
    [(_, found)] = transcripts(toy, [(0, QUIET)], Wish())
    assert toy.asked == [0]  # no model is asked what it hears in silence
    assert found.text == ""
    assert found.warnings == ("nothing is heard from 0.0 s to 1.0 s",)


def test_a_model_that_writes_nothing_is_warned_of():
    class Mute(Toy):
        def transcribe_speech(self, sounds, language=""):
            return ["  "] * len(sounds)

    [(_, found)] = transcripts(Mute(), [(0, tone(1.0))], Wish())
    assert found.segments[0].text == ""
    assert found.warnings[0].startswith("the model wrote nothing from 0.0 s")


def test_what_cannot_be_done_is_refused_before_anything_is_decoded():
    def never():
        raise AssertionError
        yield

    with pytest.raises(TriviumError, match="deaf cannot, though it was given 0 sounds"):
        transcripts(Deaf(), never(), Wish())
    short = Toy()
    short.max_seconds = 15.0
    with pytest.raises(SettingsError, match="may last 20 s, and toy hears 15 s at once"):
        transcripts(short, never(), Wish())


def test_a_model_that_miscounts_is_refused():
    class Lazy(Toy):
        def transcribe_speech(self, sounds, language=""):
            return ["one"]

    with pytest.raises(TriviumError, match="wrote 1 texts of 3 pieces"):
        list(transcripts(Lazy(), [(0, tone(1.2))], Wish(cutting=SHORT)))
