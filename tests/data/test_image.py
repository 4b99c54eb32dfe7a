import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import png
from trivium.data.image import decode_image
from trivium.errors import MediaError


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A header that promises far more than the 60 bytes behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_becomes_rgb(kind):
    pixels = decode_image(encoded(Image.new("RGB", (6, 4), (200, 30, 40)), kind))
    assert pixels.shape == (4, 6, 3)
    assert np.abs(pixels.astype(int) - (200, 30, 40)).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "I;16"])
def test_other_modes_become_rgb(mode):
    kind = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    assert decode_image(encoded(Image.new(mode, (3, 3)), kind)).shape == (3, 3, 3)


def test_sixteen_bits_are_as_bright_as_eight():
    ramp = np.linspace(0, 65_535, 64, dtype=np.uint16)[None].repeat(4, 0)
    for kind in ("PNG", "TIFF"):
        pixels = decode_image(encoded(Image.fromarray(ramp), kind))
        np.testing.assert_array_equal(pixels[..., 0], ramp >> 8)
    with pytest.raises(MediaError, match=r"32 bits \(mode F\)"):
        decode_image(encoded(Image.fromarray(ramp.astype(np.float32)), "TIFF"))


def test_transparency_is_put_on_white():
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert (decode_image(encoded(clear, "PNG")) == 255).all()


def test_a_picture_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    data = encoded(Image.new("RGB", (10, 4), "red"), "JPEG", exif=exif)
    assert decode_image(data).shape == (10, 4, 3)


HOSTILE = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"a text named .png", "begin with b'a text n'"),
    "huge": (huge_png(30_000, 30_000), "more pixels than the 64,000,000"),
    "large": (huge_png(9_000, 9_000), r"9,000 x 9,000 pixels; at most"),
    "thin": (huge_png(50_000, 2), r"50,000 x 2 pixels; its sides differ more than 100-fold"),
    "cut": (png(side=64)[:-40], "damaged"),
    "pdf": (b"%PDF-1.4 not a picture", "begin with"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pictures_get_one_sentence(name):
    data, sentence = HOSTILE[name]
    with pytest.raises(MediaError, match=sentence) as caught:
        decode_image(data)
    assert "\n" not in str(caught.value)


@given(st.binary(min_size=1, max_size=60), st.integers(8, 60))
def test_damaged_png_gives_pixels_or_a_sentence(garbage, place):
    whole = png(side=16)
    try:
        assert decode_image(whole[:place] + garbage + whole[place + len(garbage) :]).ndim == 3
    except MediaError as error:
        assert str(error)
