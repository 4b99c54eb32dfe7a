"""What clients send is decoded as it should be, and what means harm is refused within limits."""

import asyncio
import io
import os
import signal

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import png, tone
from tests.serve import bombs
from tests.serve.bombs import MIB
from trivium.data.audio import SoundLimits, decode_audio, encode_flac, encode_wav
from trivium.data.image import decode_image
from trivium.errors import MediaError
from trivium.library import sources
from trivium.report import media_kind
from trivium.serve.decoding import decode_sound
from trivium.serve.gate import Allowance, Held
from trivium.serve.media import Decoders, trimmed
from trivium.serve.refusal import Refusal
from trivium.serve.settings import ServeSettings

SHORT = SoundLimits(max_seconds=10)


def asked(*questions, **settings):
    """What decoders answer to (kind, bytes), one after another; and the bytes held for each."""

    async def run():
        decoders = Decoders(ServeSettings(**settings))
        answers = []
        for kind, data in questions:
            held = Held(Allowance(2**40))
            try:
                answers.append((await getattr(decoders, kind)(data, held), held.bytes))
            except Refusal as refusal:
                answers.append(refusal)
        await decoders.stop()
        return answers

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_processes_decode_what_the_library_would():
    sound, picture = encode_flac(tone(0.7)), png("green", 33)
    (samples, held), (pixels, _) = asked(("sound", sound), ("picture", picture), decoders=1)
    np.testing.assert_array_equal(samples, decode_audio(sound))
    assert held == samples.nbytes
    np.testing.assert_array_equal(pixels, decode_image(picture))


@pytest.mark.parametrize("container", ["webm", "mp4"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_browsers_record_sounds_as_it_did(container, channels):
    data = bombs.recording(container, 1.5, channels=channels)
    samples = decode_sound(data, SHORT)
    assert len(samples) == pytest.approx(24_000, rel=0.01)
    spectrum = np.abs(np.fft.rfft(samples[:16_000]))
    assert np.argmax(spectrum) == 440
    # Two equal channels are as loud as one.
    assert np.abs(samples[4_000:12_000]).max() == pytest.approx(0.3, abs=0.05)


def test_a_recording_that_was_cut_off_is_heard_as_far_as_it_goes():
    data = bombs.recording(seconds=3.0)
    half = decode_sound(data[: len(data) // 2], SHORT)
    assert 8_000 < len(half) < 32_000


LIES = {
    "opus": (bombs.opus_bomb(MIB), "longer than 10 s"),
    "webm": (bombs.recording(seconds=11.0), "longer than 10 s"),
    "rate 1": (bombs.flac_of_rate(1), "1 samples a second"),
    "rate 655,350": (bombs.flac_of_rate(655_350), "655,350 samples a second"),
    "4 GB": (bombs.wav_of_size(0xF0000000), "promises 4,026,531,840 bytes"),
    "id3": (bombs.id3_without_end(MIB), "not wav, flac, ogg or mp3"),
    "short id3": (bombs.id3_without_end(MIB, tag=0), "not wav, flac, ogg or mp3"),
    "mp4": (bombs.mp4_with_many_samples(170_000_000), "mp4 of .* bytes"),
    "playlist": (b"#EXTM3U\nfile:///etc/passwd\n", "no wav, flac, ogg, mp3, webm or mp4"),
    "list": (b"ffconcat version 1.0\nfile /etc/passwd\n", "no wav, flac"),
    "zip": (b"PK\x03\x04" + bytes(100), "no wav, flac"),
    "nothing": (b"", "no wav, flac"),
    "matroska": (b"\x1a\x45\xdf\xa3" + bytes(1_000), "matroska of 1,004 bytes is damaged"),
    "ftyp": (b"\0\0\0\x18ftypisom" + bytes(1_000), "mp4 of 1,012 bytes is damaged"),
    "noise": (b"\xff\xfb" + bytes(50_000), "not wav, flac, ogg or mp3"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_one_sentence(name):
    data, sentence = LIES[name]
    with pytest.raises(MediaError, match=sentence):
        decode_sound(data, SHORT)


def test_a_header_that_does_not_know_its_size_is_believed_as_far_as_it_goes():
    assert len(decode_sound(bombs.wav_of_size(0xFFFFFFFF), SHORT)) == 8_000


def test_a_video_of_no_sound_or_of_other_sound_is_refused():
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as opened:
        stream = opened.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        opened.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(MediaError, match="1 streams and none of sound"):
        decode_sound(target.getvalue(), SHORT)
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as opened:
        stream = opened.add_stream("ac3", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_536), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        opened.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(MediaError, match="the sound is ac3; opus, vorbis"):
        decode_sound(target.getvalue(), SHORT)


def test_rates_and_channels_of_recordings_have_limits():
    data = bombs.recording()
    with pytest.raises(MediaError, match="48,000 samples a second; 4,000 to 16,000"):
        decode_sound(data, SoundLimits(max_rate_hz=16_000))
    with pytest.raises(MediaError, match="2 channels; 1 to 1 are read"):
        decode_sound(bombs.recording(channels=2), SoundLimits(max_channels=1))


PICTURES = {
    "header": (bombs.png_of(60_000, 60_000), "far more pixels"),
    "rows": (bombs.png_of(4_001, 4_000, rows=4_000), "4,001 x 4,000 pixels"),
    "line": (bombs.png_of(100_000, 1, rows=1), "100,000 x 1 pixels; its sides differ"),
    "pole": (bombs.png_of(10, 201, rows=201), "10 x 201 pixels; one side may be 20 times"),
    "text": (bombs.png_with_text(80 * MIB), "damaged: Decompressed data too large"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of png"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "none of png"),
}


def test_pictures_that_lie_are_refused_and_the_process_lives():
    answers = asked(*(("picture", data) for data, _ in PICTURES.values()),
                    ("picture", png()), decoders=1)  # fmt: skip
    for refusal, (_, sentence) in zip(answers, PICTURES.values(), strict=False):
        assert refusal.status_code in (415, 422)
        assert sentence in refusal.detail
    assert answers[-1][0].shape == (8, 8, 3)


def test_memory_is_bounded_by_the_system_and_the_next_file_is_decoded():
    large = bombs.png_of(4_000, 3_999, rows=3_999)
    refusal, after = asked(
        ("picture", large), ("picture", png()), decoders=1, decoder_bytes=32 * MIB
    )
    assert refusal.status_code == 422
    assert "damaged" in refusal.detail or "memory" in refusal.detail or "MiB" in refusal.detail
    assert after[0].shape == (8, 8, 3)


def test_who_hangs_is_ended_and_replaced():
    async def run():
        decoders = Decoders(ServeSettings(decoders=1, decode_seconds=2))
        await decoders.start()
        process = decoders._free.get_nowait()
        decoders._free.put_nowait(process)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(Refusal, match="takes more than 2 s to decode"):
            await decoders.picture(png(), Held(Allowance(MIB)))
        assert process.returncode == -signal.SIGKILL
        made = await decoders.picture(png(), Held(Allowance(MIB)))
        await decoders.stop()
        return made

    assert asyncio.run(run()).shape == (8, 8, 3)


def test_limits_of_the_settings_reach_the_processes():
    long, wide = asked(("sound", encode_wav(tone(2.0))), ("picture", png(side=9)),
                       max_seconds=1.5, max_pixels=80, decoders=1)  # fmt: skip
    assert "longer than 1.5 s" in long.detail
    assert "9 x 9 pixels; at most 80" in wide.detail


def test_what_is_not_known_is_415_and_what_is_broken_422():
    unknown, broken = asked(("sound", b"junk" * 9), ("sound", encode_flac(tone(0.5))[:2_000]))
    assert (unknown.status_code, broken.status_code) == (415, 422)


@given(before=st.integers(0, 9_000), said=st.integers(1, 9_000), after=st.integers(0, 9_000))
def test_silence_before_and_after_is_left_out(before, said, after):
    noise = np.random.default_rng(0).standard_normal(before + said + after) * 1e-4
    sound = noise.astype(np.float32)
    sound[before : before + said] += 0.1
    kept = trimmed(sound)
    start = np.flatnonzero(sound == kept[0])[0]
    np.testing.assert_array_equal(kept, sound[start : start + len(kept)])
    around = 5 * 160
    assert before - around <= start <= before
    assert before + said <= start + len(kept) <= before + said + around
    quiet = np.zeros(1_000, np.float32)
    assert len(trimmed(quiet)) == 1_000


def test_items_tell_browsers_what_they_are(tmp_path):
    assert media_kind(encode_wav(tone(0.1))) == "audio/wav"
    assert media_kind(encode_flac(tone(0.1))) == "audio/flac"
    assert media_kind(png()) == "image/png"
    assert media_kind(b"<html>") == "application/octet-stream"
    soundfile.write(tmp_path / "a.mp3", tone(0.2), 16_000, format="MP3")
    assert media_kind((tmp_path / "a.mp3").read_bytes()) == "audio/mpeg"
    assert media_kind(b"RIFF\0\0\0\0WEBPVP8 ") == "image/webp"
    assert ServeSettings().max_seconds == sources.MAX_SECONDS
