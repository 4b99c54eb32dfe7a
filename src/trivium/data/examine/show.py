"""One row of a corpus, taken out to be seen and heard."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trivium.checkpoint import write_file
from trivium.data import store
from trivium.data.audio import encode_wav
from trivium.data.corpus import Corpus
from trivium.data.image import open_image
from trivium.errors import TriviumError


@dataclass(frozen=True)
class Shown:
    """What a row says, and the files made of its sound and picture."""

    columns: dict[str, str]
    files: list[Path]


def show_row(corpus: Corpus, id_: str, out: Path) -> Shown:
    """Write the wav and the picture of a row into the folder `out`."""
    table, row = corpus.find(id_)
    names = store.SCHEMAS[table].names
    (values,) = corpus.take(table, np.array([row]), names).to_pylist()
    out.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "_", id_)
    files: list[Path] = []
    if values.get("audio") is not None or values.get("path") is not None:
        files.append(out / f"{stem}.wav")
        write_file(files[-1], encode_wav(corpus.sound(values)))
    instead = None
    try:
        image = _image(corpus, values)
        if image is not None:
            files.append(_write_png(image, out / f"{stem}.png"))
    except TriviumError as error:
        instead = f"not shown: {error}"
    light = {name: value for name, value in values.items() if name not in store.HEAVY}
    if light.get("phones"):
        light["phones"] = " ".join(phone["symbol"] for phone in light["phones"])
    told = {name: _told(value) for name, value in light.items() if value is not None}
    if instead:
        # The rest of a row is worth seeing without its picture.
        told["picture"] = f"{told['picture']} ({instead})" if "picture" in told else instead
    return Shown({"table": table, **told}, files)


def _image(corpus: Corpus, row: store.Row) -> bytes | None:
    """The picture that a row is or names."""
    if not row.get("picture"):
        return row.get("image")
    taken = corpus.take("pictures", corpus.picture_rows([row["picture"]]), ["image"])
    image: bytes | None = taken.column("image")[0].as_py()
    return image


def _write_png(image: bytes, path: Path) -> Path:
    encoded = io.BytesIO()
    open_image(image).save(encoded, "PNG")
    write_file(path, encoded.getvalue())
    return path


def _told(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
