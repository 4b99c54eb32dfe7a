"""A transcript: what was said, or what it means in another language, and when."""

import math
from dataclasses import dataclass

from trivium.errors import TriviumError
from trivium.tasks.words.languages import is_spaceless


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording and its text, which is empty where nothing is heard."""

    start_seconds: float
    end_seconds: float
    text: str

    def __post_init__(self) -> None:
        if not (0 <= self.start_seconds <= self.end_seconds and math.isfinite(self.end_seconds)):
            raise TriviumError(
                f"a segment goes from {self.start_seconds} s to {self.end_seconds} s; expected "
                "0 <= start <= end"
            )


@dataclass(frozen=True)
class Transcript:
    """The segments of a recording, in their order."""

    segments: tuple[Segment, ...]
    language: str = ""  # of the texts; empty where it was not told
    warnings: tuple[str, ...] = ()

    @property
    def between(self) -> str:
        """What stands between segments: nothing in scripts that part no words."""
        return "" if is_spaceless(self.language) else " "

    @property
    def text(self) -> str:
        """All that is said, as one line."""
        return self.between.join(segment.text for segment in self.segments if segment.text)
