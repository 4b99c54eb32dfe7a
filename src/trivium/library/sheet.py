"""What was found, as one page with pictures, players and texts that holds all it shows."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from trivium.data.examine.sheet import picture_html, player_html
from trivium.errors import TriviumError
from trivium.library.library import Hit, Library
from trivium.report import write_page

STYLE = """<style>
.found { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
.found .soft { overflow-wrap: anywhere; font-size: .8rem; margin-top: .4rem; }
</style>"""


def write_results(
    target: Path, library: Library, query: str | bytes, kind: str, hits: Sequence[Hit]
) -> None:
    """Write a page: the query, a text or the bytes of a sound or a picture, and what it found."""
    asked = _text(query) if isinstance(query, str) else _medium(kind, query)
    found = "".join(_card(library, hit) for hit in hits)
    note = f"{len(hits)} of the {len(library):,} items of {library.path}, the nearest first."
    body = f'{STYLE}<h2>Asked</h2><div class="found"><div class="card">{asked}</div></div>'
    write_page(target, "Found", note, f'{body}<h2>Found</h2><div class="found">{found}</div>')


def _card(library: Library, hit: Hit) -> str:
    """An item as the page shows it, or why it does not, and what is known of it."""
    item, shown = hit.item, ""
    if hit.kind != "text":
        try:
            shown = _medium(hit.kind, library.media(hit) or b"")
        except TriviumError as error:
            shown = _soft(f"cannot be shown: {error}")
    length = f"{item['seconds']:.1f} s" if "seconds" in item else None
    facts = (f"{hit.score:.3f}", hit.kind, item.get("language"), length, item.get("speaker"))
    told = " · ".join(fact for fact in facts if fact)
    text = _text(item.get("text", ""), item.get("language", ""))
    return f'<div class="card">{shown}{text}{_soft(told)}{_soft(hit.id)}</div>'


def _medium(kind: str, data: bytes) -> str:
    if kind == "picture":
        return picture_html(data)
    return player_html({"seconds": None, "path": None, "offset": None}, data)[0]


def _text(text: str, language: str = "") -> str:
    return f'<div lang="{escape(language)}" dir="auto">{escape(text)}</div>'


def _soft(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'
