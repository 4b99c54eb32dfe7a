"""`trivium export` and `trivium recipes --towers`."""

import numpy as np
import pytest

from trivium import checkpoint
from trivium.__main__ import main
from trivium.models.clip import Clip, ClipSettings
from trivium.models.loaded import Model, ModelSettings
from trivium.models.system import stored
from trivium.models.towers import train_tokenizer


@pytest.fixture
def run(tmp_path):
    """A checkpoint of a clip, as a run leaves it."""
    tokenizer = train_tokenizer(["a red star", "two fish"], 260)
    system = Clip(ClipSettings.tiny(), tokenizer)
    folder = tmp_path / "run"
    told = ModelSettings(system="clip", settings=system.settings)
    checkpoint.save(folder, told, stored(system), "# A card\n")
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    return folder


def command(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["trivium", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def test_an_exported_model_embeds_as_the_run_does(run, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "export", run, tmp_path / "whole") == 0
    assert "clip" in capsys.readouterr().out
    assert command(monkeypatch, "export", run, tmp_path / "half", "--half") == 0
    words = ["a red star", "two fish"]
    expected = Model.load(run).embed(text=words)
    np.testing.assert_array_equal(Model.load(tmp_path / "whole").embed(text=words), expected)
    half = Model.load(tmp_path / "half").embed(text=words)
    np.testing.assert_allclose(half, expected, atol=2e-3)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.55 * sizes[0]
    assert (tmp_path / "half" / "README.md").read_text() == "# A card\n"


def test_nothing_is_written_over(run, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "export", run, run) == 2
    assert "is there already; name a new folder" in capsys.readouterr().err


def test_weights_too_large_for_half_precision_are_refused(run, tmp_path, monkeypatch, capsys):
    system = Model.load(run).system
    system.log_scale.data.fill_(1e6)
    told = ModelSettings(system="clip", settings=system.settings)
    checkpoint.save(tmp_path / "large", told, stored(system), "")
    (tmp_path / "large" / "tokenizer.json").write_text((run / "tokenizer.json").read_text())
    assert command(monkeypatch, "export", tmp_path / "large", tmp_path / "out", "--half") == 2
    assert "export it without --half" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_towers_are_told_with_what_their_licences_forbid(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert command(monkeypatch, "recipes", "--towers") == 0
    told = capsys.readouterr().out
    assert "whisper-tiny" in told
    assert "speechclip.base" in told
    assert "CC-BY-NC-4.0: not" in told
