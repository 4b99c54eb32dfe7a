"""What a checkpoint holds of a system, and what builds it again elsewhere."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from trivium import checkpoint
from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.loaded import Model
from trivium.models.speechclip import SpeechClip, SpeechClipSettings
from trivium.models.system import described, load_start, load_stored, stored
from trivium.models.towers import PictureTower, SpeechTower, TowerSettings
from trivium.training.loop import Recipe, TrainingSettings
from trivium.training.schedule import Phase

WAVES = Ragged(torch.randn(2, 4000), torch.tensor([4000, 2500]))
SPEECH = ["test-hubert", "test-hubert-large", "test-wavlm", "test-w2v-bert", "test-whisper"]


def in_hub_format(name, kind, folder):
    torch.manual_seed(0)
    tower = {"speech": SpeechTower, "picture": PictureTower}[kind]
    built = tower.from_settings(TowerSettings(network=name, random_weights=True))
    built.network.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", SPEECH)
def test_a_tower_of_a_folder_is_described_so_that_it_is_built_again(name, tmp_path):
    source = TowerSettings(source=str(in_hub_format(name, "speech", tmp_path)))
    read = SpeechTower.from_settings(source)
    told = read.described.model_dump(mode="json")
    again = SpeechTower.from_settings(TowerSettings.parse(told))
    again.load_state_dict(read.state_dict())
    torch.testing.assert_close(again(WAVES).last.data, read(WAVES).last.data, rtol=0, atol=0)


def published(tmp_path, **changes):
    """A speechclip whose two towers lie in the hub's format."""
    folders = {
        "speech": in_hub_format("test-hubert", "speech", tmp_path / "hubert"),
        "picture": in_hub_format("test-clip", "picture", tmp_path / "clip"),
    }
    sources = {kind: TowerSettings(source=str(folder)) for kind, folder in folders.items()}
    return SpeechClip(SpeechClipSettings.tiny().model_copy(update={**sources, **changes}))


def save(system, folder):
    training = TrainingSettings(phases=(Phase(steps=1, weights={"contrast": 1}),))
    recipe = Recipe(system="speechclip", settings=described(system), sources={}, training=training)
    checkpoint.save(folder, recipe, stored(system), "")
    return folder


def test_frozen_published_towers_are_named_and_not_stored(tmp_path):
    system = published(tmp_path, train_speech_from=None, train_picture=False)
    folder = save(system, tmp_path / "saved")
    names = load_file(folder / "model.safetensors")
    assert not [name for name in names if name.startswith(("speech.", "picture."))]
    for kind, tower in (("speech", SpeechTower), ("picture", PictureTower)):
        read = tower.from_settings(TowerSettings(source=str(folder)))
        assert read.checksum() == getattr(system, kind).checksum()
    again = Model.load(folder)
    for name, tensor in system.state_dict().items():
        torch.testing.assert_close(again.system.state_dict()[name], tensor, rtol=0, atol=0)


def test_trained_towers_are_stored_and_need_no_source_any_more(tmp_path):
    system = published(tmp_path, train_speech_from=0, train_picture=True)
    folder = save(system, tmp_path / "saved")
    for kind in ("hubert", "clip"):
        (tmp_path / kind).rename(tmp_path / f"{kind}-gone")
    again = Model.load(folder)
    sounds = [row.numpy() for row in WAVES.rows()]
    assert again.embed_speech(sounds, "").shape == (2, system.picture.width)


def test_other_weights_than_those_it_was_trained_on_are_refused(tmp_path):
    system = published(tmp_path, train_speech_from=None, train_picture=False)
    folder = save(system, tmp_path / "saved")
    path = tmp_path / "clip" / "model.safetensors"
    changed = {name: tensor + 1 for name, tensor in load_file(path).items()}
    save_file(changed, path, metadata={"format": "pt"})
    with pytest.raises(SettingsError, match="give it the same weights again"):
        Model.load(folder)


def test_a_run_on_frozen_towers_is_where_one_that_trains_them_begins(tmp_path):
    before = published(tmp_path, train_speech_from=None, train_picture=False)
    torch.nn.init.normal_(before.projection.weight)
    folder = save(before, tmp_path / "saved")
    after = published(tmp_path, train_speech_from=0, train_picture=False)
    assert not torch.equal(after.projection.weight, before.projection.weight)
    load_start(after, folder)
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_run_of_other_sizes_is_no_start(tmp_path):
    folder = save(published(tmp_path), tmp_path / "saved")
    other = SpeechClip(SpeechClipSettings.tiny().model_copy(update={"shrink": 2}))
    with pytest.raises(SettingsError, match="lacks the tensor 'shrink"):
        load_start(other, folder)


def test_halves_are_read_into_whole_numbers(tmp_path):
    system = SpeechClip.tiny()
    halves = {name: tensor.half() for name, tensor in stored(system).items()}
    checkpoint.save(tmp_path / "half", described(system), halves, "")
    again = SpeechClip.tiny()
    load_stored(again, tmp_path / "half")
    assert all(p.dtype == torch.float32 for p in again.parameters())
    close = {"rtol": 1e-3, "atol": 1e-3}
    torch.testing.assert_close(again.projection.weight, system.projection.weight, **close)


def test_a_name_that_is_nothing_gets_one_sentence():
    with pytest.raises(TriviumError, match="did you mean 'world-speechclip'"):
        Model.load("world-speechclap")
