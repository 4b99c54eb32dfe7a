"""The system `ctc`: it writes down what it heard."""

import numpy as np
import pytest
import torch

from trivium.data.batch import Ragged
from trivium.data.loader import Stopwatch, load
from trivium.data.source import Source, SourceSettings
from trivium.errors import TriviumError
from trivium.models.ctc import Ctc, CtcSettings


def batch_of(folder, rows, **changes):
    settings = SourceSettings.parse(
        {"corpora": [folder], "where": "language = 'en'", "seconds": 60,
         "columns": ["audio", "text"]} | changes
    )  # fmt: skip
    return load(Source(settings), np.arange(rows), epoch=0, seed=0, watch=Stopwatch())


def test_it_learns_to_write_down_what_it_hears(world_folder):
    torch.manual_seed(0)
    system = Ctc.tiny()
    batch = batch_of(world_folder, 2)
    parts = system.prepare({"spoken": batch}, np.random.default_rng(0))
    optimizer = torch.optim.AdamW(system.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = system(parts, ("ctc",))["ctc"].sum / parts["spoken"].counts["ctc"]
        loss.backward()
        optimizer.step()
    known = system.settings.alphabet
    wanted = ["".join(c for c in text.lower() if c in known) for text in batch.texts]
    assert system.eval().transcribe(batch.speech) == wanted


def test_a_batch_writes_what_its_rows_write_alone(world_folder):
    torch.manual_seed(0)
    system = Ctc.tiny().eval()
    batch = batch_of(world_folder, 3)
    together = system.write(batch.speech)
    for row, wave in enumerate(batch.speech.rows()):
        alone = system.write(Ragged(wave[None], torch.tensor([len(wave)])))
        torch.testing.assert_close(together.rows()[row], alone.rows()[0], rtol=0, atol=1e-5)


def test_what_is_counted_are_characters(world_folder):
    batch = batch_of(world_folder, 2)
    counted = Ctc.tiny().prepare({"spoken": batch}, np.random.default_rng(0))["spoken"].counts
    known = CtcSettings.tiny().alphabet
    assert counted["ctc"] == sum(c in known for text in batch.texts for c in text.lower())


def test_texts_without_a_character_of_the_alphabet_are_refused(world_folder):
    batch = batch_of(world_folder, 2, where="language = 'ja'")
    with pytest.raises(TriviumError, match=r"leave such rows out, or set settings\.alphabet"):
        Ctc.tiny().prepare({"spoken": batch}, np.random.default_rng(0))
