import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import tone
from trivium.data.audio import (
    SoundLimits,
    decode_audio,
    decode_file,
    decode_with_facts,
    encode_flac,
    encode_wav,
    resample,
)
from trivium.errors import MediaError


def encoded(samples, rate, container, subtype=None):
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=container, subtype=subtype)
    return target.getvalue()


@given(st.integers(1, 5_000), st.integers(0, 2**31))
def test_flac_gives_back_16_bit_samples_exactly(length, seed):
    whole = np.random.default_rng(seed).integers(-(2**15), 2**15, length)
    samples = (whole / 2**15).astype(np.float32)
    np.testing.assert_array_equal(decode_audio(encode_flac(samples)), samples)
    np.testing.assert_array_equal(decode_audio(encode_wav(samples)), samples)


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("WAV", "PCM_16", 8_000), ("WAV", "FLOAT", 48_000), ("FLAC", "PCM_24", 44_100),
     ("OGG", "VORBIS", 22_050), ("OGG", "OPUS", 48_000), ("MP3", "MPEG_LAYER_III", 44_100)],
)  # fmt: skip
def test_every_format_and_rate_becomes_16_khz_with_the_same_tone(container, subtype, rate):
    samples, facts = decode_with_facts(encoded(tone(1.0, 1000, rate), rate, container, subtype))
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 16_000 * 0.06  # lossy codecs pad
    assert facts.rate_hz == rate
    middle = samples[4_000:12_000] * np.hanning(8_000)
    assert abs(np.argmax(np.abs(np.fft.rfft(middle))) * 2 - 1000) <= 4


def test_two_channels_are_averaged():
    both = np.stack([tone(0.1), -tone(0.1)], 1)
    assert np.abs(decode_audio(encoded(both, 16_000, "WAV"))).max() < 1e-4


def test_long_sounds_read_in_blocks_are_whole():
    samples = tone(25.0, 50)
    np.testing.assert_allclose(decode_audio(encode_flac(samples)), samples, atol=2**-15)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 192_000])
def test_sounds_resampled_in_blocks_equal_those_resampled_at_once(rate):
    samples = tone(23.4, 300, rate)
    data = encoded(samples, rate, "WAV", "FLOAT")
    decoded = decode_audio(data)
    at_once = resample(samples, rate)
    assert len(decoded) == len(at_once)
    np.testing.assert_allclose(decoded, at_once, atol=1e-6)


BOMB = """
import io, sys
import numpy as np
import soundfile
from trivium.data.audio import decode_audio
from trivium.runtime import peak_memory_bytes
target = io.BytesIO()
with soundfile.SoundFile(target, "w", 192_000, 2, format="FLAC", subtype="PCM_16") as sound:
    for _ in range(60):
        sound.write(np.zeros((192_000 * 5, 2), np.float32))
before = peak_memory_bytes()
samples = decode_audio(target.getvalue())
print(len(target.getvalue()), len(samples), peak_memory_bytes() - before)
"""


def test_memory_follows_what_comes_out_and_not_what_is_inside():
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=True)
    size, samples, grown = map(int, done.stdout.split())
    assert size < 2 * 2**20  # 460 MB of float32 inside
    assert samples == 300 * 16_000
    assert grown < 100 * 2**20


def test_a_stretch_of_a_file_is_that_stretch(tmp_path):
    samples = tone(3.0, 333)
    path = tmp_path / "long.wav"
    path.write_bytes(encode_wav(samples))
    stretch = decode_file(path, start_seconds=1.0, seconds=0.5)
    np.testing.assert_allclose(stretch, samples[16_000:24_000], atol=2**-15)


def test_a_stretch_past_the_end_is_refused(tmp_path):
    path = tmp_path / "short.wav"
    path.write_bytes(encode_wav(tone(1.0)))
    with pytest.raises(MediaError, match=r"cut off: 0\.50 s of the 2\.00 s"):
        decode_file(path, start_seconds=0.5, seconds=2.0)


def lying_wav():
    data = bytearray(encode_wav(tone(0.5)))
    place = data.index(b"data")
    struct.pack_into("<I", data, place + 4, 10_000_000)
    return bytes(data)


def nan_wav():
    samples = tone(0.5)
    samples[4_000:4_003] = np.nan
    return encoded(samples, 16_000, "WAV", "FLOAT")


HOSTILE = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"hello, I am a text file named .flac", "begin with b'hello, I'"),
    "truncated flac": (encode_flac(tone(3.0))[:9_000], r"cut off|cannot|not wav"),
    "lying wav": (lying_wav(), r"promises 10,000,000 bytes of sound and 16,000 are there"),
    "not numbers": (nan_wav(), r"3 samples that are not numbers, the first at 0\.25 s"),
    "eight channels": (
        encoded(np.zeros((19_200, 8), np.float32), 192_000, "WAV"),
        "8 channels; at most 2",
    ),
    "no samples": (encoded(np.zeros(0, np.float32), 16_000, "WAV"), "header and 0 samples"),
    "too slow": (encoded(tone(0.1, 10, 1_000), 1_000, "WAV"), "1,000 samples a second"),
}


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_what_a_mac_left_beside_a_file_is_not_read(tmp_path, kind):
    path = tmp_path / f"said.{kind}"
    soundfile.write(path, tone(0.5), 16_000)
    alone = decode_file(path)
    (tmp_path / f"._said.{kind}").write_bytes(b"left by a Mac")
    np.testing.assert_array_equal(decode_file(path), alone)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sounds_get_one_sentence(name):
    data, sentence = HOSTILE[name]
    with pytest.raises(MediaError, match=sentence) as caught:
        decode_audio(data)
    assert "\n" not in str(caught.value)


def test_a_wav_from_a_pipe_which_cannot_know_its_length_is_read():
    data = bytearray(encode_wav(tone(0.5)))
    struct.pack_into("<I", data, data.index(b"data") + 4, 0xFFFFFFFF)
    assert len(decode_audio(bytes(data))) == 8_000


def test_a_bomb_is_noticed_before_it_is_decoded(tmp_path):
    # An hour of silence is a small flac: 3,600 s of float32 would be 230 MB.
    bomb = encode_flac(np.zeros(16_000 * 600, np.float32))
    assert len(bomb) < 2**20
    with pytest.raises(MediaError, match="longer than 30 s"):
        decode_audio(bomb, SoundLimits(max_seconds=30))


def test_too_many_bytes_are_refused_unread():
    with pytest.raises(MediaError, match="1,001 bytes; at most 1,000"):
        decode_audio(b"x" * 1_001, SoundLimits(max_bytes=1_000))


@given(st.binary(max_size=200), st.integers(0, 4_000))
def test_damaged_flac_gives_samples_or_a_sentence_and_nothing_else(garbage, place):
    whole = encode_flac(tone(0.3))
    damaged = whole[:place] + garbage + whole[place + len(garbage) :]
    try:
        samples = decode_audio(damaged)
    except MediaError as error:
        assert str(error)
    else:
        assert np.isfinite(samples).all()
