"""Whatever is sent, a server of its own process stays small, alive, and answers in its time."""

import random
import threading

import httpx2
import pytest

from tests.conftest import png, tone
from tests.serve import bombs
from tests.serve.bombs import MIB
from tests.serve.toys import fetch, process, resident_bytes, send, until
from trivium.data.audio import encode_wav

# More than when idle, of the server and its two decoding processes together: each of five clients
# has a request of 25 MiB under way, which is held three times at most; a process takes 240 MiB for
# a picture of 16 million pixels.
MORE_AT_ONCE, MORE_ALONE = (5 * 3 * 25 + 2 * 280) * MIB, (3 * 25 + 2 * 280) * MIB


def bombs_of(size):
    """What is refused, by name: where it goes, and what."""
    return {
        "opus": ("speech", bombs.opus_bomb(size)),
        "flac of 1 Hz": ("speech", bombs.flac_of_rate(1)),
        "flac of 655 kHz": ("speech", bombs.flac_of_rate(655_350)),
        "wav of 4 GB": ("speech", bombs.wav_of_size(0xF0000000)),
        "id3": ("speech", bombs.id3_without_end(size)),
        "small id3": ("speech", bombs.id3_without_end(size, tag=0)),
        "mp4": ("speech", bombs.mp4_with_many_samples(170_000_000)),
        "matroska": ("speech", b"\x1a\x45\xdf\xa3" + random.Random(0).randbytes(size // 2)),
        "zeros": ("speech", b"\x1a\x45\xdf\xa3" + bytes(size)),
        "mp3": ("speech", b"\xff\xfb" + bytes(size)),
        "png header": ("image", bombs.png_of(60_000, 60_000)),
        "png": ("image", bombs.png_of(9_000, 9_000, rows=9_000)),
        "png line": ("image", bombs.png_of(15_900_000, 1, rows=1)),
        "png text": ("image", bombs.png_with_text(100 * MIB)),
    }


def answers(url):
    """Whether good requests are answered as ever."""
    for name, data in (("speech", encode_wav(tone(1.0))), ("image", png())):
        answer = send(f"{url}/embed", files={name: data}, timeout=30)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def server():
    with process(request_seconds=20) as (url, running):
        until(lambda: _ready(url))
        answers(url)
        yield url, running.pid


def _ready(url):
    try:
        return fetch(f"{url}/health").status_code == 200
    except httpx2.TransportError:
        return False


def test_one_after_the_other(server):
    url, pid = server
    before = resident_bytes(pid)
    for name, (field, data) in bombs_of(4 * MIB).items():
        answer = send(f"{url}/embed", files={field: data}, timeout=25)
        assert answer.status_code in (413, 415, 422), name
        assert answer.json()["error"]["message"]
    answers(url)
    assert resident_bytes(pid) - before < MORE_ALONE


def test_bodies_that_are_hard_to_read(server):
    """Parts, fields and values without end, of a few MiB: each is a refusal of a few words."""
    url, pid = server
    before, size = resident_bytes(pid), 4 * MIB
    head = b'--x\r\nContent-Disposition: form-data; name="speech"; filename="a"\r\n\r\n'
    form, fields = "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"
    for kind, body in [
        (form, b'--x\r\nContent-Disposition: form-data; name="' + b"a" * size + b'"\r\n\r\n'),
        (form, b"--x\r\n" + b"A: b\r\n" * (size // 6)),
        (form, head + b"\r" * size), (form, head + b"\r\n--" * (size // 4)),
        (form, b"--x\r\n" * (size // 5)), (form, b"-" * size),
        (fields, b"a=1&" * 250_000), (fields, b"%" * 1_000_000), (fields, b"a" * 1_000_000),
    ]:  # fmt: skip
        answer = send(f"{url}/embed", content=body, headers={"content-type": kind})
        assert 400 <= answer.status_code < 500, body[:80]
        assert len(answer.content) < 1_000
    for body in (
        b"[" * 1_000_000, b'{"model": "toy", "input": [' + b"1," * 400_000 + b"1]}",
        b'{"x": ' + b"9" * 900_000 + b"}", b'{"model": "' + b"a" * 900_000 + b'", "input": "b"}',
        b'{"model": "toy", "input": ["a"' + b', "b"' * 200_000 + b"]}",
    ):  # fmt: skip
        kind = {"content-type": "application/json"}
        answer = send(f"{url}/v1/embeddings", content=body, headers=kind)
        assert 400 <= answer.status_code < 500, body[:80]
        assert len(answer.content) < 1_000
    answers(url)
    assert resident_bytes(pid) - before < MORE_ALONE


@pytest.mark.slow
def test_all_at_once_and_for_long(server):
    """Four clients send every bomb at its full size, ten times, beside good requests."""
    url, pid = server
    before = resident_bytes(pid)
    told = bombs_of(25 * MIB - 4_096)
    seen, wrong = set(), []

    def attack(seed):
        order = list(told) * 10
        random.Random(seed).shuffle(order)
        with httpx2.Client(timeout=25) as client:
            for name in order:
                field, data = told[name]
                answer = client.post(f"{url}/embed", files={field: data})
                seen.add(answer.status_code)
                if answer.status_code not in (413, 415, 422, 429):
                    wrong.append((name, answer.status_code, answer.text))

    threads = [threading.Thread(target=attack, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        answers(url)
        for thread in threads:
            thread.join(1)
    assert not wrong
    assert resident_bytes(pid) - before < MORE_AT_ONCE
    answers(url)
