"""A contact sheet: one page with pictures, players and texts, to see a corpus at a glance.

A page holds what it shows, so sounds are cut and pictures made smaller where they are large.
"""

import io
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from trivium.data.audio import decode_file, encode_flac
from trivium.data.corpus import Corpus
from trivium.data.examine.describe import describe, facts_table
from trivium.data.image import open_image
from trivium.data.store import Row, Rows
from trivium.errors import MediaError
from trivium.report import data_uri, duration, html_table, media_kind, write_page
from trivium.runtime import derive_seed

COLUMNS = ("id", "path", "offset", "seconds", "text", "language", "speaker", "picture", "label",
           "split")  # fmt: skip
PLAYED_SECONDS = 10.0  # of a sound
SOUND_BYTES, PICTURE_BYTES = 2 * 2**20, 512 * 2**10  # up to these they are shown as they are
PICTURE_SIDE = 512  # pixels, of pictures that are not


def write_sheet(corpus: Corpus, target: Path, cards: int = 24, seed: int = 0) -> None:
    """Write a page with a sample of the pictures (and what is said of each) and of the rest."""
    rng = np.random.default_rng(derive_seed(seed, "sheet"))
    where = {"pictures": "picture IS NOT NULL", "sounds": "picture IS NULL"}
    body = [_facts(corpus)]
    utterances = corpus.columns("utterances", ["picture"], where["pictures"])
    if len(utterances):
        pictures = utterances.column("picture").unique().to_pylist()
        places = rng.choice(len(pictures), min(cards, len(pictures)), replace=False)
        chosen = [pictures[place] for place in places]
        body += [
            "<h2>Pictures and what is said of them</h2>",
            _grid(_picture_cards(corpus, chosen)),
        ]
    others = corpus.columns("utterances", ["id"], where["sounds"]).column("row").to_numpy()
    if len(others):
        rows = np.sort(rng.choice(others, min(cards, len(others)), replace=False))
        single = (_card("", [line]) for _, line in _lines(corpus, rows))
        body += ["<h2>Speech without a picture</h2>", _grid(single)]
    if corpus.count("sentences"):
        body += ["<h2>Sentences without a voice</h2>", _sentences(corpus, rng, cards)]
    note = f"{corpus.card.source} Licence: {corpus.card.licence}."
    write_page(target, f"The corpus {corpus.card.name}", note.strip(), "\n".join(body))


def _picture_cards(corpus: Corpus, pictures: Sequence[str]) -> list[str]:
    """One card for each picture, made from one look-up of all captions."""
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in pictures)
    rows = corpus.columns("utterances", ["id"], f"picture IN ({names})").column("row").to_numpy()
    captions: dict[str, list[str]] = {name: [] for name in pictures}
    for picture, line in _lines(corpus, rows):
        captions[picture].append(line)
    there = corpus.columns("pictures", ["id"], f"id IN ({names})")
    places = dict(zip(there.column("id").to_pylist(), there.column("row").to_numpy(), strict=True))
    return [_card(_picture(corpus, name, places.get(name)), captions[name]) for name in pictures]


def _picture(corpus: Corpus, name: str, place: int | None) -> str:
    """A picture as the page shows it, or a note on why it does not."""
    if place is None:
        return _note(f"the picture {name!r} is not in the corpus")
    data = corpus.take("pictures", np.array([place]), ["image"]).column("image")[0].as_py() or b""
    try:
        return picture_html(data)
    except MediaError as error:
        return _note(f"the picture {name!r} cannot be shown: {error}")


def picture_html(data: bytes) -> str:
    """HTML that shows a picture, made smaller where it is large."""
    if len(data) > PICTURE_BYTES or not media_kind(data).startswith("image/"):
        data = _smaller(data)
    return f'<img alt="" src="{data_uri(data)}">'


def _smaller(data: bytes) -> bytes:
    encoded = io.BytesIO()
    with open_image(data) as image:
        image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        image.save(encoded, "PNG")
    return encoded.getvalue()


def _card(picture: str, lines: Sequence[str]) -> str:
    return f'<div class="card">{picture}{"".join(lines)}</div>'


def _lines(corpus: Corpus, rows: Rows) -> Iterable[tuple[str, str]]:
    """Each utterance's picture and its line; sounds are read one by one, talks are large."""
    for place, row in zip(rows, corpus.take("utterances", rows, COLUMNS).to_pylist(), strict=True):
        taken = corpus.take("utterances", np.array([place]), ["audio"])
        yield row["picture"], _line(row, *player_html(row, taken.column("audio")[0].as_py()))


def player_html(row: Row, audio: bytes | None) -> tuple[str, str]:
    """HTML that plays the sound of a row, and what is to be said of it."""
    seconds = row["seconds"] or PLAYED_SECONDS
    length = f"{seconds:.1f} s" if row["seconds"] else ""
    if audio is None and row["path"] is None:
        return "", length
    try:
        if audio is None or seconds > PLAYED_SECONDS or len(audio) > SOUND_BYTES:
            audio = _beginning(row, audio, min(seconds, PLAYED_SECONDS))
    except MediaError as error:
        return "", f"cannot be played: {error}"
    if seconds > PLAYED_SECONDS:
        length = f"the first {duration(PLAYED_SECONDS)} of {duration(seconds)}"
    return f'<audio controls preload="none" src="{data_uri(audio)}"></audio>', length


def _beginning(row: Row, audio: bytes | None, seconds: float) -> bytes:
    """The beginning of a sound as flac; the rest of it is not decoded."""
    if audio is None:
        return encode_flac(decode_file(Path(row["path"]), row["offset"] or 0.0, seconds))
    with tempfile.NamedTemporaryFile() as file:
        file.write(audio)
        file.flush()
        try:
            return encode_flac(decode_file(Path(file.name), 0.0, seconds))
        except MediaError as error:
            raise MediaError(str(error).replace(file.name, "it")) from error


def _line(row: Row, player: str, length: str) -> str:
    language = row["language"] or "-"
    facts = (row["split"], row["speaker"], row["label"], length)
    shown = " · ".join(fact for fact in facts if fact)
    return (
        f'<div class="line"><span class="tag">{escape(language)}</span>'
        f'<span lang="{escape(language)}" dir="auto">{escape(row["text"] or "")}</span>{player}'
        f'<span></span><span class="soft">{escape(shown)}</span></div>'
    )


def _note(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def _sentences(corpus: Corpus, rng: np.random.Generator, cards: int) -> str:
    rows = np.sort(
        rng.choice(corpus.count("sentences"), min(cards, corpus.count("sentences")), replace=False)
    )
    names = ["language", "text", "translation_language", "translation"]
    taken = corpus.take("sentences", rows, names).to_pylist()
    cells = [[row[name] or "" for name in names] for row in taken]
    return html_table(["language", "text", "in", "translation"], cells, frozenset())


def _facts(corpus: Corpus) -> str:
    headers, cells = facts_table(describe(corpus))
    return html_table(headers, cells, frozenset(range(2, len(headers))))


def _grid(cards: Iterable[str]) -> str:
    return f'<div class="grid">{"".join(cards)}</div>'
