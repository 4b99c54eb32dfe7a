"""Equally many utterances of each language, and their filters."""

from collections.abc import Sequence
from dataclasses import dataclass

from trivium.data.corpus import Corpus
from trivium.errors import CorpusError


@dataclass(frozen=True)
class Rows:
    """Which utterances every cell of a language trains on."""

    count: int  # of each language
    pictures: int  # that are described in every language, by these utterances
    where: dict[str, str]  # language and its filter

    def of(self, languages: Sequence[str]) -> str:
        """The filter of several languages together."""
        return " or ".join(f"({self.where[language]})" for language in languages)


def equal_rows(corpus: Corpus, languages: Sequence[str], most: int | None = None) -> Rows:
    """The first utterances of each language by id, as many as the poorest of them has.

    Where ids begin with what is said, as in a made world, the same scenes are taken of each.
    """
    shown: dict[str, dict[str, str]] = {}
    for language in languages:
        own = "split = 'train' and picture is not null and language = " + _quoted(language)
        table = corpus.columns("utterances", ["id", "picture"], own)
        shown[language] = dict(
            zip(table["id"].to_pylist(), table["picture"].to_pylist(), strict=True)
        )
    poorest = min(languages, key=lambda language: len(shown[language]))
    count = min(len(shown[poorest]), most or len(shown[poorest]))
    if not count:
        raise CorpusError(
            f"{corpus.path} has no utterance in {poorest!r} of the split train with a picture; "
            f"the study needs {', '.join(languages)}"
        )
    where, pictures = {}, []
    for language in languages:
        chosen = sorted(shown[language])[:count]
        pictures.append({shown[language][id_] for id_ in chosen})
        where[language] = (
            f"picture is not null and language = {_quoted(language)} "
            f"and id <= {_quoted(chosen[-1])}"
        )
    return Rows(count, len(set.intersection(*pictures)), where)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
