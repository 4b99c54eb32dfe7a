"""`trivium serve` as a person starts it, its settings, and the page that shows it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import httpx2
import pytest

from tests.conftest import free_port
from tests.serve.toys import fetch, until
from trivium.__main__ import main
from trivium.cli import serve as command
from trivium.errors import SettingsError
from trivium.serve.settings import ServeSettings

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(*words, monkeypatch):
    monkeypatch.setattr("sys.argv", ["trivium", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def started(words, port, folder):
    """A server as its command line says, at a port of its own, once it is ready."""
    environment = os.environ | {"TRIVIUM_SERVE_PORT": port, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "trivium", *words], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ready():
        assert server.poll() is None, server.communicate()
        try:
            return fetch(f"http://127.0.0.1:{port}/health").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        until(ready)
    except BaseException:
        server.kill()
        raise
    return server


@pytest.mark.skipif(which("curl") is None, reason="there is no curl, which the page shows")
def test_the_pages_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in "".join(blocks("console")).splitlines():
        assert run(*shlex.split(line)[2:], monkeypatch=monkeypatch) == 0, line
    [serve] = blocks("server")
    line, shown = serve.splitlines()
    port = free_port()
    server = started(shlex.split(line)[2:], port, tmp_path)
    try:
        capsys.readouterr()
        [shell] = blocks("bash")
        script = shell.replace(":8000", f":{port}").replace("curl -s", "curl -sSf")
        done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("world/pictures/scene-train-000001") >= 2
        assert Path("demo/found.png").read_bytes().startswith(b"\x89PNG")
        for example in blocks("python"):
            exec(compile(example.replace(":8000", f":{port}"), PAGE.name, "exec"), {})
        printed = capsys.readouterr().out
        assert "world-speechclip" in printed
        assert "256" in printed
        assert "does not transcribe speech" in printed
        assert re.search(r"^[\u0900-\u097f ]+।?$", printed, re.MULTILINE)  # in Hindi
        assert re.search(r'"text":"[A-Z][a-z ]+\."', done.stdout)  # in English
    finally:
        server.send_signal(signal.SIGINT)
        output, log = server.communicate(timeout=30)
    assert server.returncode == 0
    assert output.strip() == shown.replace(":8000", f":{port}")
    assert len(re.findall(r"req_[0-9a-f]{16} POST /search 200", log)) == 3
    assert "Traceback" not in log


def test_every_setting_is_told_with_its_default():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    named = {line.split("|")[1]: line for line in lines if line.count("|") > 3}
    for name, field in ServeSettings.model_fields.items():
        rows = [line for names, line in named.items() if f"`{name}`" in names]
        assert rows, name
        if isinstance(field.default, (int, float)):
            assert str(field.default).removesuffix(".0") in rows[0], name


def test_settings_come_from_flags_before_the_environment():
    made = ServeSettings.from_environment(
        {"TRIVIUM_SERVE_PORT": "81", "TRIVIUM_SERVE_MODELS": "a,b", "TRIVIUM_SERVE_HOST": "",
         "TRIVIUM_CACHE": "x", "TRIVIUM_SERVE_MAX_SECONDS": "5.5"},
        {"port": 82},
    )  # fmt: skip
    assert (made.port, made.models, made.host, made.max_seconds) == (
        82,
        ("a", "b"),
        "127.0.0.1",
        5.5,
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"TRIVIUM_SERVE_PROT": "81"}, "no setting 'prot'; did you mean 'port'"),
        ({"TRIVIUM_SERVE_PORT": "0"}, "port = '0'"),
        ({"TRIVIUM_SERVE_API_KEY": "short"}, "at least 8 characters"),
        ({"TRIVIUM_SERVE_BATCH": "0"}, "batch = '0'"),
    ],
)
def test_a_wrong_variable_is_one_sentence(variables, sentence):
    with pytest.raises(SettingsError, match=sentence):
        ServeSettings.from_environment(variables, {})


def test_a_key_is_not_shown():
    assert "secret" not in repr(ServeSettings(api_key="secret key"))


def test_names_that_a_server_answers_to():
    assert ServeSettings().called == ("127.0.0.1", "localhost", "::1")
    assert ServeSettings(host="0.0.0.0").called == ("*",)
    assert ServeSettings(host="::").called == ("*",)
    assert ServeSettings(host="192.168.1.5").called == ("192.168.1.5",)
    assert ServeSettings(host="0.0.0.0", hosts=("A.example",)).called == ("a.example",)


def test_what_is_given_counts_though_it_is_nothing(monkeypatch):
    with pytest.raises(SettingsError, match=r"api_key.*at least 8"):
        ServeSettings.from_environment({}, {"api_key": ""})
    told = ServeSettings.from_environment({"TRIVIUM_SERVE_LIBRARIES": "a, b"}, {})
    assert [str(path) for path in told.libraries] == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "quue=3"], "no setting 'quue'"),
        (["nowhere"], "nowhere is not there"),
        ([], "nothing is served with models () and no library; name one of either"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, words, sentence):
    done = subprocess.run(
        [sys.executable, "-m", "trivium", "serve", *words, "--port", free_port()], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_what_it_needs_it_says_how_to_add_it(monkeypatch, capsys):
    monkeypatch.setattr(
        command, "find_spec", lambda name: find_spec(name) if name != "av" else None
    )
    assert run("serve", "--model", "world-speechclip", monkeypatch=monkeypatch) == 2
    assert 'av not installed; pip install "trivium[serve]" adds it' in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(monkeypatch, capsys, tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ("serve", "--model", "world-speechclip", "--port", port)
        assert run(*words, monkeypatch=monkeypatch) == 2
    assert f"127.0.0.1:{port} cannot be listened at" in capsys.readouterr().err


def test_who_opens_it_to_others_without_a_key_is_warned(monkeypatch, capsys):
    monkeypatch.setattr(command, "_run", lambda settings: None)
    words = ("serve", "--model", "x", "--host", "0.0.0.0")
    assert run(*words, monkeypatch=monkeypatch) == 0
    assert "everybody who reaches 0.0.0.0 may use this server" in capsys.readouterr().err
    assert run(*words, "--api-key", "a long secret", monkeypatch=monkeypatch) == 0
    assert "everybody" not in capsys.readouterr().err
