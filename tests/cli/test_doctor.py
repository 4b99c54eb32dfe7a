import socket
import sys
from pathlib import Path

import pytest

from trivium.cli import doctor
from trivium.cli.doctor import OPTIONAL, findings


def told(monkeypatch, reachable=False):
    def connect(*_):
        if not reachable:
            raise OSError(111, "Connection refused")
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    return {finding.what: finding for finding in findings(Path.cwd())}


def test_versions_devices_codecs_and_the_hub_are_told(monkeypatch):
    found = told(monkeypatch)
    assert found["torch"].value.startswith("2.")
    assert found["sound formats"].value == "wav, flac, ogg, opus, mp3"
    assert found["hub"].value == "huggingface.co not reached (Connection refused)"
    assert "everything else works" in found["hub"].means
    assert {"cores", "memory", "free disk here", "python", "trivium"} <= found.keys()


def test_a_hub_that_answers_is_told(monkeypatch):
    assert "huggingface.co reached in" in told(monkeypatch, reachable=True)["hub"].value


def test_a_hub_that_is_switched_off_is_not_asked(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("asked"))
    (hub,) = [finding for finding in findings(Path.cwd()) if finding.what == "hub"]
    assert hub.value == "switched off by HF_HUB_OFFLINE"


@pytest.mark.parametrize("name", OPTIONAL)
def test_each_absence_says_what_it_means_and_what_to_type(monkeypatch, name):
    known = doctor.version_of
    monkeypatch.setattr(doctor, "version_of", lambda other: None if other == name else known(other))
    finding = told(monkeypatch)[name]
    assert finding.value == "not installed"
    assert finding.means.endswith(f'pip install "trivium[{OPTIONAL[name][0]}]"')


def test_little_memory_and_disk_are_pointed_out(monkeypatch):
    monkeypatch.setattr(doctor, "memory_bytes", lambda: 2 * 2**30)
    monkeypatch.setattr(doctor, "free_disk_bytes", lambda _: 2**30)
    found = told(monkeypatch)
    assert (found["memory"].value, found["memory"].means) == ("2 GiB", "tight for training")
    assert found["free disk here"].means == "base needs 10 GiB"


def test_a_torch_that_does_not_load_is_a_line_and_not_the_end(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = told(monkeypatch)
    assert found["gpu"].value == "unknown"
    assert "torch cannot be loaded" in found["gpu"].means
    assert "hub" in found
