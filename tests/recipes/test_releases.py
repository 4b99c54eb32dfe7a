"""Recipes of the papers' sizes train on miniatures of their corpora, with tiny networks."""

import json

import pytest
import torch

from tests.conftest import tone
from tests.data.corpora import miniatures
from tests.data.corpora.test_every_reader import RELEASES
from tests.recipes.test_composite import SMALL_SPEECH, SMALL_TEXT
from tests.recipes.test_fused import short
from tests.recipes.test_joint import SMALL
from tests.recipes.test_recipes import TINY_TOWERS
from trivium.data.corpora.ingest import IngestOptions, ingest
from trivium.data.corpora.readers import READERS, opened
from trivium.data.corpus import Corpus
from trivium.models.grounded import GroundedSettings
from trivium.recipes import recipe
from trivium.recipes.grounded import schedule
from trivium.training.loop import fit

TINY = GroundedSettings.tiny()
ONCE = ["training.log_every=1", "training.loader.micros_per_step=1"]
MAPPED = [*TINY_TOWERS, "settings.heads=4", "settings.feedforward=64", *ONCE]
GROUNDED = [
    f"settings.speech={TINY.speech.model_dump_json()}",
    f"settings.picture={TINY.picture.model_dump_json()}",
    f"settings.pooling={TINY.pooling.model_dump_json()}",
    f"settings.masking={TINY.masking.model_dump_json()}",
    f"settings.shared_layers={TINY.shared_layers}",
    f"training.phases={json.dumps([p.model_dump() for p in schedule('VGS+', 7)])}", *ONCE,
]  # fmt: skip
COMPOSED = [
    f"settings.translator={SMALL_TEXT}", f"settings.teacher={SMALL_TEXT}",
    f"settings.speech={SMALL_SPEECH}", "settings.match_layer=1", *ONCE,
]  # fmt: skip
# Recipe, the releases it trains on, and what is small in it.
PAPERS = {
    "speechclip.base": (("flickr8k",), MAPPED),
    "speechclip.large": (("spokencoco",), MAPPED),
    "speechclip.large on Places": (("places-trilingual",), MAPPED),
    "grounded.base": (("spokencoco", "librispeech"), GROUNDED),
    "joint.base": (("voxpopuli", "mls", "common-voice", "text"), SMALL),
    "composite.medium": (("covost2",), COMPOSED),
    "fused.base": (("librispeech",), None),
    "fused.iemocap": (("iemocap",), None),
    "fused.mosei": (("cmu-mosei",), None),
    "fused.librispeech_voices": (("librispeech",), None),
}


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_s_run_starts_on_its_corpora(name, tmp_path, monkeypatch):
    monkeypatch.setattr(miniatures, "tone", lambda _, *more: tone(1.5, *more))
    releases, small = PAPERS[name]
    folders = []
    for release in releases:
        source = RELEASES[release](tmp_path / "releases" / release)
        records, card, _, _ = opened(release, source)
        ingest(records, tmp_path / release, card, IngestOptions(root=source.root))
        folders.append(tmp_path / release)
    made = recipe(name.partition(" ")[0], folders)
    assert all(set(source.corpora) <= set(folders) for source in made.sources.values())
    if small is None:
        scratch = made.settings.model_copy(update={"start": None})
        made = short(made.model_copy(update={"settings": scratch, "tokens": 399}))
    else:
        made = made.override(small)
    chosen_on = made.evaluation.where if made.evaluation and small is None else None
    if chosen_on is not None:
        every = [Corpus.open(folder) for folder in folders]
        assert any(len(corpus.columns("utterances", ["id"], chosen_on)) for corpus in every)
    fitted = fit(made, tmp_path / "run", max_steps=2)
    assert fitted.losses
    assert all(torch.tensor(loss).isfinite() for loss in fitted.losses.values())


def test_their_releases_have_readers():
    assert {release for releases, _ in PAPERS.values() for release in releases} <= READERS.keys()
