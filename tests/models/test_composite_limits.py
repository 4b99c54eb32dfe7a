"""What `composite` writes, what it refuses, and the folders it is read from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from tests.models.test_composite import (
    CODES,
    SPOKEN,
    TEXTS,
    TO,
    TRANSLATOR,
    built,
    losses,
    prepared,
    said,
)
from tests.models.test_translator import published
from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.composite import Composite, CompositeSettings
from trivium.models.loaded import Model
from trivium.models.system import described, stored, system_class
from trivium.models.towers import NETWORKS, TowerSettings
from trivium.models.towers.translator import Translator
from trivium.models.towers.writing import WritingSettings

SIXTEEN = WritingSettings(beams=3, max_tokens=16)


def generated(network, translator, to, **given):
    """What transformers writes of its own accord, forced to begin with a language."""
    made = network.generate(
        **given, num_beams=3, max_new_tokens=17, decoder_start_token_id=translator.start,
        forced_bos_token_id=translator.language(to), do_sample=False, early_stopping=False,
        length_penalty=1.0,
    )  # fmt: skip
    return [translator.text(row) for row in made.tolist()]


@pytest.mark.parametrize("name", ["test-mbart", "test-m2m100"])
def test_texts_are_translated_as_the_untouched_network_does(name):
    system = built(name, writing=SIXTEEN)
    found = system.translate_text(TEXTS, CODES, "de")
    for row, text in enumerate(TEXTS):
        ids = torch.tensor(system.translator.tokens([text], [CODES[row]])[0])[None]
        alone = generated(system.translator.network, system.translator, "de", input_ids=ids)
        assert [found[row]] == alone
    assert any(found)
    assert system.translate_text([], [], "de") == []


def test_speech_is_written_the_same_in_every_batch_and_in_the_language_asked_for():
    system, batch = built(writing=SIXTEEN), said(extra=600)
    heard, translated = (
        system.transcribe(batch.speech, CODES),
        system.translate_speech(batch.speech, CODES, "de"),
    )
    for row in range(4):
        alone = said(0, [row]).speech
        assert system.transcribe(alone, CODES[row : row + 1]) == [heard[row]]
        assert system.translate_speech(alone, CODES[row : row + 1], "de") == [translated[row]]
        embedded = system.hear(alone, torch.tensor([system.translator.language(CODES[row])]))
        states = system.translator.network.model.encoder(inputs_embeds=embedded.data)
        wanted = generated(system.translator.network, system.translator, "de",
                           encoder_outputs=states)  # fmt: skip
        assert wanted == [translated[row]]
    assert system.transcribe(batch.speech, ["en"] * 4) != system.transcribe(
        batch.speech, ["ja"] * 4
    )


def changed(**columns):
    batch = said()
    return replace(batch, columns={**batch.columns, **columns})


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (replace(said(), texts=("a", None, "b", "c")), "'u1' has no text; .* where='text is not"),
        (replace(said(), languages=("en", "en", None, "en")), "'u2' has no language"),
        (changed(translation_language=("en", None, "de", None)), "'u1' has no translation_lang"),
        (replace(said(), languages=("en", "em", "de", "en")), "u1: .* 'em'; near ones are en"),
        (replace(said(), texts=("a", "b" * 70, "b", "c")), "of 'u1' has 73 tokens, and the limit"),
        (replace(said(), speech=None), "the batch of 'u0' has no sound"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_named(batch, sentence):
    with pytest.raises(TriviumError, match=sentence):
        prepared(built(max_tokens=64), batch, "spoken")


def test_positions_that_are_not_there_are_named():
    few = {"max_position_embeddings": 21}
    system, batch = built(sizes=few, writing=SIXTEEN), said()
    parts = prepared(system, replace(batch, texts=("ab", "a red star", "b", "c")), "spoken")
    for name in ("asr", "mt", "st"):
        system(parts, (name,))
    with pytest.raises(TriviumError, match=r"text and speech of 'u0' take 2. positions"):
        system(parts, ("stm",))
    long = Ragged(torch.zeros(1, 30_000), torch.tensor([30_000]))
    with pytest.raises(TriviumError, match=r"speech of 'utterance 1' take 25 positions.* has 21"):
        system.transcribe(long, ["en"])
    # Padding takes none.
    padded = Ragged(torch.zeros(1, 30_000), torch.tensor([9_000]))
    assert len(system.transcribe(padded, ["en"])) == 1
    with pytest.raises(TriviumError, match="a text of 'line 2' has 29 tokens"):
        system.translate_text(["a", "x" * 26], ["en", "en"], "de")


def test_how_sure_it_is_of_a_text_does_not_depend_on_the_others_and_a_model_tells_it():
    system = built()
    speech, texts, codes = said(extra=900).speech, list(TEXTS), list(CODES)
    found = system.guess(speech, codes, "de")
    assert [text for text, _ in found] == system.translate_speech(speech, codes, "de")
    assert all(mean < 0 for _, mean in found)
    alone = [system.guess(said(rows=[row]).speech, codes[row : row + 1], "de")[0]
             for row in range(len(codes))]  # fmt: skip
    assert [text for text, _ in alone] == [text for text, _ in found]
    assert [mean for _, mean in alone] == pytest.approx([mean for _, mean in found], abs=1e-4)
    model = Model("composite", system, "")
    assert model.tells_confidence
    assert model.guess_text(texts[:1], codes[0], "de") == system.guess_text(
        texts[:1], codes[:1], "de"
    )
    sounds = [row.numpy() for row in speech.rows()]
    assert model.guess_speech(sounds[:1], codes[0])[0] == pytest.approx(
        system.guess(said(rows=[0]).speech, codes[:1])[0]
    )


def test_it_has_to_be_told_languages_that_it_knows():
    system = built()
    assert system.told_language
    waves = said(0, [0]).speech
    for wrong in (
        lambda: system.transcribe(waves, [None]),
        lambda: system.translate_speech(waves, ["fr"], "en"),
        lambda: system.translate_speech(waves, ["en"], "fr"),
        lambda: system.translate_text(["a"], ["en"], "fr"),
    ):
        with pytest.raises(TriviumError, match=r"not told of the language ('fr'|None); "):
            wrong()


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match="match_layer is 3, and the text encoder has 2"):
        built(match_layer=3)
    with pytest.raises(SettingsError, match=r"max_tokens is 16, and .* positions for 15 tokens"):
        built(sizes={"max_position_embeddings": 17}, writing=SIXTEEN)
    translator = TowerSettings(network="test-mbart", random_weights=True).model_dump()
    with pytest.raises(SettingsError, match="teacher_guide 0 leaves the teacher unheard"):
        CompositeSettings.parse(
            {"translator": translator, "teacher": translator, "teacher_guide": 0}
        )
    text_only = built(speech=None)
    assert set(text_only.roles) == {"written"}
    assert not hasattr(text_only, "adapter")
    with pytest.raises(
        TriviumError, match=r"1 utterances cannot be heard: settings\.speech is None"
    ):
        text_only.transcribe(said(0, [0]).speech, ["en"])


# From and into folders.


def hub_whisper(folder):
    torch.manual_seed(2)
    config = transformers.WhisperConfig(
        **NETWORKS["test-whisper"].sizes["speech"], vocab_size=60, bos_token_id=1, eos_token_id=2,
        pad_token_id=0, decoder_start_token_id=1,
    )  # fmt: skip
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "codes"),
    [("test-mbart", ("en_XX", "de_DE")), ("test-m2m100", ("__en__", "__de__")),
     ("test-m2m100", ("eng_Latn", "deu_Latn"))],
)  # fmt: skip
def test_whisper_and_a_published_text_network_become_one_model(tmp_path, name, codes):
    speech = hub_whisper(tmp_path / "whisper")
    (tmp_path / "text").mkdir()
    text = published(tmp_path / "text", name, codes)
    settings = CompositeSettings(
        speech=TowerSettings(source=str(speech)), translator=TowerSettings(source=str(text)),
        teacher=TowerSettings(source=str(text)), match_layer=1,
    )  # fmt: skip
    system = Composite(settings).eval()
    system.begin({})
    batch = replace(
        said(), texts=("abc", "bad", "", "deaf"), languages=("en", "de", "en", "en"),
        columns={"translation": ("cab", None, "fed", "a"),
                 "translation_language": ("de", None, "de", "de")},
    )  # fmt: skip
    found, _ = losses(system, prepared(system, batch))
    assert all(np.isfinite(loss) for loss in found.values())
    # The teacher is the network itself: what it holds likely is what is said.
    assert system._teacher[0].checksum() == system.translator.checksum()
    written = system.translate_text(["abc"], ["en"], "de")
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(text).eval()
    ids = torch.tensor(system.translator.tokens(["abc"], ["en"])[0])[None]
    made = theirs.generate(input_ids=ids, num_beams=5, max_new_tokens=129, do_sample=False,
                           forced_bos_token_id=system.translator.language("de"),
                           decoder_start_token_id=2)  # fmt: skip
    assert written == [system.translator.text(made[0].tolist())]


def test_a_checkpoint_gives_the_same_texts_again_and_holds_no_teacher(tmp_path):
    system = built(writing=SIXTEEN, teacher=TowerSettings(
        network="test-mbart", random_weights=True, sizes=TRANSLATOR))  # fmt: skip
    system.begin({})
    assert not any("teacher" in name for name in stored(system))
    model = Model("composite", system, "")
    model.export(tmp_path / "model")
    again = Model.load(tmp_path / "model", device="cpu")
    assert not again.system._teacher
    waves = said().speech
    assert again.system.transcribe(waves, CODES) == system.transcribe(waves, CODES)
    assert again.system.translator.languages == system.translator.languages
    assert described(again.system).languages == system.settings.languages
    # Another system takes its text network with its tokens, as the recipes of the world do.
    tower = Translator.from_settings(TowerSettings(source=str(tmp_path / "model")))
    assert tower.checksum() == system.translator.checksum()
    assert tower.languages == system.translator.languages


def test_it_is_known_by_its_name():
    kind = system_class("composite")
    assert kind.tiny().settings == CompositeSettings.tiny()
    assert set(kind.objectives) == {*SPOKEN, "mt_written"}
    assert TO  # of the rows above
