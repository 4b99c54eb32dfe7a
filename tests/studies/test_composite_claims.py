"""Claims of the study `composite` on made numbers: each holds, and each can fail."""

import pytest

from tests.studies.made_composite import ONE, SETTINGS, SHARES, Made, results
from trivium.studies.composite.claims import claims
from trivium.studies.composite.sizes import ALL, PLAIN
from trivium.studies.composite.study import views
from trivium.studies.views import NOTHING, table

TESTED = (1, 3, 4, 5, 7, 8)


def verdicts(made=None, settings=SETTINGS, **others):
    return {claim.number: claim.verdict for claim in claims(settings, results(made=made, **others))}


def test_all_hold_where_the_paper_is_right():
    found = verdicts()
    assert list(found) == list(range(1, 9))
    assert {number for number, verdict in found.items() if verdict == "held"} == set(TESTED)
    assert found[2] == found[6] == "not tested"


class CascadesWin(Made):
    def cascade(self, method, share):
        return self.direct(method, share) + 3


class NothingIsAdded(Made):
    def direct(self, method, share):
        return super().direct(PLAIN, share)


class LessIsAdded(Made):
    def direct(self, method, share):
        worse = {ALL: -3.0, "thawed": 2.0}.get(method, 0.0) * (3 - SHARES.index(share))
        return super().direct(PLAIN, share) + worse - (method in ("erm", "teacher"))

    def low(self, method, share):
        return self.direct(method, share) - 2 * (method == ALL)


class TextsAreLost(Made):
    def texts(self, method):
        return 35.0 if method == "teacher" else 40.0


@pytest.mark.parametrize(
    ("made", "failed"),
    [
        (CascadesWin(), {1: "not held"}),
        (TextsAreLost(), {5: "not held"}),
        (LessIsAdded(), dict.fromkeys((3, 4, 5, 7, 8), "not held")),
    ],
)
def test_each_can_fail(made, failed):
    found = verdicts(made)
    assert {number: found[number] for number in failed} == failed
    assert {n for n in TESTED if found[n] != "held"} == set(failed)


def test_where_nothing_is_added_nothing_is_held():
    found = verdicts(NothingIsAdded())
    assert "held" not in {found[number] for number in (4, 5, 7, 8)}


def test_what_a_study_lacks_is_told():
    few = SETTINGS.model_copy(update={"methods": (PLAIN, ALL), "low": ()})
    told = {claim.number: claim for claim in claims(few, results())}
    assert told[4].untestable == "methods lack erm, mtp, guide"
    assert told[5].untestable == "methods lack teacher"
    assert told[7].untestable == "methods lack thawed"
    assert "little speech" in told[3].untestable
    begun = SETTINGS.model_copy(update={"adapter_steps": 9})
    assert "do not begin with a new adapter" in claims(begun, results())[6].untestable
    one = SETTINGS.model_copy(update={"shares": (0.3,)})
    assert claims(one, results())[7].untestable == "there is one share of the speech, 30 %"


def test_missing_cells_leave_a_claim_untested():
    without = [f"{ALL}.{SHARES[-1]}.seed{seed}" for seed in range(3)]
    found = {claim.number: claim for claim in claims(SETTINGS, results(without=without))}
    assert found[1].verdict == "not tested"
    assert f"missing are {without[0]}" in found[1].reason
    assert found[4].verdict == "held"


def test_tables_have_the_cascades_and_the_groups_beside_the_direct_way():
    speech, losses, kept = (table(view, results()) for view in views(SETTINGS))
    assert speech.headers == (
        "method", "speech", "BLEU, direct", "BLEU, high", "BLEU, low", "cascade of itself",
        "cascade of the stages",
    )  # fmt: skip
    pairs = {(name, share) for name in (PLAIN, ALL) for share in SHARES}
    assert {row[:2] for row in speech.rows} >= pairs
    assert {row[-1] for row in speech.rows[:-1]} == {"24.0 ± 0.0"}
    assert speech.rows[-1] == ("chance", "", "2.0", "2.0", "2.0", "", "")
    assert [row[0] for row in losses.rows] == [*SETTINGS.methods, "chance"]
    assert len(kept.rows) == len(speech.rows)
    words = {word for found in (speech, losses, kept) for row in found.rows for word in row}
    assert NOTHING not in words
    erm = next(row for row in losses.rows if row[0] == "erm")
    assert abs(float(erm[1].split(" ")[0]) - Made().direct("erm", ONE)) < 0.2
