"""Files of sound and film, within limits; what cannot be read is named."""

import numpy as np
import pytest
import soundfile

from tests.conftest import tone
from trivium.data.audio import SoundLimits, encode_wav
from trivium.errors import MediaError
from trivium.transcripts import hearing
from trivium.transcripts.hearing import hear

av = pytest.importorskip("av")


def film(path, codec, samples, pictures=False, layout="stereo"):
    """A film of equal channels at 48 kHz; `pictures` alone if there are no samples."""
    with av.open(str(path), "w") as container:
        if pictures:
            stream = container.add_stream("mpeg4", rate=5)
            stream.width = stream.height = 16
            for _ in range(3):
                frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if len(samples):
            stream = container.add_stream(codec, rate=48_000, layout=layout)
            channels = [np.repeat(samples, 3)] * (2 if layout == "stereo" else 1)
            both = np.ascontiguousarray(np.stack(channels))
            frame = av.AudioFrame.from_ndarray(both, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = 48_000, 0
            fit = av.AudioResampler(
                stream.format, layout, 48_000, stream.codec_context.frame_size or 960
            )
            for part in [*fit.resample(frame), *fit.resample(None)]:
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("layout", ["stereo", "mono"])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.webm", "libopus")])
def test_the_sound_of_a_film_is_as_loud_and_long_as_it_was(tmp_path, name, codec, layout):
    samples = tone(1.5)
    found = hear(film(tmp_path / name, codec, samples, layout=layout))
    assert found.dtype == np.float32
    assert len(found) == pytest.approx(len(samples), abs=1600)
    middle = slice(6_000, 18_000)
    loud = np.sqrt(np.mean(found[middle] ** 2) / np.mean(samples[middle] ** 2))
    assert loud == pytest.approx(1.0, abs=0.05)  # +3 dB would be 1.41


def test_sounds_are_read_as_ever(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encode_wav(tone(0.3)))
    np.testing.assert_allclose(hear(path), tone(0.3), atol=1e-4)


def test_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"junk" * 100)
    whole = film(tmp_path / "whole.mp4", "aac", tone(1.0))
    mute = film(tmp_path / "mute.mp4", "", np.zeros(0), pictures=True)
    broken = tmp_path / "nan.wav"
    soundfile.write(broken, np.array([0.0, np.nan] * 100), 16_000, subtype="FLOAT")
    for path, limits, sentence in (
        (tmp_path / "gone.wav", SoundLimits(), "gone.wav is not there"),
        (tmp_path, SoundLimits(), "is no file"),
        (junk, SoundLimits(), "junk.mp4 cannot be read as sound or film: Invalid data"),
        (mute, SoundLimits(), "mute.mp4 has no track of sound .1 of"),
        (whole, SoundLimits(max_seconds=0.5), "whole.mp4 is longer than 0.5 s, the limit"),
        (whole, SoundLimits(max_bytes=10), "bytes; at most 10 are read"),
        (broken, SoundLimits(), "nan.wav: the sound has 100 samples that are not numbers"),
    ):
        with pytest.raises(MediaError, match=sentence):
            hear(path, limits)
    monkeypatch.setattr(hearing, "find_spec", lambda name: None)
    with pytest.raises(MediaError, match=r"pip install 'trivium\[serve\]'"):
        hear(whole)


def test_a_film_without_samples_is_refused(tmp_path, monkeypatch):
    whole = film(tmp_path / "whole.mp4", "aac", tone(0.5))
    monkeypatch.setattr(hearing, "_blocks", lambda container: iter([]))
    with pytest.raises(MediaError, match="has 0 samples of sound"):
        hear(whole)
