"""A contact sheet: one page with pictures, players and texts, to see a corpus at a glance."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from trivium.data.corpus import Corpus
from trivium.data.examine.describe import describe, facts_table
from trivium.data.store import Row
from trivium.report import data_uri, html_table, write_page
from trivium.runtime import derive_seed

COLUMNS = ("id", "audio", "path", "offset", "seconds", "text", "language", "speaker", "picture",
           "translation", "label", "split")  # fmt: skip


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
        taken = corpus.take("utterances", rows, COLUMNS).to_pylist()
        body += ["<h2>Speech without a picture</h2>", _grid(_card(None, [row]) for row in taken)]
    if corpus.count("sentences"):
        body += ["<h2>Sentences without a voice</h2>", _sentences(corpus, rng, cards)]
    note = f"{corpus.card.source} Licence: {corpus.card.licence}."
    write_page(target, f"The corpus {corpus.card.name}", note.strip(), "\n".join(body))


def _picture_cards(corpus: Corpus, pictures: Sequence[str]) -> list[str]:
    """One card for each picture, made from one look-up of all captions."""
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in pictures)
    rows = corpus.columns("utterances", ["id"], f"picture IN ({names})").column("row").to_numpy()
    captions: dict[str, list[Row]] = {name: [] for name in pictures}
    for row in corpus.take("utterances", rows, COLUMNS).to_pylist():
        captions[row["picture"]].append(row)
    images = corpus.take("pictures", corpus.picture_rows(pictures), ["image"]).column("image")
    return [
        _card(image.as_py(), captions[name]) for name, image in zip(pictures, images, strict=True)
    ]


def _card(image: bytes | None, rows: Sequence[Row]) -> str:
    picture = f'<img alt="" src="{data_uri(image)}">' if image else ""
    return f'<div class="card">{picture}{"".join(_line(row) for row in rows)}</div>'


def _line(row: Row) -> str:
    language = row["language"] or "-"
    length = f"{row['seconds']:.1f} s" if row["seconds"] else None
    facts = (row["split"], row["speaker"], row["label"], length)
    shown = " · ".join(fact for fact in facts if fact)
    sound = (
        f'<audio controls preload="none" src="{data_uri(row["audio"])}"></audio>'
        if row["audio"]
        else ""
    )
    return (
        f'<div class="line"><span class="tag">{escape(language)}</span>'
        f'<span lang="{escape(language)}" dir="auto">{escape(row["text"] or "")}</span>{sound}'
        f'<span></span><span class="soft">{escape(shown)}</span></div>'
    )


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


def _grid(cards: Any) -> str:
    return f'<div class="grid">{"".join(cards)}</div>'
