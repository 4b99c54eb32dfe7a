"""A report: one page of HTML that needs nothing else, the same as Markdown, and its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from trivium.checkpoint import write_file
from trivium.errors import TriviumError
from trivium.report import data_uri, html_table, write_page

PAGE, MARKDOWN = "report.html", "report.md"


@dataclass(frozen=True)
class Table:
    """Rows of words; the columns from `numbers` on are set to the right."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 1

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headers):
                raise TriviumError(
                    f"a row of {len(row)} cells, {row[:1]}, under {len(self.headers)} headers"
                )

    def html(self) -> str:
        """As HTML, scrolling by itself where the page is narrow."""
        columns = frozenset(range(self.numbers, len(self.headers)))
        table = html_table(list(self.headers), [list(row) for row in self.rows], columns)
        return f'<div style="overflow-x: auto">{table}</div>'

    def markdown(self) -> str:
        """As Markdown."""
        marks = ["---" if n < self.numbers else "--:" for n in range(len(self.headers))]
        lines = [self.headers, marks, *self.rows]
        return "\n".join(f"| {' | '.join(_cell(word) for word in line)} |" for line in lines)


@dataclass(frozen=True)
class Plot:
    """A picture with the name of its file, and what it shows in words."""

    name: str
    words: str
    image: bytes


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in this order."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    plot: Plot | None = None

    def html(self) -> str:
        """As HTML."""
        parts = [f"<h2>{escape(self.title)}</h2>"]
        parts += [f"<p>{escape(sentence)}</p>" for sentence in self.sentences]
        if self.table is not None:
            parts.append(self.table.html())
        if self.plot is not None:
            style = "max-width: 100%; height: auto; margin-top: 1rem; border-radius: 6px"
            source, words = data_uri(self.plot.image), escape(self.plot.words)
            parts.append(f'<img src="{source}" alt="{words}" style="{style}">')
        return "\n".join(parts)

    def markdown(self) -> str:
        """As Markdown, the picture beside it."""
        parts = [f"## {self.title}", *self.sentences]
        if self.table is not None:
            parts.append(self.table.markdown())
        if self.plot is not None:
            parts.append(f"![{self.plot.words}]({self.plot.name})")
        return "\n\n".join(parts)


def write_report(folder: Path, title: str, note: str, sections: Sequence[Section]) -> Path:
    """Write pictures, Markdown and HTML; the HTML page."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in sections:
        if section.plot is not None:
            write_file(folder / section.plot.name, section.plot.image)
    text = "\n\n".join([f"# {title}", note, *(section.markdown() for section in sections)])
    write_file(folder / MARKDOWN, text + "\n")
    body = "\n".join(section.html() for section in sections)
    write_page(folder / PAGE, title, note, body)
    return folder / PAGE


def _cell(word: str) -> str:
    return word.replace("|", "\\|").replace("\n", " ")
