"""ABX of models on a corpus, from its phone times or an item file, and the command for it."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from trivium.cli import main
from trivium.errors import SettingsError, TriviumError
from trivium.models.ctc import Ctc
from trivium.models.grounded import Grounded
from trivium.models.loaded import Model
from trivium.models.speechclip import SpeechClip
from trivium.tasks.abx.measure import AbxSettings, measure

RATE_HZ = Fraction(100)


class Knowing:
    """Layers by hand: 0 knows nothing, 1 the phone of each frame, 2 is noise."""

    checksum = "by-hand"
    device = torch.device("cpu")
    frame_rate_hz = RATE_HZ

    def __init__(self, corpus):
        said = corpus.columns("utterances", ["seconds", "phones"]).to_pylist()
        self.phones = {round(row["seconds"] * 16_000): row["phones"] for row in said}
        symbols = sorted({p["symbol"] for phones in self.phones.values() for p in phones})
        self.number = {symbol: place for place, symbol in enumerate(symbols)}

    def layer_states(self, sounds, layers=None):
        for place in reversed(range(len(sounds))):
            frames = len(sounds[place]) // 160
            told = np.zeros((frames, len(self.number)), np.float32)
            for phone in self.phones[len(sounds[place])]:
                begin, end = (round(100 * phone[side]) for side in ("start", "end"))
                told[begin:end, self.number[phone["symbol"]]] = 1
            noise = np.random.default_rng(frames).standard_normal((frames, 9), np.float32)
            states = {0: np.ones((frames, 2), np.float32), 1: told, 2: noise}
            yield place, {layer: states[layer] for layer in layers or states}


def test_layers_are_told_apart(world, tmp_path):
    heard = []
    result = measure(Knowing(world), world, "train", advance=heard.append)
    values = result.score.values
    assert values["within.layer0"] == values["across.layer0"] == 50
    assert values["across.layer1"] < 2
    assert 40 < values["across.layer2"] < 60
    assert values["across.best"] == values["across.layer1"] == result.score.primary_value
    assert values["within.best"] == min(values[f"within.layer{layer}"] for layer in range(3))
    assert result.score.lower_is_better
    assert set(result.score.chance.values()) == {50}
    assert result.score.signature.corpus == world.card.fingerprint
    assert "triphones of phone times" in result.score.signature.gallery
    assert sum(heard) <= world.count()
    headers, rows = result.table()
    assert headers == ["layer", "within speakers", "across speakers"]
    assert rows[0] == ["0", "50.00", "50.00"]
    result.write(tmp_path)
    assert type(result).load(tmp_path / "abx.json") == result
    assert (tmp_path / "abx.png").read_bytes().startswith(b"\x89PNG")


def test_some_layers_are_measured_as_among_all(world):
    model = Knowing(world)
    asked = ["unit=phone", "context=any", 'speakers=["across"]', "max_group=1", "max_x_speakers=1"]
    settings = AbxSettings().override([*asked, "outside=skip"])
    every = measure(model, world, "train", settings)
    some = measure(model, world, "train", settings, layers=[2, 1, 2])
    assert some.layers == (1, 2)
    assert some.score.values["across.layer2"] == every.score.values["across.layer2"]
    assert "within.layer1" not in some.score.values


def test_an_item_file_names_utterances(world, tmp_path):
    model = Knowing(world)
    by_times = measure(model, world, "train", AbxSettings(languages=("en",)), layers=[2])
    lines = ["#file onset offset #phone prev-phone next-phone speaker"]
    where = "split = 'train' and language = 'en'"
    said = world.columns("utterances", ["id", "speaker", "phones"], where).to_pylist()
    for row in said:
        phones = row["phones"]
        for before, own, after in zip(phones, phones[1:], phones[2:], strict=False):
            if before["end"] == own["start"] and own["end"] == after["start"]:
                onset, offset = np.float32(before["start"]), np.float32(after["end"])
                lines.append(f"{row['id']} {onset} {offset} {own['symbol']} {before['symbol']} "
                             f"{after['symbol']} {row['speaker']}")  # fmt: skip
    path = tmp_path / "own.item"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    by_file = measure(model, world, "train", AbxSettings(items=path), layers=[2])
    assert by_file.items == by_times.items == len(lines) - 1
    assert by_file.score.values == by_times.score.values
    assert by_file.score.signature != by_times.score.signature
    chosen, skipped = (
        measure(model, world, "train", AbxSettings(items=path, **others), layers=layers)
        for others, layers in (({}, [1, 2]), ({"outside": "skip"}, [2]))
    )
    signatures = [each.score.signature.gallery for each in (by_file, chosen, skipped)]
    assert [words.endswith("layers 1, 2") for words in signatures] == [False, True, False]
    assert signatures[0].endswith("frames, one layer")
    assert len(set(signatures)) == 3
    path.write_text("\n".join([*lines, "nobody 0.1 0.2 a b c s"]) + "\n", encoding="utf-8")
    with pytest.raises(TriviumError, match=r"1 of the .* files of .*own.item are no utt.*: nobody"):
        measure(model, world, "train", AbxSettings(items=path))


def test_what_cannot_be_measured_is_one_sentence(world, by_hand):
    with pytest.raises(TriviumError, match=r"no phone of 20 utterances of the split 'train'"):
        measure(Knowing(world), by_hand, "train")
    with pytest.raises(SettingsError, match=r"context 'any' is for phones"):
        AbxSettings.parse({"context": "any"})
    with pytest.raises(TriviumError, match=r"the system 'deaf' does not show the states"):
        measure(Model("deaf", torch.nn.Linear(1, 1), ""), world, "train")
    with pytest.raises(TriviumError, match=r"ctc has no layer 9; it has 0 to 1"):
        measure(Model("ctc", Ctc.tiny(), ""), world, "train", layers=[0, 9])


@pytest.mark.parametrize("system", [Grounded, Ctc, SpeechClip])
def test_states_are_those_of_each_sound_alone(system, world):
    model = Model("tiny", system.tiny(), "")
    sounds = [np.random.default_rng(0).standard_normal(n).astype(np.float32) for n in (9000, 4000)]
    together = dict(model.layer_states(sounds))
    for place, sound in enumerate(sounds):
        ((_, alone),) = model.layer_states([sound])
        assert together[place].keys() == alone.keys()
        for layer, state in alone.items():
            assert together[place][layer] == pytest.approx(state, abs=1e-4)
            seconds = len(sound) / 16_000
            assert abs(len(state) - seconds * model.frame_rate_hz) <= 1
    ((_, last),) = model.layer_states(sounds[:1], [1])
    assert list(last) == [1]


@pytest.fixture(scope="module")
def grounded(tmp_path_factory):
    """An untrained model in a folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "grounded"
    Model("grounded", Grounded.tiny(), "").export(folder)
    return folder


def test_the_command_writes_and_prints_every_layer(grounded, world_folder, tmp_path, capsys):
    shared = ["evaluate", str(grounded), str(world_folder), "--task", "abx", "--split", "train"]
    assert main.run([*shared, "--layers", "all", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "within speakers" in shown
    assert "task:abx|corpus:" in shown
    found = json.loads((tmp_path / "abx.json").read_text())
    assert found["layers"] == [0, 1, 2, 3]
    asked = ["--layers", "2", "--set", "max_group=3", "--languages", "en", "--json"]
    assert main.run([*shared, *asked, "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"] == [2]
    assert "at most 3 tokens" in found["score"]["signature"]["gallery"]
    assert found["score"]["signature"]["gallery"].endswith("en, one layer")
    asked = ["--set", "unit=phone", "--set", "outside=skip", "--layers", "0"]
    assert main.run([*shared, *asked, "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "abx.json").read_text())
    told = f"left out {found['skipped']:,} items; {found['items']:,} are measured"
    assert found["skipped"] > 0
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--task", "abc"], "no task is called 'abc'; did you mean 'abx'?"),
        (["--layers", "all"], "--layers all means nothing to retrieval; add --task abx"),
        (["--set", "unit=phone"], "--set ['unit=phone'] means nothing to retrieval"),
        (["--task", "abx", "--layers", "1,x"], "'x' is no layer; expected 2,5, or all"),
        (["--task", "abx", "--set", "units=phone"], "no setting 'units'; did you mean 'unit'"),
        (["--task", "abx", "--items", "none.item"], "none.item cannot be read"),
    ],
)
def test_a_mistake_in_the_command_is_one_sentence(
    grounded, world_folder, options, sentence, capsys
):
    assert main.run(["evaluate", str(grounded), str(world_folder), *options]) == 2
    assert sentence in capsys.readouterr().err
