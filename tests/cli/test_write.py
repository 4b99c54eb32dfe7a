"""`trivium transcribe`, `trivium translate`, `trivium pseudo-label`, and their page."""

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import tone
from tests.transcripts import made
from trivium.__main__ import main
from trivium.data.audio import encode_wav
from trivium.data.corpus import Corpus
from trivium.models.joint import Joint
from trivium.models.loaded import Model
from trivium.models.published import model as published

PAGE = Path(__file__).parents[2] / "docs" / "transcribing.md"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Random models: ours, and two as if published."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    Model("joint", Joint.tiny(), "").export(folder / "joint")
    made.whisper(folder / "whisper")
    made.seamless(folder / "seamless")
    return folder


@pytest.fixture
def place(models, monkeypatch, tmp_path):
    """A folder to work in, with recordings; names of the hub lead to the random models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        published, "fetch",
        lambda name, revision: models / ("whisper" if "whisper" in name else "seamless"),
    )  # fmt: skip
    Path("talk.wav").write_bytes(encode_wav(tone(0.5)))
    Path("quiet.wav").write_bytes(encode_wav(np.zeros(16_000, np.float32)))
    Path("junk.wav").write_text("junk")
    Path("lines.txt").write_text("a red star\n\ntwo boats\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def command(place, monkeypatch, capsys):
    """Runs a command; its exit code, and what it printed."""

    def run(*words, given=""):
        stream = io.TextIOWrapper(io.BytesIO(given.encode()))
        monkeypatch.setattr("sys.stdin", stream)
        monkeypatch.setattr("sys.argv", ["trivium", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return run


def test_the_pages_commands_run(command, models, world_folder):
    Path("demo").mkdir()
    Path("demo/world").symlink_to(world_folder)
    Path("demo/joint").symlink_to(models / "joint")
    Path("film.mp4").write_bytes(encode_wav(tone(0.4)))  # the content tells what it is
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    count = 0
    for line in "".join(blocks).splitlines():
        words = shlex.split(line.removeprefix("$ "))
        if not line.startswith("$ ") or words[:2] in (["trivium", "world"], ["trivium", "train"]):
            continue
        given = ""
        if "|" in words:
            given, words = words[1], words[words.index("|") + 1 :]
        code, output, errors = command(*words[1:], given=given)
        assert code == 0, f"{line}\n{errors}"
        assert output
        assert ("not for commercial use" in errors) == ("seamless" in line)
        count += 1
    assert count >= 8
    assert sorted(path.name for path in Path("subtitles").iterdir()) == ["film.vtt", "talk.vtt"]
    lines = Path("in-hindi/lines.txt").read_text(encoding="utf-8").splitlines()
    assert [bool(line) for line in lines] == [True, False, True]
    made_corpus = Corpus.open("demo/world-de")
    rows = made_corpus.take("utterances", np.arange(made_corpus.count())).to_pylist()
    assert rows
    assert all(row["split"] == "train" and row["translation_language"] == "de" for row in rows)
    told = json.loads(rows[0]["extra"])["pseudo"]
    assert told["model"] == "seamless-m4t-v2-large"
    assert told["confidence"] < 0


def test_what_cannot_be_read_is_named_and_the_others_are_written(command, models):
    files = ["talk.wav", "junk.wav", "gone.wav", "quiet.wav"]
    options = ["--model", models / "joint", "--format", "srt", "--out", "out"]
    code, output, errors = command("transcribe", *files, *options)
    assert code == 2
    assert output == "out: 2 files\n"
    assert "junk.wav cannot be read as sound or film" in errors
    assert "gone.wav is not there" in errors
    assert "quiet.wav: nothing is heard from 0.0 s to 1.0 s" in errors
    assert sorted(path.name for path in Path("out").iterdir()) == ["quiet.srt", "talk.srt"]
    assert Path("out/quiet.srt").read_text() == ""
    before = Path("out/talk.srt").stat().st_mtime_ns
    code, _, errors = command("transcribe", "talk.wav", *options)
    assert code == 2
    assert "out/talk.srt is there already; --force writes over it" in errors
    assert Path("out/talk.srt").stat().st_mtime_ns == before
    assert command("transcribe", "talk.wav", *options, "--force")[0] == 0
    assert Path("out/talk.srt").stat().st_mtime_ns > before


def test_several_are_printed_under_their_names(command, models):
    code, output, _ = command("transcribe", "quiet.wav", "talk.wav", "--model", models / "whisper")
    assert code == 0
    assert output.startswith("quiet.wav:\n\ntalk.wav:\n")
    assert output.count("\n") == 4
    code, output, _ = command(
        "transcribe", "talk.wav", "--model", models / "whisper", "--format", "json"
    )
    assert json.loads(output)["segments"][0]["start"] == 0.0


def test_lines_of_stdin_and_files_that_are_no_text(command, models):
    options = ["--text", "--language", "en", "--to", "hi", "--model", models / "seamless"]
    code, output, _ = command("translate", *options, given="one\n\ntwo\n")
    assert code == 0
    assert [bool(line) for line in output.splitlines()] == [True, False, True]
    parted = "one\u2028still one\r\ntwo\x0cstill two\n"
    code, output, _ = command("translate", *options, given=parted)
    assert code == 0
    assert output.count("\n") == 2
    Path("latin.txt").write_bytes("é".encode("latin-1"))
    code, output, errors = command("translate", "latin.txt", "lines.txt", "no.txt", *options)
    assert code == 2
    assert output.startswith("lines.txt:\n")
    assert "latin.txt is no text: byte 0 is not UTF-8" in errors
    assert "no.txt cannot be read: no such file or directory" in errors
    # A text is never written over itself.
    code, _, errors = command("translate", "lines.txt", *options, "--out", ".", "--force")
    assert code == 2
    assert "lines.txt is there already; name another --out" in errors
    assert Path("lines.txt").read_text(encoding="utf-8") == "a red star\n\ntwo boats\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["transcribe", "talk.wav", "--model", "nowhere"], "nowhere is no folder and no model"),
        (["transcribe", "talk.wav", "--model", "JOINT", "--format", "doc"], "no format is called"),
        (["transcribe", "talk.wav", "quiet.wav", "--model", "JOINT", "--format", "srt"],
         "2 files cannot be printed as one srt; name --out"),
        (["transcribe", "talk.wav", "talk.wav", "--model", "JOINT", "--out", "o"],
         "talk.wav and talk.wav would both be written as o/talk.txt"),
        (["transcribe", "talk.wav", "--model", "JOINT", "--max-seconds", "0"], "--max-seconds:"),
        (["transcribe", "talk.wav", "--model", "WHISPER", "--max-seconds", "31"],
         "pieces may last 31 s, and"),
        (["translate", "talk.wav", "--to", "en", "--model", "JOINT"],
         "does not translate speech; it can write down what it hears"),
        (["translate", "talk.wav", "--to", "de", "--model", "WHISPER"],
         "does not translate speech into 'de'; it can write down speech, and translate it into E"),
        (["translate", "lines.txt", "--text", "--to", "en", "--model", "WHISPER"],
         "does not read texts"),
        (["translate", "--to", "en", "--model", "JOINT"], "0 files are named"),
        (["translate", "lines.txt", "--text", "--format", "srt", "--to", "en", "--model", "JOINT"],
         "lines of texts have no times to write as srt"),
        (["pseudo-label", "WORLD", "o", "--model", "JOINT", "--to", "de", "--splits", "dev"],
         "the split 'dev' is for measuring"),
        (["pseudo-label", "WORLD", "o", "--model", "JOINT"], "to is None for a translation"),
        (["pseudo-label", "WORLD", "o", "--model", "JOINT", "--to", "de"],
         "does not translate speech"),
        (["pseudo-label", "nowhere", "o", "--model", "JOINT", "--to", "de"],
         "nowhere is not there"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_makes_nothing(
    command, models, world_folder, words, sentence
):
    known = {"JOINT": models / "joint", "WHISPER": models / "whisper", "WORLD": world_folder}
    code, output, errors = command(*(known.get(word, word) for word in words))
    assert (code, output) == (2, "")
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not Path("o").exists()


def test_a_corpus_that_lacks_nothing_gets_no_twin(command, models, world_folder):
    code, output, _ = command(
        "pseudo-label", world_folder, "o", "--model", models / "joint", "--what", "transcript"
    )
    assert code == 1
    assert output.startswith("o: 0 rows with a transcript\nleft out, for they have one: 128 rows\n")


def test_help_loads_nothing_heavy():
    code = "import sys, trivium.cli.write; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
