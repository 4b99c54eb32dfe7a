"""Files that mean harm: small to send, large or endless to decode, or not what they say."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.conftest import tone
from trivium.data.audio import encode_flac, encode_wav

MIB = 2**20


def opus_bomb(size):
    """An Ogg of Opus packets of one byte, each 60 ms of silence: 1,900 times larger as samples."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"none" + struct.pack("<I", 0)
    packets = 255
    page = 27 + packets + packets
    count = (size - 100) // page
    numbers = np.arange(count)
    pages = np.zeros((count, page), np.uint8)
    pages[:, :27] = np.frombuffer(_page_head(0, 0, 0, packets), np.uint8)
    granules = (numbers + 1) * packets * 2_880  # 60 ms of 48 kHz
    pages[:, 6:14] = granules.astype("<u8").view(np.uint8).reshape(-1, 8)
    pages[:, 18:22] = (numbers + 2).astype("<u4").view(np.uint8).reshape(-1, 4)
    pages[:, 27 : 27 + packets] = 1
    pages[:, 27 + packets :] = 0b00011000  # silk, 60 ms, one frame of nothing
    pages[:, 22:26] = _crc(pages).astype("<u4").view(np.uint8).reshape(-1, 4)
    return _page(head, 0, 2) + _page(tags, 1, 0) + pages.tobytes()


def flac_of_rate(rate_hz):
    """A FLAC whose header tells another rate."""
    data = bytearray(encode_flac(tone(0.5)))
    (bits,) = struct.unpack_from(">Q", data, 18)
    struct.pack_into(">Q", data, 18, (bits & (2**44 - 1)) | (rate_hz << 44))
    return bytes(data)


def wav_of_size(size):
    """A WAV whose data chunk promises so many bytes."""
    data = bytearray(encode_wav(tone(0.5)))
    place = data.index(b"data")
    struct.pack_into("<I", data, place + 4, size)
    struct.pack_into("<I", data, 4, min(size + 36, 0xFFFFFFFF))
    return bytes(data)


def id3_without_end(size, tag=0x0FFFFFFF):
    """Tag after tag; each says that it is so long, and no sound ever comes."""
    long = bytes((tag >> shift) & 0x7F for shift in (21, 14, 7, 0))
    one = b"ID3\x04\x00\x00" + long
    return one * (size // len(one))


def png_of(width, height, rows=0):
    """A PNG with a header that tells a size, and so many rows of nothing."""

    def chunk(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer, packed = zlib.compressobj(9), []
    for _ in range(rows):
        packed.append(packer.compress(bytes(1 + 3 * width)))
    packed.append(packer.flush())
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"".join(packed))
            + chunk(b"IEND", b""))  # fmt: skip


def png_with_text(size):
    """A small PNG with compressed text that is so long."""
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    data = target.getvalue()
    text = b"Comment\0\0" + zlib.compress(bytes(size), 9)
    crc = struct.pack(">I", zlib.crc32(b"zTXt" + text))
    return data[:33] + struct.pack(">I", len(text)) + b"zTXt" + text + crc + data[33:]


def recording(container="webm", seconds=1.0, rate_hz=48_000, channels=1):
    """What a browser records: Opus in webm, or AAC in mp4."""
    import av

    target = io.BytesIO()
    with av.open(target, "w", format=container) as opened:
        codec = "libopus" if container == "webm" else "aac"
        stream = opened.add_stream(codec, rate=rate_hz)
        stream.layout = "mono" if channels == 1 else "stereo"
        wave = np.repeat(tone(seconds, rate_hz=rate_hz)[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts = rate_hz, 0
        opened.mux([*stream.encode(frame), *stream.encode(None)])
    return target.getvalue()


def mp4_with_many_samples(count):
    """An mp4 whose tables, a few bytes long, tell of so many pieces."""
    data = bytearray(recording("mp4"))
    place = data.index(b"stsz")
    struct.pack_into(">II", data, place + 8, 1, count)  # each is of one byte
    place = data.index(b"stsc")
    struct.pack_into(">I", data, place + 16, count)  # and all are in one chunk
    place = data.index(b"stts")
    struct.pack_into(">I", data, place + 12, count)
    return bytes(data)


def _page(data, number, flags):
    page = bytearray(_page_head(number, 0, flags, 1) + bytes([len(data)]) + data)
    (crc,) = _crc(np.frombuffer(bytes(page), np.uint8)[None])
    struct.pack_into("<I", page, 22, int(crc))
    return bytes(page)


def _page_head(number, granule, flags, segments):
    return b"OggS" + struct.pack("<BBQIIIB", 0, flags, granule, 7, number, 0, segments)


def _crc(pages):
    """Ogg's checksum of each row."""
    table = np.arange(256, dtype=np.uint64) << 24
    for _ in range(8):
        table = np.where(table & 0x80000000, (table << 1) ^ 0x04C11DB7, table << 1) & 0xFFFFFFFF
    crc = np.zeros(len(pages), np.uint64)
    for column in pages.T:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ table[((crc >> 24) ^ column).astype(np.intp)]
    return crc
