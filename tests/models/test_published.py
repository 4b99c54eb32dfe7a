"""Published models: what transformers' own generation makes of the same features, batched or not.

The checkpoints are small and random, but are laid out as their makers' are.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import tone
from tests.transcripts import made
from trivium import checkpoint
from trivium.errors import SettingsError, TriviumError
from trivium.models import published
from trivium.models.published import model as module
from trivium.models.published.codes import LONG, code_of, short
from trivium.models.published.network import quiet
from trivium.models.towers.writing import WritingSettings

QUICK = WritingSettings(beams=2, max_tokens=12)
CODES = {"en": "eng", "hi": "hin", "de": "deu"}


def sounds():
    drawn = np.random.default_rng(0)
    lengths = (16_000, 23_456, 700, 9_001, 40)
    return [(0.1 * drawn.standard_normal(length)).astype(np.float32) for length in lengths]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return made.whisper(tmp_path_factory.mktemp("hub") / "whisper")


@pytest.fixture(scope="module")
def seamless(tmp_path_factory):
    return made.seamless(tmp_path_factory.mktemp("hub") / "seamless")


@pytest.fixture
def copied(whisper, tmp_path):
    """A Whisper that a test may spoil."""
    return shutil.copytree(whisper, tmp_path / "copied")


def spoiled(folder, file, **values):
    told = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(told | values))


def by_hand(folder, kind, features, network_class, **told):
    """The texts of single sounds, by transformers alone."""
    import transformers as hub

    with quiet():
        network = getattr(hub, network_class).from_pretrained(folder).eval()
        extract = getattr(hub, features).from_pretrained(folder)
        tokenizer = hub.AutoTokenizer.from_pretrained(folder)
        found = []
        for sound in sounds():
            # SeamlessM4T is given 0.1 s at least.
            long = np.pad(sound, (0, max(0, 1_600 - len(sound)))) if kind == "seamless" else sound
            inputs = extract(long, sampling_rate=16_000, return_tensors="pt")
            ids = network.generate(
                **inputs, **told, num_beams=2, max_new_tokens=12, do_sample=False
            )
            found.append(tokenizer.decode(ids[0], skip_special_tokens=True).strip())
    return found


@pytest.mark.parametrize("to", [None, "en"])
def test_whisper_writes_what_transformers_generates(whisper, to):
    model = published.load(whisper, "cpu", QUICK)
    task = "transcribe" if to is None else "translate"
    wanted = by_hand(whisper, "whisper", "WhisperFeatureExtractor",
                     "WhisperForConditionalGeneration", language="hi", task=task)  # fmt: skip
    if to is None:
        assert model.transcribe_speech(sounds(), "hi") == wanted
        heard = by_hand(whisper, "whisper", "WhisperFeatureExtractor",
                        "WhisperForConditionalGeneration", task=task)  # fmt: skip
        assert model.transcribe_speech(sounds(), "") == heard  # the language is told by no one
        assert sum(one != other for one, other in zip(wanted, heard, strict=True)) > 1
    else:
        assert model.translate_speech(sounds(), "hi", to) == wanted
    assert len(set(wanted)) > 1
    assert [guess.text for guess in model.guess_speech(sounds(), "hi", to)] == wanted


@pytest.mark.parametrize("to", [None, "de"])
def test_seamless_writes_what_transformers_generates(seamless, to):
    model = published.load(seamless, "cpu", QUICK)
    wanted = by_hand(seamless, "seamless", "SeamlessM4TFeatureExtractor",
                     "SeamlessM4Tv2ForSpeechToText", tgt_lang=CODES[to or "hi"])  # fmt: skip
    if to is None:
        assert model.transcribe_speech(sounds(), "hi") == wanted
    else:
        assert model.translate_speech(sounds(), "", to) == wanted
    assert len(set(wanted)) > 1


def test_seamless_translates_texts_as_transformers_does(seamless):
    import transformers as hub

    texts = ["abc", "a much longer text", "zz", ""]
    model = published.load(seamless, "cpu", QUICK)
    with quiet():
        network = hub.SeamlessM4Tv2ForTextToText.from_pretrained(seamless).eval()
        tokenizer = hub.AutoTokenizer.from_pretrained(seamless)
        wanted = []
        for text in texts:
            inputs = tokenizer(text, src_lang="hin", return_tensors="pt")
            ids = network.generate(**inputs, tgt_lang="eng", num_beams=2, max_new_tokens=12,
                                   do_sample=False)  # fmt: skip
            wanted.append(tokenizer.decode(ids[0], skip_special_tokens=True).strip())
    assert model.translate_text(texts, "hi", "en") == wanted
    assert [guess.text for guess in model.guess_text(texts, "hi", "en")] == wanted
    assert len(set(wanted)) > 1


@pytest.mark.parametrize("name", ["whisper", "seamless"])
def test_padding_and_the_rest_of_a_batch_change_nothing(name, request):
    model = published.load(request.getfixturevalue(name), "cpu", QUICK)
    together = model.guess_speech(sounds(), "de")
    alone = [model.guess_speech([sound], "de")[0] for sound in sounds()]
    assert [guess.text for guess in together] == [guess.text for guess in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


@pytest.mark.parametrize("name", ["whisper", "seamless"])
@pytest.mark.parametrize("most", [3, 12])
def test_confidence_is_the_mean_over_the_tokens_one_by_one(name, most, request):
    folder = request.getfixturevalue(name)
    model = published.load(folder, "cpu", WritingSettings(beams=1, max_tokens=most))
    family = model._family
    written = family.hear(sounds()[:2], "hi", None)
    network, end = written.network, written.network.generation_config.eos_token_id
    for place, guess in enumerate(model.guess_speech(sounds()[:2], "hi")):
        inputs = {key: value[place : place + 1] for key, value in written.inputs.items()}
        ids, logs = list(written.prefixes[place]), []
        ended = len(written.made[place]) < most
        for token in [*written.made[place], *([end] if ended else [])]:
            with torch.no_grad():
                logits = network(**inputs, decoder_input_ids=torch.tensor([ids])).logits[0, -1]
            logs.append(float(logits.log_softmax(-1)[token]))
            ids.append(token)
        assert guess.confidence == pytest.approx(sum(logs) / len(logs), abs=1e-4)


def test_whisper_of_english_alone(tmp_path):
    folder = made.whisper(tmp_path / "small.en", english_only=True)
    model = published.load(folder, "cpu", QUICK)
    wanted = by_hand(folder, "whisper", "WhisperFeatureExtractor",
                     "WhisperForConditionalGeneration")  # fmt: skip
    assert model.transcribe_speech(sounds(), "en") == wanted
    assert [guess.text for guess in model.guess_speech(sounds(), "")] == wanted
    with pytest.raises(TriviumError, match="knows no language 'hi'; known are en"):
        model.transcribe_speech([], "hi")
    with pytest.raises(TriviumError, match="does not translate speech into 'en'; it can write dow"):
        model.translate_speech([], "hi", "en")


def test_what_a_model_cannot_do_is_one_sentence(whisper, seamless):
    heard, all_of_it = published.load(whisper, "cpu"), published.load(seamless, "cpu")
    for ask, sentence in (
        (lambda: heard.translate_speech([], "hi", "de"), "does not translate speech into 'de'; it"),
        (
            lambda: heard.translate_text([], "hi", "en"),
            "does not read texts; it can write down spe",
        ),
        (lambda: heard.transcribe_speech([], "ja"), "knows no language 'ja'; known are de, en, hi"),
        (lambda: heard.transcribe_speech([tone(30.5)]), "a sound lasts 30.50 s, and .* hears 30 s"),
        (lambda: all_of_it.transcribe_speech([], ""), "must be told the `language` of what"),
        (lambda: all_of_it.translate_text([], "", "en"), "must be told the `language`"),
        (lambda: all_of_it.translate_speech([], "", "xx"), "knows no language 'xx'; known are deu"),
        (lambda: all_of_it.translate_text([], "fr", "en"), "knows no language 'fr'"),
    ):
        with pytest.raises(TriviumError, match=sentence):
            ask()
    assert heard.transcribe_speech([], "hi") == []
    assert all_of_it.translate_speech([], "fr", "en") == []  # what is spoken need not be known


def test_languages_by_all_their_codes():
    known = list(LONG.values())
    for code in ("hi", "hi_in", "hi-IN", "hin", "HI"):
        assert code_of(code, known) == "hin"
        assert code_of(code, ["hi", "en"]) == "hi"
    assert code_of("zh-CN", known) == code_of("cmn_hans_cn", known) == "cmn"
    assert code_of("cmn_Hant", ["cmn", "cmn_Hant"]) == "cmn_Hant"
    for fleurs, whisper in (("nb_no", "no"), ("fil_ph", "tl"), ("jv_id", "jw"), ("no", "nb")):
        assert code_of(fleurs, ["en", whisper]) == whisper
    assert (code_of("fil_ph", known), code_of("om_et", known)) == ("tgl", "gaz")
    assert short("sv-SE") == short("swe") == "sv"
    with pytest.raises(TriviumError, match="no language 'jp'; it knows 22, of which ja, jw begin"):
        code_of("jp", ["jw", "ja", *(f"x{n}" for n in range(20))])
    with pytest.raises(TriviumError, match=r"no language '!'; it knows 20$"):
        code_of("!", [f"x{n}" for n in range(20)])


def test_what_it_is_and_under_which_terms(whisper, seamless, copied):
    model = published.load(whisper, "cpu")
    assert model.checksum == checkpoint.checksum(whisper)
    assert (model.licence, published.load(seamless, "cpu").licence) == (
        "Apache-2.0", "CC-BY-NC-4.0"
    )  # fmt: skip
    assert (model.name, model.kinds) == (str(whisper), ())
    (copied / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n# A card\n")
    assert published.load(copied, "cpu").licence == "CC-BY-NC-SA-4.0"
    tensors = copied / "model.safetensors"
    half = tensors.stat().st_size // 2
    data = tensors.read_bytes()
    (copied / "model-00001-of-00002.safetensors").write_bytes(data[:half])
    (copied / "model-00002-of-00002.safetensors").write_bytes(data[half:])
    again = published.load(copied, "cpu")
    tensors.unlink()
    assert again.checksum == model.checksum


def test_where_models_are_found(whisper, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"system": "joint"}')
    assert published.find(tmp_path) is None
    assert published.find(tmp_path / "nowhere") is None
    assert published.find("world-speechclip") is None
    asked = []
    monkeypatch.setattr(module, "fetch", lambda name, revision: asked.append(name) or whisper)
    for name in ("whisper-small", "seamless-m4t-v2-large", "someone/their-whisper"):
        assert published.find(name) == whisper
    assert asked == [
        "openai/whisper-small", "facebook/seamless-m4t-v2-large", "someone/their-whisper"
    ]  # fmt: skip


def test_folders_that_are_not_whole_are_refused(copied, tmp_path):
    from safetensors.torch import load_file, save_file

    for name, sentence in ((tmp_path / "no", "is no folder or repository in the hub's format"),
                           ("whisper-smal", "did you mean 'whisper-small'")):  # fmt: skip
        with pytest.raises(SettingsError, match=sentence):
            published.load(name)
    tensors = load_file(copied / "model.safetensors")
    name = "model.encoder.conv1.bias"
    for values, sentence in (
        (
            {key: tensor for key, tensor in tensors.items() if key != name},
            f"lacks the tensor '{name}",
        ),
        (tensors | {"more": torch.zeros(1)}, "has left over the tensor 'more'"),
        (tensors | {name: torch.zeros(3)}, "has in another shape the tensor"),
    ):
        save_file(values, copied / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(SettingsError, match=sentence):
            published.load(copied, "cpu")
    for spoil in (lambda path: path.write_bytes(path.read_bytes()[:1000]), Path.unlink):
        spoil(copied / "model.safetensors")
        with pytest.raises(SettingsError, match=r"the weights in .* cannot be read"):
            published.load(copied, "cpu")
    told = json.loads((copied / "generation_config.json").read_text())
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    del told["lang_to_id"]
    (copied / "generation_config.json").write_text(json.dumps(told))
    with pytest.raises(SettingsError, match="has no lang_to_id, nor is_multilingual = false"):
        published.load(copied, "cpu")
    (copied / "tokenizer.json").unlink()
    with pytest.raises(SettingsError, match=r"holds no tokenizer.json; load model and"):
        published.load(copied, "cpu")
    spoiled(copied, "config.json", model_type="bark")
    with pytest.raises(SettingsError, match="model_type 'bark'; those that write here are whisper"):
        published.load(copied, "cpu")


def test_it_says_what_it_can(whisper, seamless):
    able = ("transcribe", "translate_speech", "translate_text")
    assert [published.load(whisper, "cpu").can(name) for name in able] == [True, True, False]
    assert [published.load(seamless, "cpu").can(name) for name in able] == [True] * 3
    assert not published.load(whisper, "cpu").can("classify")
