"""The encoder of `tuned`: any system that shows its layers, with its weights from a run of its own.

Speech is asked of `frames`, which every such system has. To be trained on, or to read texts, it
needs more, as `joint` has it: `states_of_speech` with gradients, `numbers` and `states_of_text`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn

from trivium.data.batch import Ragged
from trivium.errors import SettingsError
from trivium.models.joint.characters import Characters
from trivium.models.loaded import Model
from trivium.models.system import described, freeze, system_class
from trivium.models.towers import Frames
from trivium.models.tuned.settings import EncoderSettings


class Encoder(nn.Module):
    """Waves or texts in, the states of every layer out."""

    def __init__(self, settings: EncoderSettings, is_trained: bool) -> None:
        super().__init__()
        name, system = _built(settings)
        self.system = system
        self.is_trained = is_trained
        self.described = EncoderSettings(system=name, settings=described(system, whole=True))
        """What builds it again, without weights and without the run it came from."""
        if not hasattr(system, "frames"):
            raise SettingsError(f"the encoder is a {name}, which does not show its layers")
        if is_trained and not hasattr(system, "states_of_speech"):
            raise SettingsError(
                f"the encoder is a {name}, whose layers can be heard and not be trained; set "
                "settings.train_encoder to false"
            )
        self.reads_text = hasattr(system, "states_of_text") and "text" in system.kinds
        found = getattr(system, "characters", None)
        self.characters = found if isinstance(found, Characters) else None
        """Those that it was pre-trained with."""
        if not is_trained:
            freeze(system)
        # What is shown is what there is: a second of silence, and one character.
        system.eval()
        heard = system.frames(Ragged(torch.zeros(1, 16_000), torch.tensor([16_000])))
        self.width: int = heard.last.data.shape[2]
        self.states = {"speech": len(heard.states)}
        """How many states there are of speech and, if it is read, of text."""
        if self.reads_text:
            self.states["text"] = len(system.text_frames([""]).states)

    def num_frames(self, samples: Tensor) -> Tensor:
        """Frames of utterances of so many samples."""
        frames: Tensor = self.system.speech.num_frames(samples)
        return frames

    def hear(self, waves: Ragged) -> Frames:
        """States of utterances; gradients reach them if it is trained."""
        if not hasattr(self.system, "states_of_speech"):
            return _plain(self.system.frames(waves))
        with self._watched():
            heard: Frames = self.system.states_of_speech(waves)
        return heard

    def numbers(self, texts: Sequence[str]) -> Ragged:
        """Characters of texts as numbers; a tab parts two sentences."""
        numbers: Ragged = self.system.numbers(texts)
        return numbers

    def read(self, numbers: Ragged) -> Frames:
        """States of texts; gradients reach them if it is trained."""
        with self._watched():
            read: Frames = self.system.states_of_text(numbers)
        return read

    def train(self, mode: bool = True) -> Self:
        """What is not trained never drops anything out."""
        super().train(mode)
        if not self.is_trained:
            self.system.eval()
        return self

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext() if self.is_trained else torch.no_grad()


def _built(settings: EncoderSettings) -> tuple[str, Any]:
    if settings.start is not None:
        model = Model.load(settings.start, "cpu")
        return model.name, model.system
    name = str(settings.system)
    return name, system_class(name)(settings.settings)


def _plain(frames: Frames) -> Frames:
    """Copies that a head may keep for its gradients, of what was made in inference mode."""
    lengths = frames.lengths.clone()
    states = tuple(state.clone() for state in frames.states)
    return Frames(Ragged(frames.last.data.clone(), lengths), states)
