import pytest

from tests.data.corpora.test_ingest import ROWS, files, write_csv
from trivium.cli.main import run as trivium

__all__ = ["files"]


def test_another_table_of_the_same_name_is_refused(files, capsys):
    for folder, text in (("one", "first"), ("two", "second")):
        (files / folder).mkdir()
        write_csv(files / folder / "t.csv", [{"text": text}])
    out = str(files / "out")
    assert trivium(["corpus", "import", str(files / "one" / "t.csv"), out]) == 0
    assert trivium(["corpus", "import", str(files / "two" / "t.csv"), out]) == 2
    told = capsys.readouterr().err
    assert str(files / "one" / "t.csv") in told
    assert str(files / "two" / "t.csv") in told
    arguments = [str(files / "one" / "t.csv"), out, "--audio-root", str(files)]
    assert trivium(["corpus", "import", *arguments]) == 2  # other sounds under the same names


def test_the_same_table_by_another_path_continues(files, capsys, monkeypatch):
    write_csv(files / "t.csv", ROWS)
    assert trivium(["corpus", "import", str(files / "t.csv"), str(files / "out")]) == 0
    monkeypatch.chdir(files)
    assert trivium(["corpus", "import", "t.csv", "out"]) == 0
    assert "added nothing new to out (6 rows were there)" in capsys.readouterr().out


def test_changed_rows_are_told(files, capsys):
    for text in ("first", "second"):
        write_csv(files / "t.csv", [{"text": text}, {"text": "same"}])
        assert trivium(["corpus", "import", str(files / "t.csv"), str(files / "out")]) == 0
    told = capsys.readouterr().out
    assert "skipped 1 row" in told
    assert "stored otherwise under the same id, and left so: 1 row" in told


def test_an_import_of_nothing_fails(files, capsys):
    write_csv(files / "t.csv", [{"audio": "lost.flac"}, {"audio": "gone.flac"}])
    assert trivium(["corpus", "import", str(files / "t.csv"), str(files / "out")]) == 1
    told = capsys.readouterr()
    assert "skipped 2 rows" in told.out
    assert "no row could be used" in told.out


@pytest.mark.parametrize("content", ["", "text\n", "wrod\nx\n"])
def test_a_table_of_nothing_leaves_nothing(files, content, capsys):
    (files / "t.csv").write_text(content)
    assert trivium(["corpus", "import", str(files / "t.csv"), str(files / "out")]) == 2
    assert not (files / "out").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_the_rows_of_a_table_are_the_total_of_the_bar(files, monkeypatch):
    totals = []

    class Bar:
        done = 0

        def __init__(self, what, unit, total):
            totals.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            totals.append(self.total)

        def advance(self):
            self.done += 1

    monkeypatch.setattr("trivium.cli.terminal.console.Progress", Bar)
    (files / "t.csv").write_text('text\n"two\nlines"\nthree\n')
    assert trivium(["corpus", "import", str(files / "t.csv"), str(files / "out")]) == 0
    assert totals == [3, 2]


def test_an_import_of_no_rows_is_refused_and_leaves_the_folder_free(files, capsys):
    (files / "texts").mkdir()
    for name, text in (("train.de", "Hund"), ("dev.en", "dog")):
        (files / "texts" / name).write_text(text)
    command = ["corpus", "import", "text", str(files / "texts"), str(files / "out")]
    for _ in range(2):
        assert trivium([*command, "--languages", "de", "--splits", "dev"]) == 2
        assert capsys.readouterr().err.endswith(
            f"\ntrivium: {files}/texts has nothing to import with --languages de --splits dev; "
            "leave out or change these\n"
        )
    assert not (files / "out" / "corpus.json").exists()
    assert trivium([*command, "--languages", "en", "--splits", "dev"]) == 0
    assert "added 1 sentence" in capsys.readouterr().out


def test_a_command_that_could_use_no_row_may_be_corrected(files, capsys):
    write_csv(files / "t.csv", [{"audio": "a.flac"}])
    (files / "sounds").mkdir()
    (files / "sounds" / "a.flac").write_bytes((files / "a.flac").read_bytes())
    (files / "a.flac").unlink()
    command = ["corpus", "import", str(files / "t.csv"), str(files / "out")]
    assert trivium(command) == 1
    assert trivium([*command, "--audio-root", str(files / "sounds")]) == 0
    assert trivium(command) == 2  # now there is something
    assert "name another folder" in capsys.readouterr().err
