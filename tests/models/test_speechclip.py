import numpy as np
import pytest
import torch

from tests.conftest import COLUMNS_OF_CARD, png
from trivium.data.batch import Ragged
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.image import decode_image
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.errors import SettingsError, TriviumError
from trivium.models.gallery import picture_vectors
from trivium.models.speechclip import SpeechClip, SpeechClipSettings
from trivium.models.towers import TowerSettings, train_tokenizer
from trivium.recipes import recipe
from trivium.training.loop import fit

COLUMNS = ("audio", "image", "picture", "language", "text")
ENGLISH = "picture is not null and language = 'en'"


def source(folder, **columns):
    columns = {"where": ENGLISH, "seconds": 60} | columns
    return SourceSettings(corpora=(folder,), columns=COLUMNS, **columns)


def one_batch(system, settings, role, rows=8):
    """The first rows of a source, prepared."""
    taken = Source(settings)
    positions = np.arange(min(rows, len(taken)))
    batch = load(taken, positions, epoch=0, seed=0, watch=Stopwatch())
    return system.prepare({role: batch}, np.random.default_rng(0))


def recall_at_1(queries, gallery):
    return ((queries @ gallery.T).argmax(1) == torch.arange(len(queries))).float().mean().item()


def everything(corpus_folder, split="train"):
    corpus = Corpus.open(corpus_folder)
    rows = corpus.columns("utterances", ["picture"], f"split = '{split}' and {ENGLISH}")
    places, pictures = rows.column("row").to_numpy(), rows.column("picture").to_pylist()
    taken = corpus.take("utterances", places, ["id", "audio", "path", "offset", "seconds", "text"])
    images = corpus.take("pictures", corpus.picture_rows(pictures), ["image"]).column("image")
    return corpus.sounds(taken), taken.column("text").to_pylist(), images.to_pylist()


def test_tiny_learns_its_own_32_pairs(tmp_path, world_folder):
    fitted = fit(recipe("speechclip.tiny", [world_folder]), tmp_path / "run")
    sounds, _, images = everything(world_folder)
    assert len(sounds) == 32
    speech = fitted.system.embed_speech(Ragged.from_rows(sounds), [None] * 32)
    pictures = fitted.system.embed_picture([torch.tensor(decode_image(i)) for i in images])
    assert recall_at_1(speech, pictures) >= 0.9
    assert recall_at_1(pictures, speech) >= 0.9


@pytest.mark.parametrize("head", [{}, {"shrink": 4, "norm_first": True, "pooling_layers": 2}])
def test_an_utterance_is_heard_the_same_whatever_stands_beside_it(head):
    torch.manual_seed(0)
    system = SpeechClip(SpeechClipSettings.tiny().model_copy(update=head)).eval()
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(n).astype(np.float32) for n in (5_000, 16_000, 900)]
    together = system.embed_speech(Ragged.from_rows(sounds), [None] * 3)
    for row, sound in enumerate(sounds):
        alone = system.embed_speech(Ragged.from_rows([sound]), [None])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("first", [None, 0, 1, 2])
def test_what_is_frozen_gets_no_gradient_and_stays_in_evaluation(world_folder, first):
    settings = SpeechClipSettings.tiny().model_copy(
        update={"train_speech_from": first, "train_picture": False, "dropout": 0.1}
    )
    system = SpeechClip(settings).train()
    assert not system.picture.training
    assert system.speech.training == (first is not None)
    parts = one_batch(system, source(world_folder), "spoken")
    system(parts, ("contrast",))["contrast"].value().backward()
    trained = {n for n, p in system.named_parameters() if p.grad is not None}
    assert {"projection.weight", "layer_weights", "token", "log_scale"} <= trained
    layers = {int(n.split("layers.")[1].split(".")[0]) for n in trained if n.startswith("speech.")
              and "layers." in n and ".encoder." in n}  # fmt: skip
    expected = {None: set(), 0: {0, 1}, 1: {0, 1}, 2: {1}}[first]
    assert layers == expected
    assert any("conv" in n for n in trained) == (first == 0)
    assert not any(n.startswith("picture.") for n in trained)


def test_layer_weights_start_equal_and_are_a_language_s_own():
    settings = SpeechClipSettings.tiny().model_copy(
        update={"languages": ("en", "hi"), "language_weights": True, "language_token": True}
    )
    torch.manual_seed(0)
    system = SpeechClip(settings).eval()
    assert system.layer_weights.shape == (2, 3)
    sound = Ragged.from_rows([np.random.default_rng(0).standard_normal(8_000).astype(np.float32)])
    same = [system.embed_speech(sound, [language]) for language in ("en", "hi")]
    assert not torch.allclose(same[0], same[1], atol=1e-3)  # the tokens differ
    with torch.no_grad():
        system.language_tokens.weight[1] = system.language_tokens.weight[0]
    torch.testing.assert_close(*[system.embed_speech(sound, [name]) for name in ("en", "hi")])
    with torch.no_grad():
        system.layer_weights[1, 0] = 5.0
    assert not torch.allclose(
        *[system.embed_speech(sound, [name]) for name in ("en", "hi")], atol=1e-3
    )
    with pytest.raises(TriviumError, match="not told of the language 'fr'; known are en, hi"):
        system.embed_speech(sound, ["fr"])


def test_captions_of_one_picture_are_not_negatives(world_folder):
    system = SpeechClip.tiny()
    both = source(
        world_folder, where="picture = 'scene-train-000000' or picture = 'scene-train-000001'"
    )
    parts = one_batch(system, both, "spoken")
    pairs = system(parts, ("contrast",))["contrast"]
    assert len(pairs.ids) == 4
    assert len(set(pairs.ids.tolist())) == 2
    unmasked = pairs.loss(pairs.a, pairs.b, torch.arange(4), pairs.scale)
    assert pairs.value() < unmasked


@pytest.mark.parametrize("loss", ["masked_margin_softmax", "masked_margin_softmax_unique"])
def test_the_authors_loss_has_no_temperature(world_folder, loss):
    system = SpeechClip(SpeechClipSettings.tiny().model_copy(update={"loss": loss}))
    pairs = system(one_batch(system, source(world_folder), "spoken"), ("contrast",))["contrast"]
    assert pairs.scale.tolist() == [1.0]
    pairs.value().backward()
    assert system.log_scale.grad is None


def test_heads_share_the_width():
    with pytest.raises(SettingsError, match="width 32, which 5 heads cannot share"):
        SpeechClip(SpeechClipSettings.tiny().model_copy(update={"heads": 5}))


def test_a_language_token_needs_languages():
    with pytest.raises(ValueError, match=r"languages is \(\); a language token or weights need"):
        SpeechClipSettings(
            speech=TowerSettings(network="test-hubert", random_weights=True),
            picture=TowerSettings(network="test-clip", random_weights=True),
            language_token=True,
        )


def test_clip_learns_its_own_32_sentences(tmp_path, world_folder):
    _, texts, images = everything(world_folder)
    fitted = fit(recipe("clip.tiny", [world_folder]), tmp_path / "run")
    written = fitted.system.embed_text(texts)
    pictures = fitted.system.embed_picture([torch.tensor(decode_image(i)) for i in images])
    assert recall_at_1(written, pictures) >= 0.9


def frozen(**changes):
    update = {"train_picture": False} | changes
    return SpeechClip(SpeechClipSettings.tiny().model_copy(update=update))


def begun(system, settings):
    system.begin({"spoken": Source(settings)})
    return system


def test_cached_picture_vectors_are_those_of_the_tower(world_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIVIUM_CACHE", str(tmp_path))
    torch.manual_seed(0)
    system = frozen()
    plain = one_batch(system, source(world_folder), "spoken")["spoken"]
    cached = one_batch(begun(system, source(world_folder)), source(world_folder), "spoken")
    assert system.roles == {"spoken": ("audio", "picture", "language")}
    looked_up = cached["spoken"].inputs["vectors"]
    seen = system.picture(plain.inputs["pixels"])
    torch.testing.assert_close(looked_up, seen, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(
        system.shown[cached["spoken"].inputs["places"]],
        torch.nn.functional.normalize(looked_up, dim=1),
    )


def test_vectors_are_made_once_for_a_tower_and_anew_for_another(
    world_folder, monkeypatch, tmp_path
):
    monkeypatch.setenv("TRIVIUM_CACHE", str(tmp_path))
    torch.manual_seed(0)
    system = begun(frozen(), source(world_folder))
    [made] = tmp_path.glob("*/*.npy")
    before = made.stat().st_mtime_ns
    again = frozen()
    again.load_state_dict(system.state_dict())
    monkeypatch.setattr(system.picture, "forward", None)  # would fail if it were asked
    begun(again, source(world_folder))
    assert made.stat().st_mtime_ns == before
    begun(frozen(), source(world_folder))  # other random weights
    assert len(list(tmp_path.glob("*/*.npy"))) == 2


def test_other_pictures_under_the_same_ids_get_vectors_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TRIVIUM_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    tower, made = frozen().picture, []
    for number, colour in enumerate(("red", "green")):
        with CorpusWriter(tmp_path / str(number), Card(**COLUMNS_OF_CARD)) as writer:
            writer.add("pictures", {"id": "a", "split": "train", "image": png(colour)})
        corpus = Corpus.open(tmp_path / str(number))
        made.append((corpus.card.fingerprint, np.array(picture_vectors(corpus, tower))))
    (first, red), (second, green) = made
    assert first == second
    assert not np.allclose(red, green)


def test_find_is_the_softmax_over_all_shown_pictures(world_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIVIUM_CACHE", str(tmp_path))
    torch.manual_seed(0)
    system = begun(frozen(), source(world_folder))
    parts = one_batch(system, source(world_folder), "spoken")
    term = system(parts, ("find",))["find"].sum.item()
    batch = parts["spoken"]
    speech = system.embed_speech(batch.speech, batch.languages).double()
    taken = Source(source(world_folder))
    shown = sorted(set(taken.corpora[0].columns("utterances", ["picture"], taken.settings.filter)
                       ["picture"].to_pylist()))  # fmt: skip
    rows = taken.corpora[0].picture_rows(shown)
    images = taken.corpora[0].take("pictures", rows, ["image"])["image"].to_pylist()
    gallery = system.embed_picture([torch.tensor(decode_image(i)) for i in images]).double()
    slow = 0.0
    for vector, name in zip(speech, batch.columns["picture"], strict=True):
        scores = gallery @ vector * system.log_scale.exp().double()
        slow += (scores.logsumexp(0) - scores[shown.index(name)]).item()
    assert term == pytest.approx(slow, rel=2e-3)
    assert len(system.shown) == len(shown)


def test_an_utterance_without_a_picture_is_named(world_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIVIUM_CACHE", str(tmp_path))
    every = source(world_folder, where="language = 'en'").model_copy(
        update={"columns": ("audio", "picture", "language")}
    )
    system = begun(frozen(), source(world_folder))
    with pytest.raises(TriviumError, match="has no picture; leave such rows out, as where="):
        one_batch(system, every, "spoken", rows=500)


def test_in_half_precision_the_temperature_is_whole(world_folder):
    system = SpeechClip(SpeechClipSettings.tiny())
    batch = one_batch(system, source(world_folder), "spoken")
    with torch.autocast("cpu", torch.bfloat16):
        pairs = system(batch, ("contrast",))["contrast"]
    assert pairs.a.dtype == torch.bfloat16
    assert pairs.scale.item() == system.log_scale.exp().item()


def test_find_without_cached_pictures_is_refused(world_folder):
    system = frozen(cache_pictures=False)
    parts = one_batch(begun(system, source(world_folder)), source(world_folder), "spoken")
    with pytest.raises(TriviumError, match="'find' looks among cached pictures, and there are 0"):
        system(parts, ("find",))


def test_captions_of_one_picture_find_one_another_across_languages(world_folder):
    torch.manual_seed(0)
    system = SpeechClip.tiny()
    both = source(world_folder, where="picture is not null", together="picture")
    parts = one_batch(system, both, "spoken", rows=3)
    batch = parts["spoken"]
    assert batch.languages == ("en", "ja") * 3 or set(batch.languages) == {"en", "ja"}
    pairs = system(parts, ("crosslingual",))["crosslingual"]
    assert len(pairs.a) == 3
    first, second = batch.inputs["partners"].T.tolist()
    for one, other in zip(first, second, strict=True):
        assert batch.columns["picture"][one] == batch.columns["picture"][other]
        assert batch.languages[one] != batch.languages[other]
    assert pairs.value().item() == pytest.approx(np.log(3), abs=0.5)


def test_captions_that_stand_alone_have_no_partner(world_folder):
    system = SpeechClip.tiny()
    parts = one_batch(system, source(world_folder), "spoken")
    with pytest.raises(TriviumError, match=r"set sources\.spoken\.together='picture'"):
        system(parts, ("crosslingual",))


def test_a_text_tower_of_the_same_space_makes_sentences_findable():
    tokenizer = train_tokenizer(["a red star", "two fish"], 260)
    tower = TowerSettings(network="test-clip", random_weights=True)
    system = SpeechClip(SpeechClipSettings.tiny().model_copy(update={"text": tower}), tokenizer)
    assert system.kinds == ("speech", "text", "picture")
    assert system.embed_text(["a red star"]).shape == (1, 24)
    assert not any(p.requires_grad for p in system.text.parameters())
    with pytest.raises(TriviumError, match="no text tower for 2 texts"):
        SpeechClip.tiny().embed_text(["a", "b"])
