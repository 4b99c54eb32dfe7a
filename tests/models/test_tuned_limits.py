"""Tuned: rows that cannot be learned from are counted and named; what makes no sense is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_tuned import COLUMNS, TEXTS, TINY, built, prepared, told
from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.clip import ClipSettings
from trivium.models.grounded import GroundedSettings
from trivium.models.joint import JointSettings
from trivium.models.loaded import Model
from trivium.models.tuned import TunedSettings
from trivium.models.tuned.settings import ClassifierSettings, DecoderSettings, EncoderSettings
from trivium.training.step import StepSeed, train_step

JOINT = EncoderSettings(system="joint", settings=JointSettings.tiny())
GROUNDED = EncoderSettings(system="grounded", settings=GroundedSettings.tiny())
PAIRS = ClassifierSettings(labels=("no", "yes"), pairs=True)


def with_column(name, *values):
    return told(**{name: values})


@pytest.mark.parametrize(
    ("batch", "objective", "fault", "row"),
    [(replace(told(), texts=("a", "", None, " .")), "ctc", "empty", 3),
     (replace(told(), texts=("a", "これは", "b", "c")), "ctc", "foreign", 1),
     (replace(told(), texts=("a", "b" * 9, "c", "abc" * 9)), "ctc", "too_long", 1),
     (with_column("translation", "a", "", None, "d"), "speech_translation", "empty", 2),
     (with_column("translation", "a", "b", "これは", "d"), "text_translation", "foreign", 1),
     (with_column("translation_language", "en", "fr", None, "ja"), "speech_translation",
      "other_language", 2),
     (replace(told(), texts=("a", "これは", "b", "c")), "text_translation", "foreign", 1),
     (replace(told(), texts=("a", "これは", "", "c")), "text_label", "foreign", 1),
     (with_column("label", "yes", None, "", "no"), "speech_label", "unlabelled", 2),
     (with_column("label", "yes", "maybe", "perhaps", "no"), "text_label", "other_label", 2)],
)  # fmt: skip
def test_a_row_without_what_it_needs_is_left_out_counted_and_named(batch, objective, fault, row):
    system = built()
    (part,) = prepared(system, batch, objective).values()
    counts = system.observe()
    assert counts[f"left_out_{fault}"] == row
    assert len(part) + sum(counts.values()) == 4
    sentence = system.remarks()[fault]
    assert sentence.startswith("rows are left out ")
    assert sentence.endswith(f"; left_out_{fault} counts them")
    named = [name for name in batch.ids if repr(name) in sentence]
    assert len(named) == row
    assert not set(named) & set(part.ids)
    loss = system({system.needs[objective][0]: part}, (objective,))[objective].sum
    assert loss.isfinite()


def test_a_pair_without_a_second_sentence_is_left_out():
    extra = ('{"second": "it is"}', "{}", "not JSON", '["second"]')
    system, batch = built(classifier=PAIRS), told(extra=extra)
    (part,) = prepared(system, batch, "text_label").values()
    assert part.ids == batch.ids[:1]
    assert system.observe() == {"left_out_single": 3}
    odd = told(extra=('{"second": ""}', '{"second": null}', None, '{"other": "a"}'))
    assert prepared(built(classifier=PAIRS), odd, "text_label") == {}


def test_a_micro_of_which_nothing_is_left_costs_nothing():
    system = built()
    nothing = with_column("label", None, None, None, None)
    parts = prepared(system, nothing, "speech_label", "speech_translation")
    assert parts.keys() == {"spoken_translations"}
    terms = system(parts, ("speech_translation", "speech_label"))
    assert terms["speech_label"].sum.item() == 0
    terms["speech_label"].sum.backward()
    empty = {"speech_label": 1.0}
    with pytest.raises(TriviumError, match="counted 0 items for 'speech_label'"):
        train_step(system, [parts], empty, StepSeed(0, 0))
    # Beside a micro that has some it changes nothing.
    full = prepared(system, told(), "speech_label")
    losses = train_step(system, [full], empty, StepSeed(0, 0))
    assert train_step(system, [full, {}], empty, StepSeed(0, 0)) == losses


def test_no_text_at_all_is_a_text():
    system, silence = built(), Ragged(torch.zeros(2, 1), torch.tensor([0, 1]))
    assert len(system.transcribe(silence)) == 2
    assert len(system.translate_speech(silence, [None, None], "en")) == 2
    assert system.classify(silence, None).isfinite().all()
    assert system.classify(None, ["", "\t", "これ"]).isfinite().all()
    assert len(system.translate_text([""], [None], "en")) == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"ctc": None, "decoder": None, "classifier": None}, "give at least one head"),
     ({"alphabet": "aba"}, "alphabet .* has 'a' more than once"),
     ({"encoder": {}}, "start is None and system is None; give either start, or system"),
     ({"encoder": {"start": "runs/a", "system": "joint", "settings": {}}}, "layers are given by"),
     ({"encoder": {"start": "runs/a", **JOINT.model_dump(exclude={"start"})}},
      "start is 'runs/a' and system is 'joint'; give either"),
     ({"encoder": {"system": "joint"}}, "start is None and system is 'joint'"),
     ({"encoder": {"system": "jiont", "settings": {}}}, "no system is called 'jiont'.*joint"),
     ({"encoder": {"system": "joint", "settings": {"depth": 3}}}, "no setting 'depth'"),
     ({"decoder": {"languages": ["en", "en"]}}, "languages .* has 'en' more than once"),
     ({"decoder": {"width": 30, "heads": 4}}, "a width of 30 is not even, or no multiple of 4"),
     ({"decoder": {"width": 33, "heads": 3}}, "a width of 33 is not even"),
     ({"classifier": {"labels": ["a", "b", "a"]}}, "labels .* has 'a' more than once")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        TunedSettings.parse({**TINY.model_dump(mode="json"), **values})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"encoder": EncoderSettings(system="clip", settings=ClipSettings.tiny())},
      "the encoder is a clip, which does not show its layers"),
     ({"encoder": GROUNDED}, "is a grounded, whose layers can be heard and not be trained; set"),
     ({"encoder": GROUNDED, "train_encoder": False}, "ctc writes in the alphabet ''; set one"),
     ({"encoder": GROUNDED, "train_encoder": False, "ctc": None},
      r"the decoder writes \('en', 'ja'\) in the alphabet ''; name"),
     ({"encoder": GROUNDED, "train_encoder": False, "ctc": None, "decoder": None,
       "classifier": ClassifierSettings(labels=("a", "b"), reads="text")},
      "the encoder is a grounded and does not read text"),
     ({"decoder": DecoderSettings()}, r"the decoder writes \(\) in the alphabet"),
     ({"classifier": ClassifierSettings()}, r"classifier.labels are \(\); name at least two"),
     ({"classifier": ClassifierSettings(labels=("a",))}, r"labels are \('a',\); name at least"),
     ({"normaliser": "wrods"}, "no normaliser is named 'wrods'; .*words"),
     ({"encoder": EncoderSettings(start="nowhere")}, "nowhere is no folder and no model")],
)  # fmt: skip
def test_systems_that_make_no_sense_are_refused(changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        built(**changes)


def test_what_it_was_not_tuned_for_is_refused():
    batch = told()
    speech, none, sounds = batch.speech, [None] * 4, [row.numpy() for row in batch.speech.rows()]
    labels = ClassifierSettings(labels=("no", "yes"))
    bare = built(ctc=None, decoder=None, classifier=labels)
    assert bare.objectives == ("speech_label", "text_label")
    model = Model("tuned", bare, "")
    asked = {
        "write down what it hears": lambda: model.transcribe_speech(sounds),
        "translate speech": lambda: model.translate_speech(sounds, "", "en"),
        "translate texts": lambda: model.translate_text(TEXTS, "", "en"),
    }
    for wish, ask in asked.items():
        with pytest.raises(TriviumError, match=f"'tuned' does not {wish}; it can tell labels"):
            ask()
    assert model.classify(sounds)[0] == ("no", "yes")
    with pytest.raises(TriviumError, match=r"classify was given None and None; give speech or"):
        bare.classify(None, None)
    with pytest.raises(TriviumError, match="give speech or texts"):
        bare.classify(speech, TEXTS)
    system = built(classifier=None)
    assert (system.labels, system.reads, system.label_column) == ((), (), "label")
    with pytest.raises(TriviumError, match="'tuned' does not tell labels"):
        Model("tuned", system, "").classify(sounds)
    for ask in (lambda: system.classify(None, TEXTS), system.layer_weights):
        with pytest.raises(TriviumError, match="classifier is None: it was not tuned to classify"):
            ask()
    with pytest.raises(TriviumError, match=r"tuned to translate into 'eo'; .*en"):
        system.translate_speech(speech, none, "eo")
    deaf = built(encoder=GROUNDED, train_encoder=False, alphabet=" abc", ctc=None)
    assert deaf.translate_speech(speech, none, "ja")
    assert deaf.translate_text is None
    with pytest.raises(SettingsError, match="a grounded and does not read text"):
        deaf.classify(None, TEXTS)


def test_a_batch_without_what_it_needs_is_refused():
    system, batch = built(), told()
    for objective, missing in (("ctc", "text"), ("speech_translation", "translation"),
                               ("text_label", "label")):  # fmt: skip
        columns = {name: column for name, column in COLUMNS.items() if name != missing}
        bare = replace(batch, texts=None if missing == "text" else batch.texts, columns=columns)
        with pytest.raises(TriviumError, match=f"of {batch.ids[0]!r} has no column '{missing}'"):
            prepared(system, bare, objective)
    with pytest.raises(TriviumError, match="has no sound"):
        prepared(system, replace(batch, speech=None), "ctc")
    make = built(decoder=None, classifier=None).preparation
    with pytest.raises(TriviumError, match="are for a decoder; set one"):
        make.translations(batch, "speech_translation")
    with pytest.raises(TriviumError, match="are for a classifier; set one"):
        make.labels(batch, "speech_label")
    deaf = built(encoder=GROUNDED, train_encoder=False, alphabet=" abc").preparation
    with pytest.raises(TriviumError, match="the encoder does not read texts, such as 'a red star"):
        deaf.labels(batch, "text_label")


def test_languages_and_speakers_are_labels_too():
    for column in ("language", "speaker"):
        classifier = ClassifierSettings(labels=("en", "ja"), column=column)
        system = built(classifier=classifier)
        assert system.label_column == column
        assert system.roles["labelled_speech"] == ("audio", column)
        batch = replace(told(speaker=("ja", "en", "en", "x")), languages=("ja", "en", "en", "x"))
        (part,) = prepared(system, batch, "speech_label").values()
        assert part.inputs["labels"].tolist() == [1, 0, 0]
        assert system.guesses["speech_label"] == pytest.approx(np.log(2))
