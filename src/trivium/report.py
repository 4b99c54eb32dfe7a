"""What people read: self-contained HTML pages (nothing from elsewhere), plots, times in words."""

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f24; --soft: #6a6f7a; --paper: #fbfaf8; --card: #fff;
  --line: #e6e2da; --accent: #b4552d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e6e1; --soft: #9a9ca3; --paper: #17181b;
  --card: #202226; --line: #34363b; --accent: #e08a5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.25rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans Devanagari",
  "Noto Sans CJK JP", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2.2rem 0 .8rem; }
p.note, .soft { color: var(--soft); margin: .2rem 0 0; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem; }
.card > img { width: 100%; max-width: 14rem; display: block; margin: 0 auto .7rem;
  border-radius: 6px; }
.line { display: grid; grid-template-columns: 2.4rem 1fr; gap: .1rem .5rem; padding: .35rem 0;
  border-top: 1px solid var(--line); }
.tag { color: var(--accent); font-variant: small-caps; }
audio { width: 100%; height: 28px; grid-column: 2; }
.card > .line:first-child { border-top: 0; }
table { border-collapse: collapse; margin-top: 1.2rem; }
th, td { padding: .2rem 1.2rem .2rem 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); }
"""


def png(figure: "Figure") -> bytes:
    """The bytes of a figure, drawn without pyplot and its state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(target, format="png")
    return target.getvalue()


def page(title: str, note: str, body: str) -> str:
    """A whole HTML page; `body` is HTML, the rest is text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f'<h1>{escape(title)}</h1><p class="note">{escape(note)}</p>\n{body}\n</body></html>\n'
    )


def write_page(path: Path, title: str, note: str, body: str) -> None:
    """Write a page, whole or not at all."""
    from trivium.checkpoint import write_file  # settings are slow to load, and `--help` reads times

    write_file(path, page(title, note, body))


def data_uri(data: bytes) -> str:
    """Bytes as an address that a page can hold, with the kind told by their content."""
    return f"data:{media_kind(data)};base64,{base64.b64encode(data).decode()}"


def html_table(headers: list[str], rows: list[list[str]], numbers: frozenset[int]) -> str:
    """An HTML table of texts; `numbers` are the columns set to the right."""

    def line(cells: list[str], tag: str) -> str:
        marked = (
            f"<{tag}{' class=n' if place in numbers else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(marked)}</tr>"

    return f"<table>{line(headers, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def media_kind(data: bytes) -> str:
    """`image/png` and the like, told by the first bytes, of what browsers show and play."""
    signatures = {
        b"\x89PNG": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"GIF8": "image/gif",
        b"BM": "image/bmp",
        b"fLaC": "audio/flac",
        b"OggS": "audio/ogg",
        b"ID3": "audio/mpeg",
        b"\xff\xfb": "audio/mpeg",
        b"\xff\xf3": "audio/mpeg",
    }
    if data[:4] == b"RIFF":
        return "audio/wav" if data[8:12] == b"WAVE" else "image/webp"
    found = (kind for start, kind in signatures.items() if data.startswith(start))
    return next(found, "application/octet-stream")
