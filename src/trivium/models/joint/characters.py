"""Characters as numbers, and the rows that cannot be read by them."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from trivium.data.text import normaliser
from trivium.objectives.sequence import BLANK


class Characters:
    """An alphabet: blank is 0, its characters follow, then what it does not have, and the mask."""

    def __init__(self, alphabet: str, normaliser_name: str) -> None:
        self.alphabet, self.normaliser_name = alphabet, normaliser_name
        self.unknown = len(alphabet) + 1
        self.mask = len(alphabet) + 2
        self._normalise = normaliser(normaliser_name)
        self._numbers = {letter: BLANK + 1 + place for place, letter in enumerate(alphabet)}

    def __len__(self) -> int:
        return len(self.alphabet) + 3

    def read(self, text: str) -> NDArray[np.int64]:
        """The numbers of a normalised text."""
        known = self._numbers
        return np.array([known.get(letter, self.unknown) for letter in self._normalise(text)], int)

    def read_parted(self, text: str) -> NDArray[np.int64]:
        """As `read`, where a tab may part two sentences: an unknown stands between them."""
        first, *others = (self.read(sentence) for sentence in text.split("\t"))
        return np.concatenate([first, *(np.append(self.unknown, other) for other in others)])

    def known(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """What can be written down: the characters that the alphabet has."""
        return numbers[numbers < self.unknown]

    def fault(self, numbers: NDArray[np.int64], min_known: float) -> str | None:
        """What is wrong with a text, if anything; spaces say nothing of a script."""
        spaces = int((numbers == self.alphabet.find(" ") + 1).sum())
        letters = len(numbers) - spaces
        if not letters:
            return "empty"
        known = len(self.known(numbers)) - spaces
        return "foreign" if not known or known < min_known * letters else None

    def write(self, numbers: Iterable[int]) -> str:
        """Characters of numbers from 1."""
        return "".join(self.alphabet[number - BLANK - 1] for number in numbers)


def most_used(texts: Iterable[str], size: int, normaliser_name: str) -> str:
    """The characters that normalised texts have most often, at most `size`, most often first."""
    normalise = normaliser(normaliser_name)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalise(text))
    order = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return "".join(order[:size])


def frames_needed(numbers: NDArray[np.int64]) -> int:
    """Frames that CTC needs to write numbers: one for each, and a blank between equal ones."""
    return len(numbers) + int((numbers[1:] == numbers[:-1]).sum())
