"""`trivium demo`: the first look."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    from trivium.data.corpus import Corpus
    from trivium.models.loaded import Model
    from trivium.tasks.finds import Finding

LANGUAGES = ("en", "hi", "ja")  # what the model that ships has heard
PICTURE = "scene-test-000004"


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's corpus is made.")] = Path("demo"),
) -> None:
    """Make a small corpus, search its pictures by voice, and say what to type next."""
    from trivium.cli.corpus import world
    from trivium.data.corpus import Corpus
    from trivium.data.examine.sheet import write_sheet
    from trivium.models.loaded import Model
    from trivium.tasks.finds import find, write_findings

    out = folder / "scenes"
    console.say(f"Making a small world of scenes, sentences and voices in {out}")
    world(out, size="small", languages=",".join(LANGUAGES))
    corpus, model = Corpus.open(out), Model.load("world-speechclip")
    write_sheet(corpus, out / "sheet.html")
    console.say("")
    with console.Progress("embed", "items") as progress:
        findings = find(model, corpus, PICTURE, LANGUAGES, advance=progress.advance)
    for finding in findings:
        _show(finding)
    page = folder / "found.html"
    write_findings(page, "Found by voice", _note(corpus), findings)
    _score(model, corpus, folder)
    activate = "" if shutil.which("trivium") else "\n  . .venv/bin/activate"
    console.say(f"""\
Next:{activate}
  open {page} in a browser              hear the sentences, see the pictures
  open {out / "sheet.html"}                   what the corpus holds
  trivium corpus show {out} {PICTURE}-hi --out {folder}
  trivium translate {folder / PICTURE}-hi.wav --model world-composite --language hi --to en
  trivium library index world-speechclip {out} {folder / "library"} --of picture
  trivium search {folder / "library"} --text "two large red stars" --sheet {folder / "red.html"}
  trivium train clip.tiny --corpus {out} --out {folder / "run"}
  trivium corpus import your-table.csv {folder / "yours"}
  trivium serve {folder / "library"}          a page to speak to, and HTTP""")


def _show(finding: "Finding") -> None:
    """A spoken sentence, the pictures found for it, and the English sentences."""
    console.say(f"[{finding.language}] {finding.text}")
    console.pictures([hit.image for hit in finding.pictures])
    rows = [
        (place, "*" if a.is_right else "", a.text, "*" if b.is_right else "", b.text)
        for place, (a, b) in enumerate(zip(finding.pictures, finding.sentences, strict=True), 1)
    ]
    console.table(("", "", "nearest pictures, by their captions", "", "nearest sentences"), rows)


def _score(model: "Model", corpus: "Corpus", folder: Path) -> None:
    """The retrieval table of the test split, whose scenes and voices the model has never met."""
    from trivium.tasks.retrieval import measure

    found = measure(model, corpus, "test")
    found.write(folder)
    console.table(*found.table(), title="test split: percent; what chance gives in brackets")


def _note(corpus: "Corpus") -> str:
    return (
        f"One sentence in three languages, searched among {corpus.count('pictures'):,} pictures "
        "and their English captions; the right one is framed. The voices are synthetic."
    )
