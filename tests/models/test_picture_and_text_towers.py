"""Picture and text towers: the published vectors, from pixels and words of any size."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trivium.data.batch import Ragged
from trivium.errors import SettingsError, TriviumError
from trivium.models.towers import (
    PictureTower,
    TextTower,
    TowerSettings,
    encode_texts,
    train_tokenizer,
)
from trivium.models.towers.text import read_tokenizer

FAMILIES = ["test-clip", "test-siglip"]
TEXTS = ["a red star above two fish", "Zwei Fische", "तारा", "", "a " * 200]


@cache
def picture_tower(name: str) -> PictureTower:
    torch.manual_seed(7)
    return PictureTower.from_settings(TowerSettings(network=name, random_weights=True))


@cache
def text_tower(name: str) -> TextTower:
    torch.manual_seed(7)
    settings_ = TowerSettings(network=name, random_weights=True)
    return TextTower.from_settings(settings_, train_tokenizer(TEXTS, 300))


def picture(height: int, width: int) -> np.ndarray:
    """Stripes with noise: edges for the resizing to show itself at."""
    stripes = 200 * (np.arange(width) // 5 % 2)[None, :, None] * np.ones((height, 1, 3))
    return (stripes + np.random.default_rng(width).integers(0, 55, (height, width, 3))).astype("u1")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(32, 32), (80, 61), (61, 80), (20, 47), (33, 32)])
def test_pixels_are_those_of_the_published_preparation(name, size):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    square = {"height": 32, "width": 32}
    theirs = (
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=square)
        if name == "test-clip"
        else SiglipImageProcessorPil(size=square)
    )
    colours = picture(*size)
    wanted = theirs(Image.fromarray(colours), return_tensors="pt").pixel_values
    found = picture_tower(name).pixels(torch.from_numpy(colours)[None])
    # Pillow counts in whole numbers: one of 255 steps of colour, here and there.
    step = 1.01 / 255 / min(picture_tower(name).deviation)
    torch.testing.assert_close(found, wanted, atol=step, rtol=0)
    assert (found - wanted).abs().mean() < 0.01 * step


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_picture_gives_the_published_vector(name):
    ours = picture_tower(name)
    pixels = torch.randn(3, 3, 32, 32)
    theirs = ours.network(pixel_values=pixels)
    wanted = theirs.image_embeds if name == "test-clip" else theirs.pooler_output
    found = ours(pixels)
    assert found.shape == (3, ours.width)
    torch.testing.assert_close(found, wanted)


@torch.no_grad()
def test_pictures_of_any_sizes_go_together():
    ours = picture_tower("test-clip")
    several = [torch.from_numpy(picture(40, 50)), torch.from_numpy(picture(90, 33))]
    alone = torch.cat([ours(one[None]) for one in several])
    torch.testing.assert_close(ours(several), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(2, 3, 30, 32), r"ready pixels have shape \(2, 3, 30, 32\)"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), r"shape \(2, 3, 32, 32\) .* of uint8"),
        (torch.zeros(2, 9, 9, 3, dtype=torch.int64), "type torch.int64"),
    ],
)
def test_what_is_no_picture_is_refused(images, sentence):
    with pytest.raises(TriviumError, match=sentence):
        picture_tower("test-clip")(images)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_text_gives_the_published_vector(name):
    ours = text_tower(name)
    for text in TEXTS:
        tokens = ours.tokens([text])
        ids = tokens.data
        if name == "test-clip":
            body = ours.network.text_model
            body.eos_token_id = ours.tokenizer.token_to_id("<|endoftext|>")
            wanted = ours.network(input_ids=ids).text_embeds
        else:  # as published: filled up with the padding token, and no mask
            full = torch.full((1, 64), ours.network.config.pad_token_id)
            full[0, : ids.shape[1]] = ids
            wanted = ours.network(input_ids=full).pooler_output
        torch.testing.assert_close(ours(tokens), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=10)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 9), st.integers(0, 299))
@torch.no_grad()
def test_a_text_gives_the_same_in_every_batch(name, lengths, extra, behind):
    ours = text_tower(name)
    generator = torch.Generator().manual_seed(sum(lengths))
    width = max(lengths) + extra
    ids = torch.randint(0, 300, (len(lengths), width), generator=generator)
    batch = Ragged(ids, torch.tensor(lengths))
    batch = Ragged(torch.where(batch.mask(), ids, behind), batch.lengths)
    together = ours(batch)
    for row, length in enumerate(lengths):
        own = Ragged(ids[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(together[row], ours(own)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", [picture_tower, text_tower])
@torch.no_grad()
def test_weights_may_be_in_half_precision(name, kind):
    import copy

    ours = copy.deepcopy(kind(name)).to(torch.bfloat16)
    given_ = ours.tokens(TEXTS) if kind is text_tower else torch.rand(5, 3, 32, 32)
    found, wanted = ours(given_), kind(name)(given_)
    assert found.dtype == torch.bfloat16
    assert torch.cosine_similarity(found.float(), wanted, dim=-1).min() > 0.99


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", [picture_tower, text_tower])
def test_every_parameter_is_trained(name, kind):
    ours = kind(name)
    given_ = ours.tokens(TEXTS) if kind is text_tower else torch.rand(5, 3, 32, 32)
    ours.zero_grad()
    ours(given_).square().sum().backward()
    assert all(parameter.grad is not None for parameter in ours.parameters())


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", [picture_tower, text_tower])
def test_patterns_name_the_layers_from_k_up_and_what_is_behind_them(name, kind):
    from fnmatch import fnmatchcase

    ours = kind(name)
    names = [name for name, _ in ours.named_parameters()]
    upper = {n for p in ours.layers_from(2) for n in names if fnmatchcase(n, p)}
    embeddings = [n for n in names if "embed" in n or "pre_layrnorm" in n]
    lower = [n for n in names if ".layers.0." in n]
    assert sorted(names) == sorted([*upper, *embeddings, *lower])


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_start_and_end_and_are_cut_to_fit(name):
    ours = text_tower(name)
    tokens = ours.tokens(TEXTS)
    start, end = (ours.tokenizer.token_to_id(f"<|{word}oftext|>") for word in ("start", "end"))
    for row in tokens.rows():
        assert row[0] == start
        assert row[-1] == end
        assert (row == end).sum() == 1
    assert tokens.data.shape[1] == ours.max_tokens
    assert tokens.lengths[3] == 2
    assert ours.tokenizer.decode(tokens.rows()[2].tolist()).strip() == "तारा"


def test_a_tokenizer_is_the_same_every_time():
    assert train_tokenizer(TEXTS, 300).to_str() == train_tokenizer(iter(TEXTS), 300).to_str()


def test_what_a_tokenizer_was_used_for_is_forgotten(tmp_path):
    made = train_tokenizer(TEXTS, 300)
    expected = encode_texts(made, TEXTS, 77)
    made.enable_padding(length=20)
    made.enable_truncation(9)
    made.save(str(tmp_path / "tokenizer.json"))
    found = encode_texts(read_tokenizer(tmp_path), TEXTS, 77)
    assert torch.equal(found.lengths, expected.lengths)
    assert torch.equal(found.data, expected.data)


def test_marks_stand_in_the_words_of_their_letters():
    """Hindi's vowels are marks: parted from their letters they would be tokens of their own."""
    made = train_tokenizer(["दो लाल किताबों के दाईं ओर"] * 2, 500)
    assert made.encode("लाल किताबों").tokens[1:-1] == made.encode("किताबों लाल").tokens[2:0:-1]
    assert len(made.encode("लाल किताबों").ids) == 4


def test_capitals_are_kept_where_they_are_asked_for():
    texts = ["There is a Tree", "there"] * 2
    lower, cased = (train_tokenizer(texts, 500, keep_case=keep) for keep in (False, True))
    assert lower.encode("There").ids == lower.encode("there").ids
    assert len(cased.encode("There").ids) == len(cased.encode("there").ids) == 3
    assert cased.decode(cased.encode("There is a Tree").ids).strip() == "There is a Tree"


def test_a_tokenizer_too_large_and_texts_too_long_are_refused():
    settings_ = TowerSettings(network="test-clip", random_weights=True, sizes={"vocab_size": 250})
    with pytest.raises(SettingsError, match=r"tokenizer has \d+ tokens and the network 250"):
        TextTower.from_settings(settings_, train_tokenizer(TEXTS, 300))
    ours = text_tower("test-clip")
    with pytest.raises(TriviumError, match="texts of 78 tokens are longer than the network's 77"):
        ours(encode_texts(ours.tokenizer, ["a" * 500], 78))
    bare = TextTower.from_settings(TowerSettings(network="test-clip", random_weights=True))
    with pytest.raises(TriviumError, match="no tokenizer for 2 texts"):
        bare.tokens(["a", "b"])
