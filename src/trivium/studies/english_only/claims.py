"""The six directions of M-SpeechCLIP (2211.01180), as comparisons of what the cells measured."""

from collections.abc import Callable, Sequence
from itertools import combinations

from trivium.studies.claim import Claim, Comparison, saturated
from trivium.studies.english_only.cells import MULTI
from trivium.studies.english_only.sizes import EnglishOnlySettings
from trivium.studies.results import Measured, Read, Results, Series, larger

# What the earlier systems were: everything about speech learned from the pictures alone.
BASELINE = (
    "The earlier systems are not here. In their place stands the same speech network without "
    "pre-training, trained on the same utterances as often (`scratch`)."
)


class Evidence:
    """Numbers of the study by the words of its claims."""

    def __init__(self, settings: EnglishOnlySettings, results: Results) -> None:
        self.settings, self.results = settings, results
        self.small, self.big = next(iter(settings.towers)), list(settings.towers)[-1]

    def pictures(self, language: str, *, alone: bool, training: str, towers: str) -> Series:
        """Recall between speech of a language and pictures, of its own model or the one for all."""
        own = language if alone else MULTI
        read = self.recall(f"speech.{language}-picture")
        return self.results.series(read, language=own, training=training, towers=towers)

    def multi(self, read: Read, training: str, towers: str) -> Series:
        """A number of the model for all languages."""
        return self.results.series(read, language=MULTI, training=training, towers=towers)

    def recall(self, pair: str) -> Read:
        """Recall of two sets, the mean of both directions."""
        return lambda measured: measured.score(f"retrieval/{pair}").values[self._recall]

    def chance(self, pair: str) -> Read:
        """What a model that knows nothing gets there."""
        return lambda measured: measured.score(f"retrieval/{pair}").chance[self._recall]

    def across(self, measured: Measured) -> float:
        """Recall between speech of different languages, the mean of all pairs."""
        pairs = list(combinations(self.settings.languages, 2))
        found = [self.recall(speech_pair(measured, a, b))(measured) for a, b in pairs]
        return sum(found) / len(found)

    def across_chance(self, measured: Measured) -> float:
        """What chance gives there."""
        pairs = list(combinations(self.settings.languages, 2))
        found = [self.chance(speech_pair(measured, a, b))(measured) for a, b in pairs]
        return sum(found) / len(found)

    def gap(self, languages: Sequence[str]) -> Series:
        """What tuning the speech tower adds, a model for each language; over all sizes."""
        return Series.mean(
            self.pictures(language, alone=True, training="tuned", towers=size)
            - self.pictures(language, alone=True, training="frozen", towers=size)
            for language in languages
            for size in self.settings.towers
        )

    def depth(self, languages: Sequence[str]) -> Series:
        """Where in frozen towers the weight lies, 0 the first state and 1 the last."""
        return Series.mean(
            self.results.series(mean_depth, language=language, training="frozen", towers=size)
            for language in languages
            for size in self.settings.towers
        )

    def is_at_the_end(self) -> bool:
        """Whether every model of one language already finds everything, tuned or not."""
        found = [
            self.pictures(language, alone=True, training=training, towers=size).values
            for language in self.settings.languages
            for training in ("frozen", "tuned")
            for size in self.settings.towers
        ]
        return all(saturated({seed: [value] for seed, value in one.items()}) for one in found)

    @property
    def _recall(self) -> str:
        return f"recall@{self.settings.recall_at}"


def claims(settings: EnglishOnlySettings, results: Results) -> tuple[Claim, ...]:
    """All six, with what this size cannot test."""
    evidence = Evidence(settings, results)
    made = [claim(evidence) for claim in CLAIMS]
    reasons: dict[int, str] = dict(settings.untestable)
    if settings.pretraining is None:
        for number in (1, 2, 3):
            reasons.setdefault(number, "no speech tower was pre-trained: all have random weights")
    if len(settings.towers) < 2:
        reasons.setdefault(6, f"there is one size of towers, {evidence.small}")
    return tuple(
        claim.model_copy(update={"untestable": reasons.get(claim.number, "")}) for claim in made
    )


def one_language(evidence: Evidence) -> Claim:
    """Claim 1."""
    small = evidence.small

    def beats(language: str, training: str, decides: bool) -> Comparison:
        first = evidence.pictures(language, alone=True, training=training, towers=small)
        second = evidence.pictures(language, alone=True, training="scratch", towers=small)
        name = f"{language}, {small} towers"
        return larger(f"{training} ({name})", first, f"scratch ({name})", second, decides=decides)

    others = evidence.settings.others
    return Claim(
        number=1,
        sentence="Models of one other language (Hindi, Japanese) on frozen English-only towers "
        "beat the earlier systems by a wide margin.",
        here=f"{BASELINE} Compared is recall between speech and pictures.",
        comparisons=(
            *(beats(language, "frozen", True) for language in others),
            beats(evidence.settings.home, "frozen", False),
            *(beats(language, "tuned", False) for language in others),
        ),
    )


def all_languages(evidence: Evidence) -> Claim:
    """Claim 2."""
    small = evidence.small

    def beats(language: str, training: str, decides: bool) -> Comparison:
        first = evidence.pictures(language, alone=False, training=training, towers=small)
        second = evidence.pictures(language, alone=False, training="scratch", towers=small)
        old = f"multi scratch ({language})"
        return larger(f"multi {training} ({language})", first, old, second, decides=decides)

    def costs(language: str) -> Comparison:
        first = evidence.pictures(language, alone=False, training="tuned", towers=small)
        second = evidence.pictures(language, alone=True, training="tuned", towers=small)
        return larger(f"multi tuned ({language})", first, f"{language} alone, tuned", second,
                      decides=False)  # fmt: skip

    languages = evidence.settings.languages
    return Claim(
        number=2,
        sentence="One model for all three languages beats the earlier systems too.",
        here=f"{BASELINE} The towers are tuned, and of the smaller size; frozen ones, and the "
        "models of one language, stand beside.",
        comparisons=(
            *(beats(language, "tuned", True) for language in languages),
            *(beats(language, "frozen", False) for language in languages),
            *(costs(language) for language in languages),
        ),
    )


def other_behaviour(evidence: Evidence) -> Claim:
    """Claim 3."""
    home, others = evidence.settings.home, evidence.settings.others
    named = " and ".join(others)
    home_gap, at_the_end = evidence.gap([home]), evidence.is_at_the_end()

    def gains(languages: Sequence[str], decides: bool) -> Comparison:
        found = larger(
            f"gain by tuning ({' and '.join(languages)})", evidence.gap(languages),
            f"gain by tuning ({home})", home_gap, decides=decides,
        )  # fmt: skip
        return found.model_copy(update={"saturated": at_the_end})

    depth = larger(
        f"depth of layer weights x 100 ({named})", evidence.depth(others),
        f"depth of layer weights x 100 ({home})", evidence.depth([home]), either=True,
    )  # fmt: skip
    return Claim(
        number=3,
        sentence="English and other languages behave differently, because the towers were "
        "pre-trained on English alone.",
        here="Tuning the speech tower should add more for the others than for English, and on "
        "frozen towers layers should weigh otherwise. Over all sizes, a model for each language.",
        comparisons=(
            gains(others, True),
            depth,
            *(gains([language], False) for language in others),
        ),
    )


def english_text(evidence: Evidence) -> Claim:
    """Claim 4."""
    home = evidence.settings.home
    text, picture = f"speech.{home}-text.{home}", f"text.{home}-picture"

    def tests(language: str, training: str, towers: str, decides: bool) -> list[Comparison]:
        def read(what: Read) -> Series:
            return evidence.results.series(
                what, language=language, training=training, towers=towers
            )

        found = read(evidence.recall(text))
        name = f"speech and text ({language} {training}, {towers})"
        pictured = read(evidence.recall(picture))
        return [
            larger(name, found, "chance", read(evidence.chance(text)), decides=decides),
            larger(name, found, "pictures and text", pictured, decides=decides),
        ]

    big, small = evidence.big, evidence.small
    return Claim(
        number=4,
        sentence="English speech and English text find one another though never trained to, and "
        "better than pictures, which were the targets, and text do.",
        here="The model for all languages, tuned, with the larger towers decides; one frozen "
        "and one of English alone stand beside.",
        comparisons=(
            *tests(MULTI, "tuned", big, True),
            *tests(home, "frozen", big, False),
            *tests(MULTI, "tuned", small, False),
        ),
    )


def across_languages(evidence: Evidence) -> Claim:
    """Claim 5."""
    big, small, home = evidence.big, evidence.small, evidence.settings.home
    texts = []
    for language in evidence.settings.others:
        pair = f"speech.{language}-text.{home}"
        found = evidence.multi(evidence.recall(pair), "tuned", big)
        chance = evidence.multi(evidence.chance(pair), "tuned", big)
        texts.append(larger(f"speech {language} and text {home} (multi tuned, {big})", found,
                            "chance", chance))  # fmt: skip
    speech = "speech across languages (multi"
    tuned, frozen = (evidence.multi(evidence.across, kind, small) for kind in ("tuned", "frozen"))
    scratch = evidence.multi(evidence.across, "scratch", small)
    chance = evidence.multi(evidence.across_chance, "scratch", small)
    old = f"{speech} scratch, {small})"
    return Claim(
        number=5,
        sentence="Speech of another language finds English text; and speech finds speech across "
        "languages better than in earlier work, without parallel speech.",
        here=f"{BASELINE} Text: beside chance. Speech: the mean over pairs of languages.",
        comparisons=(
            *texts,
            larger(f"{speech} tuned, {small})", tuned, old, scratch),
            larger(f"{speech} frozen, {small})", frozen, old, scratch, decides=False),
            larger(old, scratch, "chance", chance, decides=False),
        ),
    )


def scale(evidence: Evidence) -> Claim:
    """Claim 6."""
    big, small, languages = evidence.big, evidence.small, evidence.settings.languages

    def gains(training: str, alone: bool, decides: bool) -> Comparison:
        first, second = (
            Series.mean(
                evidence.pictures(language, alone=alone, training=training, towers=size)
                for language in languages
            )
            for size in (big, small)
        )
        who = f"{'one language each' if alone else 'multi'}, {training}"
        return larger(f"{big} towers ({who})", first, f"{small} towers ({who})", second,
                      decides=decides)  # fmt: skip

    return Claim(
        number=6,
        sentence="Larger towers, of speech and of pictures, add to that.",
        here="Recall between speech and pictures, the mean over languages.",
        comparisons=(
            gains("tuned", False, True), gains("frozen", False, True),
            gains("tuned", True, False), gains("frozen", True, False),
        ),
    )  # fmt: skip


CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    one_language, all_languages, other_behaviour, english_text, across_languages, scale,
)  # fmt: skip


def mean_depth(measured: Measured) -> float:
    """Where the weight of a cell's layers lies: 0 at the first state, 100 at the last."""
    weights = measured.curves["layer weights"]
    last = max(1, len(weights) - 1)
    return 100 * sum(place * weight for place, weight in enumerate(weights)) / last


def speech_pair(measured: Measured, a: str, b: str) -> str:
    """The name of two languages' comparison, in the order it was made."""
    tasks = {score.task for score in measured.scores}
    return next(
        (pair for pair in (f"speech.{a}-speech.{b}", f"speech.{b}-speech.{a}")
         if f"retrieval/{pair}" in tasks),
        f"speech.{a}-speech.{b}",
    )  # fmt: skip
