"""Pictures: bytes in, RGB out; size is read from the header and refused before memory is taken."""

import io
import math

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trivium.errors import MediaError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
MAX_RATIO = 100  # of the sides: towers bring the shorter one to their own size
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]  # (height, width, 3)


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """RGB pixels of an encoded picture, turned as its camera says, transparency on white."""
    with open_image(data, max_pixels) as image:
        return np.asarray(image)


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The same as a Pillow picture in mode RGB."""
    if not data:
        raise MediaError(f"the picture is empty ({len(data)} bytes)")
    if len(data) > MAX_BYTES:
        raise MediaError(f"the picture has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if math.prod(image.size) > max_pixels:
                raise MediaError(
                    f"the picture has {image.width:,} x {image.height:,} pixels; "
                    f"at most {max_pixels:,} are decoded"
                )
            if max(image.size) > MAX_RATIO * min(image.size):
                raise MediaError(
                    f"the picture has {image.width:,} x {image.height:,} pixels; its sides differ "
                    f"more than {MAX_RATIO}-fold"
                )
            return _as_rgb(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            f"the picture has far more pixels than the {max_pixels:,} that are decoded"
        ) from error
    except UnidentifiedImageError as error:
        raise MediaError(
            f"the bytes are none of {', '.join(FORMATS).lower()} (they begin with {data[:8]!r})"
        ) from error
    # Pillow's decoders raise these on damaged bytes, depending on the format.
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise MediaError(f"the picture of {len(data):,} bytes is damaged: {error}") from error


def _as_rgb(image: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I;16"):  # Pillow would cut it off at 255
        turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    elif turned.mode in ("I", "F"):
        raise MediaError(
            f"the picture has pixels of 32 bits (mode {turned.mode}), and how bright they may be "
            "is not told; save it with 8 or 16"
        )
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        white = Image.new("RGBA", turned.size, "white")
        return Image.alpha_composite(white, turned.convert("RGBA")).convert("RGB")
    return turned.convert("RGB")
