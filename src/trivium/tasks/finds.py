"""A look at what a model finds: for one picture's spoken captions, the nearest of everything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data.corpus import SOUND_COLUMNS, Corpus
from trivium.data.image import decode_image
from trivium.errors import TriviumError
from trivium.report import data_uri, write_page
from trivium.tasks.metrics import Vectors
from trivium.tasks.vectors import EMBED_ITEMS, Embedder


@dataclass(frozen=True)
class Hit:
    """Something that was found."""

    text: str
    score: float  # cosine
    is_right: bool
    image: bytes = b""


@dataclass(frozen=True)
class Finding:
    """A spoken sentence and what is nearest to it, best first."""

    language: str
    text: str
    sound: bytes
    pictures: tuple[Hit, ...]
    sentences: tuple[Hit, ...]


def find(
    model: Embedder,
    corpus: Corpus,
    picture: str,
    languages: Sequence[str],
    count: int = 10,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Search all pictures and all English captions of a corpus with the captions of one picture."""
    names = corpus.columns("pictures", ["id"])["id"].to_pylist()
    if picture not in names:
        raise TriviumError(f"{corpus.path} has no picture {picture!r}; ids look like {names[0]!r}")
    said = corpus.columns("utterances", ["picture", "text"], "language = 'en'").to_pylist()
    english = {row["picture"]: row["text"] for row in said if row["picture"] and row["text"]}
    images: list[bytes] = []
    shown: list[Vectors] = []
    for start in range(0, len(names), EMBED_ITEMS):
        rows = np.arange(start, min(start + EMBED_ITEMS, len(names)))
        part = corpus.take("pictures", rows, ["image"])["image"].to_pylist()
        shown.append(model.embed_picture([decode_image(image) for image in part]))
        images += part
        advance(len(part))
    captions = list(dict.fromkeys(english.values()))
    written = model.embed_text(captions, "en")
    advance(len(captions))
    gallery = np.concatenate(shown)

    def search(row: dict[str, Any]) -> Finding:
        [vector] = model.embed_speech([corpus.sound(row)], row["language"])
        seen, read = gallery @ vector, written @ vector
        return Finding(
            row["language"], row["text"], row["audio"],
            tuple(Hit(english.get(names[place], names[place]), float(seen[place]),
                      names[place] == picture, images[place]) for place in _best(seen, count)),
            tuple(Hit(captions[place], float(read[place]), captions[place] == english.get(picture))
                  for place in _best(read, count)),
        )  # fmt: skip

    quoted = picture.replace("'", "''")
    own = corpus.columns("utterances", ["language"], f"picture = '{quoted}'").to_pylist()
    own_rows = np.array(
        [row["row"] for code in languages for row in own if row["language"] == code]
    )
    taken = corpus.take("utterances", own_rows, [*SOUND_COLUMNS, "text", "language"])
    return [search(row) for row in taken.to_pylist()]


def write_findings(path: Path, title: str, note: str, findings: Sequence[Finding]) -> None:
    """One page with players, pictures and sentences; what is right is framed."""
    write_page(path, title, note, FRAME + "".join(_section(finding) for finding in findings))


FRAME = """<style>
.found { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.found figure { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .5rem; }
.found .right { border: 2px solid var(--accent); }
.found img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; }
.found figcaption { font-size: .8rem; color: var(--soft); margin-top: .3rem; }
ol.read { padding-left: 1.4rem; } ol.read .right { color: var(--accent); font-weight: 600; }
</style>"""


def _section(finding: Finding) -> str:
    spoken = f'<audio controls preload="none" src="{data_uri(finding.sound)}"></audio>'
    figures = "".join(
        f'<figure class="{"right" if hit.is_right else ""}"><img alt="" '
        f'src="{data_uri(hit.image)}"><figcaption>{hit.score:.2f} {escape(hit.text)}</figcaption>'
        "</figure>"
        for hit in finding.pictures
    )
    lines = "".join(
        f'<li class="{"right" if hit.is_right else ""}">{escape(hit.text)} '
        f'<span class="soft">{hit.score:.2f}</span></li>'
        for hit in finding.sentences
    )
    language = escape(finding.language)
    return (
        f'<h2><span class="tag">{language}</span> <span lang="{language}">'
        f"{escape(finding.text)}</span></h2>{spoken}"
        f'<div class="found">{figures}</div><ol class="read">{lines}</ol>'
    )


def _best(scores: Vectors, count: int) -> list[int]:
    """Places of the highest scores, best first."""
    order: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return order
