"""`trivium demo`: the first look."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli import console


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's corpus is made.")] = Path("demo"),
) -> None:
    """Make a small corpus, show what is in it, and say what to type next."""
    from trivium.cli.corpus import info
    from trivium.cli.world import world
    from trivium.data.corpus import Corpus
    from trivium.data.examine.sheet import write_sheet

    out = folder / "world"
    console.say(f"Making a tiny world of scenes, sentences and voices in {out}")
    world(out)
    console.say("")
    info(out)
    corpus = Corpus.open(out)
    shown = corpus.columns("utterances", ["language", "text"], "picture = 'scene-train-000000'")
    rows = [(row["language"], row["text"]) for row in shown.to_pylist()]
    console.table(("", "one picture, said in six languages"), rows)
    write_sheet(corpus, out / "sheet.html")
    activate = "" if shutil.which("trivium") else "\n  . .venv/bin/activate"
    console.say(f"""\
Next:{activate}
  open {out / "sheet.html"} in a browser        pictures, players, texts
  trivium corpus show {out} scene-train-000000-en --out {folder}
  trivium corpus check {out}
  trivium bench loader {out}
  trivium world {folder / "small"} --size small                  about 5 hours of speech
  trivium corpus import your-table.csv {folder / "yours"}""")
