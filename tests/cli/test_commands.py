"""The commands as a person runs them: in a process of their own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import tone
from trivium.data.audio import decode_audio, encode_wav


def trivium(*arguments, **options):
    command = [sys.executable, "-m", "trivium", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_lists_only_what_exists():
    shown = trivium("--help")
    assert shown.returncode == 0
    for name in ("demo", "world", "corpus", "train", "evaluate", "recipes", "library", "search",
                 "embed", "serve", "bench", "doctor"):  # fmt: skip
        assert name in shown.stdout


def test_the_version_is_the_packages():
    from trivium.version import VERSION

    assert trivium("--version").stdout == f"trivium {VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["corpus", "info", "nowhere"], "nowhere is not there"),
        (["corpus", "import", "a.csv", "out"], "a.csv is not there"),
        (["world", "out", "--size", "huge"], "size = 'huge'"),
        (["world", "out", "--languages", "en,xx"], "speaks no 'xx'"),
        (["wrold"], "No such command 'wrold'"),
        (["corpus", "info"], "Missing argument 'DIR'"),
        (["corpus", "sheet", "x", "--cards", "0"], "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path, arguments, sentence):
    done = trivium(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(tmp_path):
    done = trivium("--debug", "corpus", "info", tmp_path / "nowhere")
    assert "Traceback" in done.stderr
    assert "CorpusError" in done.stderr


def test_import_info_check_and_show(tmp_path):
    (tmp_path / "a.wav").write_bytes(encode_wav(tone(0.5)))
    table = "audio,text,language,mood\na.wav,hello,en,calm\nb.wav,lost,en,calm\n"
    (tmp_path / "mine.csv").write_text(table)
    done = trivium("corpus", "import", "mine.csv", "out", "--licence", "CC0-1.0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "added 1 utterance to out",
        "skipped 1 row; reasons are in out/rejected.jsonl",
        "kept in extra: the columns mood",
    ]
    assert "import: 2 rows" in done.stderr
    info = trivium("corpus", "info", "out", cwd=tmp_path).stdout
    assert "licence CC0-1.0" in info
    assert "utterances: id, split, audio, seconds, text, characters, language, extra" in info
    assert "1 rows checked, nothing wrong" in trivium("corpus", "check", "out", cwd=tmp_path).stdout
    shown = trivium("corpus", "show", "out", "mine-00000001", "--out", "seen", cwd=tmp_path)
    assert "hello" in shown.stdout
    assert len(decode_audio((tmp_path / "seen" / "mine-00000001.wav").read_bytes())) == 8_000
    assert trivium("corpus", "sheet", "out", cwd=tmp_path).returncode == 0
    assert "hello" in (tmp_path / "out" / "sheet.html").read_text()


def test_check_fails_when_something_is_wrong(tmp_path):
    (tmp_path / "mine.csv").write_text("text,language\nhello,hi\nhallo,hi\n")
    trivium("corpus", "import", "mine.csv", "out", cwd=tmp_path)
    done = trivium("corpus", "check", "out", "--limit", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("script: ") == 1
    assert "2 texts in another script than their language's" in done.stdout


@pytest.mark.parametrize("after_seconds", [0.0, 0.25, 0.5])
def test_ctrl_c_keeps_what_is_done_and_the_same_command_continues(tmp_path, after_seconds):
    command = [sys.executable, "-m", "trivium", "world", str(tmp_path / "w"), "--languages", "sw"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "w" / "corpus.json").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after_seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    if process.returncode:
        assert process.returncode == 130
        assert errors.splitlines()[-1].startswith(
            "trivium: interrupted; nothing half-written is left"
        )
        again = trivium("corpus", "info", tmp_path / "w")
        assert (again.returncode, "not finished" in again.stderr) == (2, True)
    done = trivium("world", tmp_path / "w", "--languages", "sw")
    assert done.returncode == 0, done.stderr
    assert "fingerprint" in done.stdout


def test_a_reader_that_has_had_enough_is_no_error(tmp_path):
    lines = "".join(f"text {n},en\n" for n in range(3_000))
    (tmp_path / "mine.csv").write_text("text,language\n" + lines.replace(",en", ",hi"))
    trivium("corpus", "import", "mine.csv", "out", cwd=tmp_path)
    shell = f"{sys.executable} -m trivium corpus check out --limit 3000 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.count("\n") <= 3  # progress lines only
    assert "trivium:" not in done.stderr
    assert done.stdout.startswith("script: ")


@pytest.mark.parametrize("command", ["corpus info {}", "recipes", "corpus check {}"])
def test_tables_piped_to_head_end_well(by_hand, command):
    shell = f"{sys.executable} -m trivium {command.format(by_hand.path)} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    done = trivium("demo", "--folder", tmp_path / "file")
    assert done.returncode == 2
    assert done.stderr == f"trivium: {tmp_path}/file/scenes: not a directory\n"


def test_a_group_without_a_command_shows_what_there_is():
    done = trivium("corpus")
    assert done.returncode == 2
    assert "import" in done.stdout
    assert done.stderr == ""


def test_no_colour_is_used_where_none_is_wanted(tmp_path):
    done = trivium(
        "corpus", "info", tmp_path / "x", env=os.environ | {"NO_COLOR": "1", "FORCE_COLOR": "1"}
    )
    assert "\x1b" not in done.stderr
