"""Building by name, reading folders in the hub's format, and what is said when neither works."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers import (
    NETWORKS,
    PictureTower,
    SpeechTower,
    TextTower,
    TowerSettings,
    train_tokenizer,
)
from trivium.models.towers.weights import fetch, random_network

WAVES = Ragged(torch.randn(2, 4000), torch.tensor([4000, 2500]))
PUBLISHED = [name for name, network in NETWORKS.items() if network.published_millions]


def random(name: str, **sizes: object) -> TowerSettings:
    return TowerSettings(network=name, random_weights=True, sizes=sizes)


def parameters(network: torch.nn.Module) -> int:
    assert all(parameter.ndim for parameter in network.parameters())  # FSDP2 refuses scalars
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_of_the_paper_has_the_size_of_the_paper(name):
    network = NETWORKS[name]
    with torch.device("meta"):
        if network.family == "whisper":  # printed with its decoder, and generously
            config = transformers.WhisperConfig(**network.sizes["speech"])
            whole = transformers.WhisperModel(config)
            tower = random_network("whisper", "speech", network.sizes["speech"])
            assert parameters(tower) == parameters(whole.encoder)
            found, tolerance = parameters(whole), 0.035
        else:  # speech is printed with its pre-training heads
            built = [random_network(network.family, kind, s) for kind, s in network.sizes.items()]
            found, tolerance = sum(map(parameters, built)), 0.007
    if len(network.sizes) == 2:
        tolerance = 0.0001
    assert found / 1e6 == pytest.approx(network.published_millions, rel=tolerance)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_says_where_it_is_from(name):
    network = NETWORKS[name]
    assert network.repository.count("/") == 1
    assert network.licence
    assert network.languages
    assert network.sample_rate_hz == 16_000


def hub_folder(folder: Path, name: str) -> Path:
    """Weights as the hub has them: the network with a head, CLIP with both its halves."""
    torch.manual_seed(3)
    network = NETWORKS[name]
    heads = {
        "hubert": "HubertForCTC",
        "wav2vec2": "Wav2Vec2ForPreTraining",
        "wavlm": "WavLMForCTC",
        "wav2vec2-bert": "Wav2Vec2BertForCTC",
        "whisper": "WhisperForConditionalGeneration",
        "clip": "CLIPModel",
        "siglip": "SiglipModel",
    }
    model_class = getattr(transformers, heads[network.family])
    plain = {kind: {k: list(v) if isinstance(v, tuple) else v for k, v in sizes.items()}
             for kind, sizes in network.sizes.items()}  # fmt: skip
    others = {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if "speech" in plain:
        if network.family == "whisper":
            others |= {"decoder_start_token_id": 1, "vocab_size": 60}
        config = model_class.config_class(**{**plain["speech"], **others})
    else:
        text = {**plain["text"], "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
        width = {"projection_dim": 24} if network.family == "clip" else {}
        config = model_class.config_class(text_config=text, vision_config=plain["picture"], **width)
        train_tokenizer(["a red star"], 300).save(str(folder / "tokenizer.json"))
    model_class(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "name", ["test-hubert", "test-wav2vec2-large", "test-wavlm", "test-w2v-bert", "test-whisper"]
)
@torch.no_grad()
def test_a_speech_tower_reads_a_hub_folder_with_heads(tmp_path, name, capfd):
    folder = hub_folder(tmp_path, name)
    capfd.readouterr()
    ours = SpeechTower.from_settings(TowerSettings(source=str(folder)))
    stored = load_file(folder / "model.safetensors")
    values = ours.network.state_dict()
    found = sum(
        any(torch.equal(value, other) for other in stored.values() if other.shape == value.shape)
        for value in values.values()
    )
    assert found == len(values)
    assert not ours.training
    assert ours(WAVES).last.data.isfinite().all()
    said = capfd.readouterr()
    assert said.out == said.err == ""


@pytest.mark.parametrize("name", ["test-clip", "test-siglip"])
@torch.no_grad()
def test_picture_and_text_towers_read_their_halves_of_a_pair(tmp_path, name, capfd):
    folder = hub_folder(tmp_path, name)
    pair = transformers.AutoModel.from_pretrained(folder).eval()
    capfd.readouterr()
    pictures = PictureTower.from_settings(TowerSettings(source=str(folder)))
    texts = TextTower.from_settings(TowerSettings(source=str(folder)))
    assert capfd.readouterr().err == ""
    pixels, tokens = torch.randn(2, 3, 32, 32), texts.tokens(["a red star"])
    wanted = pair.get_image_features(pixel_values=pixels).pooler_output
    torch.testing.assert_close(pictures(pixels), wanted)
    ids = tokens.data
    if name == "test-siglip":
        ids = torch.nn.functional.pad(ids, (0, 64 - ids.shape[1]), value=1)
    wanted = pair.get_text_features(input_ids=ids).pooler_output
    torch.testing.assert_close(texts(tokens), wanted, atol=1e-5, rtol=1e-5)
    assert pictures.width == texts.width == wanted.shape[1]


def change(folder: Path, drop: str = "", add: str = "", reshape: str = "") -> None:
    tensors = load_file(folder / "model.safetensors")
    if drop:
        del tensors[drop]
    if add:
        tensors[add] = torch.zeros(3)
    if reshape:
        tensors[reshape] = torch.zeros(3, 3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"drop": "hubert.encoder.layers.1.attention.k_proj.bias"},
            r"lacks the tensor 'encoder\.layers\.1\.attention\.k_proj\.bias'",
        ),
        (
            {"add": "hubert.encoder.layer_norms.weight"},
            r"has a tensor .*encoder\.layer_norms\.weight.* did you mean .*layer_norm\.weight",
        ),
        (
            {"drop": "hubert.encoder.layer_norm.bias", "add": "hubert.encoder.layer_norm.bia"},
            r"lacks the tensor 'encoder\.layer_norm\.bias'; did you mean .*layer_norm\.bia'",
        ),
        ({"reshape": "hubert.encoder.layer_norm.bias"}, r"shape of .*encoder\.layer_norm\.bias"),
    ],
)
def test_a_folder_with_other_tensors_is_refused(tmp_path, changes, sentence):
    change(hub_folder(tmp_path, "test-hubert"), **changes)
    with pytest.raises(SettingsError, match=sentence):
        SpeechTower.from_settings(TowerSettings(source=str(tmp_path)))


def test_a_folder_says_how_its_waves_are_prepared(tmp_path):
    folder = hub_folder(tmp_path, "test-wavlm")
    named = TowerSettings(network="test-wavlm", source=str(folder))
    assert not SpeechTower.from_settings(named).front.normalise_waves
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    assert SpeechTower.from_settings(named).front.normalise_waves


def test_a_broken_file_of_weights_is_refused(tmp_path):
    path = hub_folder(tmp_path, "test-hubert") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SettingsError, match=r"the weights in .* are not whole"):
        SpeechTower.from_settings(TowerSettings(source=str(tmp_path)))


def test_a_folder_of_pickles_is_refused_with_the_way_out(tmp_path):
    hub_folder(tmp_path, "test-hubert")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(SettingsError, match=r"holds no model\.safetensors.*pickles.*convert once"):
        SpeechTower.from_settings(TowerSettings(source=str(tmp_path)))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"model_type": "bert"}, "model_type 'bert', which is no network for speech"),
        ({"model_type": "clip"}, "no network for speech; known are hubert"),
        ({"conv_pos_batch_norm": True}, "sets conv_pos_batch_norm = True"),
    ],
)
def test_a_folder_with_another_network_is_refused(tmp_path, values, sentence):
    hub_folder(tmp_path, "test-hubert")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(SettingsError, match=sentence):
        SpeechTower.from_settings(TowerSettings(source=str(tmp_path)))


def test_a_folder_of_another_family_than_named_is_refused(tmp_path):
    folder = hub_folder(tmp_path, "test-hubert")
    with pytest.raises(SettingsError, match="holds a hubert; the network 'test-wavlm' is none"):
        SpeechTower.from_settings(TowerSettings(network="test-wavlm", source=str(folder)))


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (TowerSettings(network="hubert-base"), ("facebook/hubert-base-ls960", "main")),
        (TowerSettings(source="someone/hubert", revision="v2"), ("someone/hubert", "v2")),
    ],
)
def test_without_hub_one_sentence_says_what_is_wanted_and_how_to_get_it(
    monkeypatch, tmp_path, settings, where
):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository, revision = where
    with pytest.raises(TriviumError) as caught:
        SpeechTower.from_settings(settings)
    sentence = str(caught.value)
    assert f"{repository} at revision {revision}" in sentence
    assert f"hf download {repository} --revision {revision}" in sentence
    assert "--random-weights" in sentence


def test_the_cache_of_the_hub_is_enough(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    place = tmp_path / "models--someone--hubert"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("f" * 40)
    (place / "snapshots" / ("f" * 40)).mkdir(parents=True)
    hub_folder(place / "snapshots" / ("f" * 40), "test-hubert")
    assert SpeechTower.from_settings(TowerSettings(source="someone/hubert")).width == 32


@pytest.mark.parametrize("lost", ["model-00002-of-00003.safetensors", "preprocessor_config.json"])
def test_what_the_cache_lacks_is_fetched(monkeypatch, tmp_path, lost):
    """A download that was stopped, and what another library left that wanted the weights alone."""
    import huggingface_hub

    files = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    index = {"weight_map": {f"tensor{n}": name for n, name in enumerate(files)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in {*files, "preprocessor_config.json"} - {lost}:
        (tmp_path / name).touch()
    asked = []

    def snapshot(_, *, local_files_only=False, **__):
        asked.append(local_files_only)
        if not local_files_only:
            (tmp_path / lost).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert fetch("someone/hubert", "main") == fetch("someone/hubert", "main") == tmp_path
    assert asked == [True, False, True]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "network is None and so is source"),
        ({"network": "hubert-bas"}, "did you mean 'hubert-base'"),
        ({"source": "a/b", "random_weights": True}, "'a/b' has no sizes"),
        ({"network": "hubert-base", "source": "a/b", "random_weights": True}, "'a/b' unread"),
        ({"network": "hubert-base", "sizes": {"hidden_size": 8}}, "'hidden_size'.*random_weights"),
    ],
)
def test_settings_that_say_nothing_or_too_much_are_refused(values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        TowerSettings.parse(values)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: SpeechTower.from_settings(random("test-clip")), "'test-clip' is no network for"),
        (lambda: PictureTower.from_settings(random("test-hubert")), "no network for picture"),
        (lambda: SpeechTower.from_settings(random("test-hubert", hiden_size=8)),
         "no size 'hiden_size'; did you mean 'hidden_size'"),
        (lambda: SpeechTower.from_settings(TowerSettings(network="test-hubert")),
         "'test-hubert' has no published weights"),
        (lambda: SpeechTower.from_settings(TowerSettings(source="./none")), "none/config.json is"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_built_are_refused(build, sentence):
    with pytest.raises(SettingsError, match=sentence):
        build()


def test_sizes_can_be_changed_and_travel_in_json(tmp_path):
    settings = random("test-hubert", num_hidden_layers=3, conv_dim=(16,) * 7)
    (tmp_path / "tower.json").write_text(settings.to_json())
    again = TowerSettings.load(tmp_path / "tower.json")
    assert again == settings
    tower = SpeechTower.from_settings(again)
    assert tower.num_states == 4
    assert tower.network.config.conv_dim == [16] * 7
