"""Joint: rows that cannot count, settings that cannot be, and the sizes of the paper."""

import numpy as np
import pytest
import torch

from tests.models.test_joint import SPEECH, TEXTS, TINY, TLM, built, prepared, row_of, said
from trivium.data.batch import Batch
from trivium.errors import SettingsError, TriviumError
from trivium.layers.conformer import ConformerSettings
from trivium.models.joint import Joint, JointSettings
from trivium.models.towers import TowerSettings
from trivium.training.step import StepSeed, train_step

# Rows and settings.


def test_rows_that_cannot_be_read_are_counted_and_named():
    system = built()
    texts = ("", "これは星です", "a red star", "!?")
    part = prepared(system, text=said(texts))["text"]
    assert part.texts == ("a red star",)
    assert part.counts["spans"] == part.inputs["hidden_text"].lengths.sum()
    assert system.observe() == {"left_out_empty": 2, "left_out_foreign": 1}
    prepared(system, text=said(texts))  # the same rows once more
    told = system.remarks()
    assert told["empty"] == (
        "rows are left out whose text is empty, as 'u0-', 'u3-!?'; left_out_empty counts them"
    )
    assert "whose text is mostly of characters that the alphabet does not" in told["foreign"]


def test_a_few_unknown_characters_are_read_but_not_written():
    part = prepared(built(), pairs=said(("a réd star", "two")))["pairs"]
    numbers = part.inputs["characters"].rows()[0].tolist()
    unknown = len(TINY.alphabet) + 1
    assert numbers.count(unknown) == 1
    assert part.inputs["transcripts"].lengths.tolist() == [9, 3]
    assert part.counts["ctc"] == 12


def test_a_transcript_that_does_not_fit_loses_nothing_and_is_not_counted():
    system = built()
    texts = ("a red star above two fish", "no")  # 25 characters on 3 frames
    part = prepared(system, pairs=said(texts, (1_600, 17_000)))["pairs"]
    assert part.counts["ctc"] == 2
    assert system.observe() == {"left_out_too_long": 1}
    loss = system({"pairs": part}, ("ctc",))["ctc"].sum
    alone = prepared(system, pairs=row_of(said(texts, (1_600, 17_000)), 1))
    torch.testing.assert_close(loss, system(alone, ("ctc",))["ctc"].sum)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in system.parameters() if p.grad is not None)
    assert system({"pairs": part}, TLM)["tlm_text"].sum.isfinite()


def test_equal_neighbours_need_a_blank_between():
    # 0.16 s are 4 frames: "eve" needs 3, "eeee" 7.
    part = prepared(built(), pairs=said(("eve", "eeee"), (2_700, 2_700)))["pairs"]
    assert built().body.num_frames(part.speech.lengths).tolist() == [4, 4]
    assert part.counts["ctc"] == 3


def test_a_micro_without_a_row_that_counts_adds_nothing():
    system = built()
    weights = {"spans": 1.0, "ctc": 1.0}
    good = {"text": said(("a blue cat",)), "pairs": said(("no",), (17_000,))}
    bad = {"text": said(("", "青い猫")), "pairs": said(("a red star",), (1_600,))}
    worse = {"text": said(("", "青い猫")), "pairs": said(("",), (1_600,))}
    micros = [prepared(system, **parts) for parts in (good, bad, worse)]
    assert [sorted(parts) for parts in micros] == [["pairs", "text"], ["pairs"], []]
    alone = train_step(system, micros[:1], weights, StepSeed(0, 0))
    assert train_step(system, micros, weights, StepSeed(0, 0)) == pytest.approx(alone)
    with pytest.raises(TriviumError, match="counted 0 items for 'spans': no row of this step"):
        train_step(system, micros[1:], weights, StepSeed(0, 0))


def test_what_is_missing_is_said():
    system = built()
    mute = Batch(("u",), np.arange(1), texts=("a",))
    with pytest.raises(TriviumError, match="the batch of 'u' has no sound"):
        prepared(system, speech=mute)
    with pytest.raises(TriviumError, match="the batch of 'u' has no texts"):
        prepared(system, text=Batch(("u",), np.arange(1)))


def test_long_texts_are_cut_for_the_layers_and_written_whole():
    system = built(max_characters=6)
    part = prepared(system, pairs=said())["pairs"]
    assert part.inputs["characters"].lengths.max() == 6
    assert part.inputs["transcripts"].lengths.max() == len(TEXTS[0])


def test_without_an_alphabet_there_is_speech_alone():
    system = built(alphabet="")
    assert system.kinds == ("speech",)
    assert not {"embedding.weight", "write_characters.weight"} & set(system.state_dict())
    terms = system(prepared(system, speech=said()), SPEECH)
    assert all(term.sum.isfinite() for term in terms.values())
    with pytest.raises(TriviumError, match=r"settings\.alphabet is '', so the texts of the micro"):
        prepared(system, text=said())
    with pytest.raises(TriviumError, match=r"nothing is written where settings\.alphabet is ''"):
        system.transcribe(said().speech)
    with pytest.raises(TriviumError, match=r"nothing is read where settings\.alphabet is ''"):
        system.embed_text(["a"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "layers are given by nothing; give exactly one of conformer and speech"),
        ({"conformer": {}, "speech": {"network": "w2v-bert-2.0"}}, "by conformer and speech"),
        ({"conformer": {}, "alphabet": "abca"}, "the alphabet has 'a' more than once"),
        ({"conformer": {}, "normaliser": "word"}, "did you mean 'words'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, told):
    with pytest.raises(SettingsError, match=told):
        JointSettings.parse(values)


def test_layers_must_be_left_to_share():
    with pytest.raises(SettingsError, match="speech_layers is 4 of 4 layers in all"):
        built(speech_layers=4)
    hubert = TowerSettings(network="test-hubert", random_weights=True)
    with pytest.raises(SettingsError, match="the speech tower is a hubert; `joint` goes on from"):
        built(conformer=None, speech=hubert, speech_layers=1)


# Sizes.


@pytest.mark.parametrize(
    ("sizes", "millions", "tolerance"),
    # "About 600 M" and "1.84 B" as mSLAM counts them; heads and the inner width of the larger are
    # nowhere told: 4 times the width is what makes 1.84.
    [({}, 600, 0.01), ({"layers": 40, "width": 1408, "feedforward": 5632}, 1840, 0.01)],
)
def test_paper_sizes_are_the_published_ones(sizes, millions, tolerance):
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 4096)))
    with torch.device("meta"):
        system = Joint(JointSettings(conformer=ConformerSettings(**sizes), alphabet=alphabet))
    assert all(parameter.ndim for parameter in system.parameters())  # FSDP2 refuses scalars
    count = sum(parameter.numel() for parameter in system.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=tolerance)
    assert len(system.speech.layers) - system.settings.speech_layers in (16, 32)
