"""`trivium library`, `trivium search`, `trivium embed`, and the page that shows them."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import png, tone
from tests.end_to_end.test_readme import shown_in
from tests.library.test_sources import fill
from tests.library.toys import Toy
from trivium.__main__ import main
from trivium.data.audio import encode_wav
from trivium.library import nearest
from trivium.library.library import Library

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
MODEL = "world-speechclip"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs a command in a folder of its own; its exit code, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["trivium", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def mixed(tmp_path):
    """A folder with one file of each kind, and two that cannot be read."""
    files = {"a.txt": "a red star", "b.wav": encode_wav(tone(0.4)), "c.png": png("red", 32),
             "bad.png": "junk", "sub/bad.wav": "junk"}  # fmt: skip
    return fill(tmp_path / "mixed", files)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_pages_commands_print_what_it_shows(command, capsys):
    lines = [line for block in blocks("console") for line in block.splitlines()]
    output, count = "", 0
    for line in lines:
        if line.startswith("$ trivium "):
            code, output, errors = command(*shlex.split(line)[2:])
            assert code == 0, f"{line}\n{errors}"
            count += 1
        else:
            assert shown_in(line, output), f"should print\n{line}\nbut prints\n{output}"
    assert count >= 7
    page = Path("demo/found.html").read_text(encoding="utf-8")
    assert page.count("<img ") >= 2
    assert page.count("<audio ") >= 1
    assert "http" not in page.replace("http-equiv", "")
    for example in blocks("python"):
        exec(compile(example, PAGE.name, "exec"), {})
    assert "world/pictures/scene-" in capsys.readouterr().out


def test_a_folder_is_indexed_searched_and_told_of(command, mixed):
    code, output, _ = command("library", "index", MODEL, mixed, "l", "--language", "en")
    assert code == 0
    assert output.splitlines()[:2] == [
        "l: 3 added; 3 items", "skipped 2 items; reasons are in l/skipped.jsonl"
    ]  # fmt: skip
    assert "  sub/bad.wav: the bytes are not wav" in output
    assert (
        "l: nothing new; 3 items"
        in command("library", "index", MODEL, mixed, "l", "--language", "en")[1]
    )
    code, output, _ = command("search", "l", "--text", "a red star", "--json")
    found = json.loads(output)
    assert found[0]["id"] == "mixed/a.txt"
    assert [hit["cosine"] for hit in found] == sorted((h["cosine"] for h in found), reverse=True)
    code, _, errors = command("search", "l", "--speech", mixed / "sub" / "bad.wav")
    assert code == 2
    assert "sub/bad.wav: the bytes are not wav" in errors
    assert "nothing matches" in command("search", "l", "--text", "x", "--where", "seconds > 9")[1]
    (mixed / "a.txt").unlink()
    code, output, _ = command("library", "index", MODEL, mixed, "l", "--language", "en")
    assert f"1 are gone from {mixed}, and kept; --drop removes them" in output
    output = command("library", "index", MODEL, mixed, "l", "--language", "en", "--drop")[1]
    assert "l: 1 dropped; 2 items" in output


def test_vectors_alone(command, mixed):
    code, output, _ = command("embed", MODEL, mixed, "v.npy", "--of", "text,picture")
    assert code == 0
    assert "v.npy: 2 vectors of 256; v.jsonl" in output
    assert "bad.png: the bytes are none" in output
    assert np.load("v.npy").shape == (2, 256)


def test_a_large_library_is_tuned_and_says_what_it_lacks(command, tmp_path, monkeypatch):
    texts = fill(tmp_path / "texts", {f"{n:03}.txt": f"text {n}" for n in range(300)})
    Library.create("l", "toy", Toy()).index(texts)
    assert command("library", "tune", "l")[1] == (
        "l: 300 items are all compared; there is nothing to tune\n"
    )
    monkeypatch.setattr(nearest, "INDEX_FROM", 200)
    monkeypatch.setattr(nearest, "best_device", lambda: "cpu")
    _, _, errors = command("library", "near", "l", "texts/001.txt")
    assert "all 300 items of l are compared until `trivium library tune l` makes an index" in errors
    code, output, errors = command("library", "tune", "l", "--recall", "0.9")
    assert (code, errors) == (0, "")
    assert re.search(r"l: 300 items in \d+ lists", output)
    assert re.search(r"recall 0.9: \d+ lists, \d+ with a filter; searches use this\n", output)
    assert re.search(r"recall 0.95: \d+ lists, \d+ with a filter\n", output)
    code, output, errors = command("library", "tune", "l", "--json")
    assert json.loads(output)["recall"] == 0.95
    assert command("library", "near", "l", "texts/001.txt")[2] == ""
    code, _, errors = command("library", "tune", "l", "--recall", "2")
    assert (code, errors) == (2, "trivium: a recall of 2.0; give one above 0 and up to 1\n")


def test_a_source_that_was_not_indexed_to_its_end_is_told(command, mixed):
    command("library", "index", MODEL, mixed, "l")
    card = Library.open("l").card
    broken = card.sources["mixed"].model_copy(update={"complete": False})
    card.model_copy(update={"sources": {"mixed": broken}}).write(Path("l"))
    _, _, errors = command("library", "near", "l", "mixed/a.txt")
    assert "mixed was not indexed to its end" in errors
    assert "(not to its end)" in command("library", "info", "l")[1]


def test_a_sheet_says_what_it_cannot_show(command, mixed):
    command("library", "index", MODEL, mixed, "l")
    (mixed / "c.png").unlink()
    (mixed / "b.wav").unlink()
    (mixed / "d.txt").write_text("<b>bold</b>")
    command("library", "index", MODEL, mixed, "l")
    code, _, errors = command("search", "l", "--text", "<i>x</i>", "--json", "--sheet", "o.html")
    assert code == 0
    assert "wrote o.html" in errors
    page = Path("o.html").read_text(encoding="utf-8")
    assert page.count("cannot be shown: ") == 2
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "&lt;b&gt;bold" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["search", "nowhere", "--text", "a"], "nowhere is not there; `trivium library index"),
        (["search", "mixed", "--text", "a"], "mixed has no library.json, so it is no library"),
        (["library", "info", "nowhere"], "nowhere is not there"),
        (["library", "near", "nowhere", "x"], "nowhere is not there"),
        (["library", "index", MODEL, "empty", "l"], "empty holds nothing to embed"),
        (["library", "index", MODEL, "nowhere", "l"], "nowhere is not there"),
        (["library", "index", "mdoel", "mixed", "l"], "mdoel is no folder and no model"),
        (["library", "index", MODEL, "mixed", "mixed"], "mixed holds other things"),
        (["library", "index", MODEL, "mixed", "l", "--of", "image"], "'image' is no kind of item"),
        (["embed", MODEL, "mixed", "v.txt"], "v.txt is no name for vectors; it ends in .npy"),
    ],
)
def test_a_mistake_is_one_sentence_and_makes_nothing(command, mixed, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    code, output, errors = command(*words)
    assert (code, output) == (2, "")
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "l").exists()
