"""Text encoder-decoders: transformers' own numbers, tokens, languages, and folders of the hub."""

import json
import unicodedata

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers import NETWORKS, TowerSettings, train_tokenizer
from trivium.models.towers.translator import NLLB, SPECIAL, Translator

FAMILIES = {"test-mbart": "MBart", "test-m2m100": "M2M100"}
TEXTS = ("Ein roter Hund", "a red dog above two fish", "", "赤い犬")
CODES = ("de", "en", "en", "ja")


def built(name="test-mbart", languages=("en", "de", "ja"), texts=TEXTS, **sizes):
    torch.manual_seed(0)
    tower = TowerSettings(network=name, random_weights=True,
                          sizes={"init_std": 0.3, **sizes})  # fmt: skip
    return Translator.from_settings(tower, train_tokenizer(texts, 300), languages)


def padded(tower, texts=TEXTS, codes=CODES):
    return Ragged.from_rows(tower.tokens(texts, codes))


def published(folder, name, languages):
    """A folder as the hub has it: weights, and a tokenizer whose languages are marked tokens."""
    torch.manual_seed(1)
    sizes = NETWORKS[name].sizes["translator"]
    kind = getattr(transformers, f"{FAMILIES[name]}ForConditionalGeneration")
    kind(kind.config_class(**{**sizes, "init_std": 0.3})).save_pretrained(folder)
    words = {word: number for number, word in enumerate([*SPECIAL, *"abcdefgh"])}
    tokenizer = Tokenizer(models.BPE(words, [], unk_token="<unk>"))
    tokenizer.add_special_tokens([AddedToken(mark) for mark in (*SPECIAL, *languages)])
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_it_reads_and_writes_as_transformers_does(name):
    tower = built(name)
    source, target = padded(tower), padded(tower, TEXTS[::-1], CODES[::-1])
    read = tower.read(Ragged(tower.embed(source.data), source.lengths), states=True)
    scores = tower.head.scores(tower.write(target.data, read.last))
    labels = target.data.masked_fill(~target.mask(), -100)
    # Theirs turns labels into what the decoder is told: mBART-50 puts </s> before the language.
    begun = torch.cat([torch.full((4, 1), 2), target.data[:, :-1]], 1)
    theirs = tower.network(input_ids=source.data, attention_mask=source.mask().long(),
                           decoder_input_ids=begun, output_hidden_states=True)  # fmt: skip
    for row, length in enumerate(target.lengths):
        torch.testing.assert_close(scores[row, :length], theirs.logits[row, :length])
    assert len(read.states) == 3
    for ours, other in zip(read.states, theirs.encoder_hidden_states, strict=True):
        for row, length in enumerate(source.lengths):
            torch.testing.assert_close(ours[row, :length], other[row, :length])
    if name == "test-mbart":
        from transformers.models.mbart.modeling_mbart import shift_tokens_right

        wrapped = shift_tokens_right(labels, tower.network.config.pad_token_id)
        kept = target.mask()
        assert torch.equal(wrapped[kept], begun[kept])


@torch.no_grad()
@settings(max_examples=6)
@given(st.permutations(range(4)), st.integers(0, 5), st.sampled_from(sorted(FAMILIES)))
def test_a_text_is_the_same_in_every_batch(order, extra, name):
    tower = built(name)
    rows = padded(tower, [TEXTS[n] for n in order], [CODES[n] for n in order])
    wider = torch.nn.functional.pad(rows.data, (0, extra), value=9)
    read = tower.read(Ragged(tower.embed(wider), rows.lengths)).last
    states = tower.write(rows.data, read)
    for row, length in enumerate(rows.lengths):
        alone = Ragged(rows.data[row : row + 1, :length], rows.lengths[row : row + 1])
        own = tower.read(Ragged(tower.embed(alone.data), alone.lengths)).last
        torch.testing.assert_close(read.rows()[row], own.data[0], atol=1e-5, rtol=1e-5)
        mine = tower.write(alone.data, own)[0]
        torch.testing.assert_close(states[row, :length], mine, atol=1e-5, rtol=1e-5)


@given(st.text(max_size=30), st.sampled_from(["en", "de", "ja"]))
def test_any_text_is_read_and_told_again(text, code):
    tower = BYTES
    row = tower.tokens([text], [code])[0]
    assert row[0] == tower.languages[code]
    assert row[-1] == tower.end
    assert not {tower.end, tower.mask, *tower.languages.values()} & set(row[1:-1].tolist())
    assert tower.text(row) == unicodedata.normalize("NFC", text).strip()


BYTES = Translator.from_settings(TowerSettings(network="test-mbart", random_weights=True))


def test_marks_in_a_text_are_no_marks():
    tower = built()
    row = tower.tokens(["</s> en_XX <mask>"], ["en"])[0]
    assert row.tolist().count(tower.end) == 1
    assert tower.text(row) == "</s> en_XX <mask>"


def test_a_network_without_weights_reads_bytes_of_every_language_of_the_table():
    assert set(NLLB) <= BYTES.languages.keys()
    assert {"pad_token_id": 1, "eos_token_id": 2}.items() <= (
        BYTES.network.config.to_dict().items()
    )
    assert [BYTES.tokenizer.token_to_id(mark) for mark in SPECIAL] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "codes", "named"),
    [
        ("test-mbart", ("en_XX", "zh_CN", "sv_SE"),
         {"en": "en_XX", "zh-CN": "zh_CN", "sv": "sv_SE"}),
        ("test-m2m100", ("__en__", "__zh__"), {"en": "__en__", "zh_TW": "__zh__"}),
        ("test-m2m100", ("eng_Latn", "zho_Hant", "zho_Hans", "swh_Latn"),
         {"en": "eng_Latn", "zh-CN": "zho_Hans", "sw": "swh_Latn", "zho_Hant": "zho_Hant",
          "eng": "eng_Latn"}),
    ],
)  # fmt: skip
@torch.no_grad()
def test_a_hub_folder_is_read_with_its_languages(tmp_path, name, codes, named, capfd):
    folder = published(tmp_path, name, codes)
    capfd.readouterr()
    tower = Translator.from_settings(TowerSettings(source=str(folder)))
    assert capfd.readouterr().err == ""
    stored = load_file(folder / "model.safetensors")
    assert torch.equal(tower.head.weight, stored["model.shared.weight"])
    assert tower.is_elsewhere is False
    tower.freeze()
    assert tower.is_elsewhere
    for code, token in named.items():
        assert tower.language(code) == tower.tokenizer.token_to_id(token)
    # Neither truncation nor padding of the file is taken over.
    rows = tower.tokens(["abcdefgh", "a"], ["en", "en"])
    assert [len(row) for row in rows] == [10, 3]
    text = tower.tokens(["abc"], ["en"])[0]
    theirs = getattr(transformers, f"{FAMILIES[name]}ForConditionalGeneration").from_pretrained(
        folder
    )
    wanted = theirs.eval()(input_ids=torch.tensor(text)[None], decoder_input_ids=torch.tensor(
        [[2, *text[:-1]]])).logits  # fmt: skip
    ids = Ragged.from_rows([text])
    read = tower.read(Ragged(tower.embed(ids.data), ids.lengths)).last
    torch.testing.assert_close(tower.head.scores(tower.write(ids.data, read)), wanted)
    assert tower.mask == 3  # where there is no <mask>, the unknown


def test_languages_that_are_missing_are_added_as_the_mean_of_the_others(tmp_path):
    folder = published(tmp_path, "test-mbart", ("en_XX", "de_DE"))
    settings = TowerSettings(source=str(folder))
    tower = Translator.from_settings(settings, None, ("en", "cy", "ca"))
    assert tower.languages["cy_XX"] != tower.languages["ca_XX"]
    assert tower.network.config.vocab_size == 400  # there was room
    # A vocabulary without room grows, and a checkpoint then holds the weights.
    torch.manual_seed(0)
    small = TowerSettings(network="test-mbart", random_weights=True,
                          sizes={"vocab_size": 14})  # fmt: skip
    grown = Translator.from_settings(small, Tokenizer.from_file(str(folder / "tokenizer.json")),
                                     ("cy",))  # fmt: skip
    assert grown.network.config.vocab_size == 15
    known = [grown.language("en"), grown.language("de")]
    weight = grown.head.weight
    torch.testing.assert_close(weight[grown.language("cy")], weight[known].mean(0))
    assert grown.head.bias.shape == (15,)
    assert grown.origin is None
    assert grown.described.sizes["vocab_size"] == 15
    again = Translator.from_settings(grown.described, grown.tokenizer)
    assert again.languages == grown.languages


@pytest.mark.parametrize(
    ("code", "told"),
    [("dx", "near ones are de"), (None, "known are de, en, ja"), ("xyz", "known are de, en, ja")],
)
def test_a_language_that_is_not_known_lists_near_ones(code, told):
    with pytest.raises(TriviumError, match=f"language {code!r}; {told}"):
        built().language(code)


def test_a_folder_without_tokens_or_with_other_tensors_is_refused(tmp_path):
    folder = published(tmp_path, "test-m2m100", ("__en__",))
    tensors = load_file(folder / "model.safetensors")
    (folder / "tokenizer.json").rename(folder / "kept")
    with pytest.raises(SettingsError, match=r"holds no tokenizer\.json; make one with"):
        Translator.from_settings(TowerSettings(source=str(folder)))
    (folder / "kept").rename(folder / "tokenizer.json")
    sinusoids = {"model.encoder.embed_positions.weights": torch.zeros(3, 3)}  # of older files
    save_file({**tensors, **sinusoids}, folder / "model.safetensors", {"format": "pt"})
    Translator.from_settings(TowerSettings(source=str(folder)))
    del tensors["model.decoder.layers.1.fc1.bias"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(SettingsError, match=r"lacks the tensor 'model\.decoder\.layers\.1\.fc1"):
        Translator.from_settings(TowerSettings(source=str(folder)))
    (folder / "model.safetensors").unlink()
    with pytest.raises(SettingsError, match="import AutoModelForSeq2SeqLM as M"):
        Translator.from_settings(TowerSettings(source=str(folder)))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(SettingsError, match="no network for translator; known are mbart, m2m_100"):
        Translator.from_settings(TowerSettings(source=str(folder)))


@pytest.mark.parametrize(
    ("name", "millions"), [("mbart-50", 610.9), ("nllb-200-600m", 615.1), ("m2m100-418m", 483.9)]
)
def test_published_networks_have_their_sizes(name, millions):
    settings = TowerSettings(network=name, random_weights=True)
    with torch.device("meta"):
        tower = Translator.from_settings(settings)
    assert len(tower.layers) == 24
    assert sum(p.numel() for p in tower.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_case_is_kept_though_the_pieces_were_counted_without():
    tower = built(texts=["Der Hund", "Der Hund"])
    assert tower.text(tower.tokens(["Der HUND"], ["de"])[0]) == "Der HUND"
    assert len(np.unique(tower.tokens(["der hund"], ["de"])[0])) < 11
