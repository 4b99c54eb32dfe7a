"""An index beside the table: filters lose nothing, it outlives changes, and it may be broken."""

import multiprocessing
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.library.test_sources import fill
from tests.library.toys import Toy, ids, index_again_and_again
from trivium.errors import SettingsError, TriviumError
from trivium.library import nearest, tune
from trivium.library.exact import Exact
from trivium.library.items import Items
from trivium.library.library import Library
from trivium.library.nearest import CARD, FOLDER, KEYS, VECTORS, IndexCard, Nearest

WIDTH = 16


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Indexes of a few hundred items, on this processor."""
    monkeypatch.setattr(nearest, "INDEX_FROM", 200)
    monkeypatch.setattr(nearest, "COMPARED", 1)
    monkeypatch.setattr(nearest, "TRAINED", 8)
    monkeypatch.setattr(nearest, "best_device", lambda: "cpu")


def made(count, seed=0):
    """Unit vectors around forty centres."""
    centres = np.random.default_rng(7).standard_normal((40, WIDTH))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 40, count)] + 0.4 * rng.standard_normal((count, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


VECTORS_ONCE = made(600)


@st.composite
def searches(draw):
    """Items that went and came since the index was made, a filter or none, probes and a count."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kept = rng.random(600) < draw(st.sampled_from([0.0, 0.5, 0.97, 1.0]))
    new = made(draw(st.sampled_from([0, 1, 30])), seed=draw(st.integers(1, 9)))
    now = np.concatenate([VECTORS_ONCE[kept], new])
    now = now[rng.permutation(len(now))] if draw(st.booleans()) else now
    if draw(st.booleans()):  # what matches lies together, far from many queries
        matches = now[:, 0] > draw(st.sampled_from([0.0, 0.3, 0.6]))
    else:
        matches = rng.random(len(now)) < draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    allowed = matches if draw(st.booleans()) else None
    probes = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return now, allowed, probes, draw(st.sampled_from([1, 10, 40, 700]))


@pytest.fixture(scope="module")
def index():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "TRAINED", 8)
        return nearest.trained(VECTORS_ONCE)


@settings(max_examples=120, deadline=None)
@given(search=searches())
def test_as_many_as_match_are_found_and_no_other(index, search):
    now, allowed, probes, count = search
    assume(len(now))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "COMPARED", 1)
        found = Nearest(now, "cpu")
        card = IndexCard(model="m", version=1, lists=index.nlist, recall=0.9)
        found.use(index, nearest.keys_of(VECTORS_ONCE), card)
        found.probes = probes
        queries = made(4, seed=99).astype(np.float32)
        results = found.search(queries, count, allowed)
        exact = Exact(now, "cpu").search(queries, count, allowed)
        scores_of_all = now.astype(np.float64) @ queries.T.astype(np.float64)
        for number, ((places, scores), (true, best)) in enumerate(zip(results, exact, strict=True)):
            assert len(places) == len(true) == len(set(places.tolist()))
            assert allowed is None or allowed[places].all()
            np.testing.assert_allclose(scores, scores_of_all[places, number], atol=1e-6)
            assert (scores <= best).all()
            order = np.lexsort((places, -scores))
            np.testing.assert_array_equal(order, np.arange(len(order)))
        found.probes = (index.nlist, index.nlist)  # all are compared
        for (places, scores), (true, best) in zip(
            found.search(queries, count, allowed), exact, strict=True
        ):
            np.testing.assert_array_equal(places, true)
            np.testing.assert_array_equal(scores, best)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_equal_keys_are_paired_one_to_one(old, new):
    found = nearest._counterparts(np.array(old, np.uint64), np.array(new, np.uint64))
    left = list(new)
    for key in old:
        if key in left:
            left.remove(key)
    paired = [place for place in found.tolist() if place >= 0]
    assert len(paired) == len(set(paired)) == len(new) - len(left)
    assert all(new[place] == key for key, place in zip(old, found, strict=True) if place >= 0)


@pytest.mark.parametrize("width", [1, 3, 8, 13])
def test_vectors_are_known_by_all_their_numbers(width):
    vectors = made(500)[:, :width]
    changed = vectors.copy()
    changed[np.arange(500), np.arange(500) % width] += np.float16(0.25)
    both = np.concatenate([vectors, changed])
    distinct = len(np.unique(both, axis=0))
    assert len(np.unique(nearest.keys_of(both))) == distinct
    np.testing.assert_array_equal(nearest.keys_of(both)[:500], nearest.keys_of(vectors))


@pytest.fixture
def many(tmp_path):
    """A folder of three hundred texts."""
    return fill(tmp_path / "many", {f"{n:03}.txt": f"text {n}" for n in range(300)})


@pytest.fixture
def large(tmp_path, many):
    """A library of them, with an index."""
    found = Library.create(tmp_path / "large", "toy", Toy())
    found.index(many)
    return found


def folders(library):
    return sorted(path.name for path in (library.path / FOLDER).iterdir())


def all_found(library):
    """What a search for each of some texts and with some filters finds."""
    return [ids(library.search(text=f"text {n}", k=5, where=where))
            for n in range(0, 300, 37) for where in (None, "id < 'many/100'")]  # fmt: skip


def all_there(library):
    """What it should find: what comparing with all finds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "INDEX_FROM", 10**9)
        return all_found(Library.open(library.path, Toy()))


def shared(found, wanted):
    """How much of what is wanted is found."""
    pairs = list(zip(found, wanted, strict=True))
    return sum(len(set(a) & set(b)) for a, b in pairs) / sum(len(b) for _, b in pairs)


def test_an_index_is_made_of_many_items_and_again_when_they_moved_on(large, many, monkeypatch):
    monkeypatch.setattr(nearest, "STALE", 0.05)
    [first] = folders(large)
    assert first.endswith("-toy")
    assert large.remark == ""
    assert ids(large.search(text="text 17", k=1)) == ["many/017.txt"]
    fill(many, {"017.txt": "changed", "new.txt": "a new one"})
    (many / "018.txt").unlink()
    large.index(many, drop=True)
    assert folders(large) == [first]  # so little is new that it is compared one by one
    assert ids(large.search(text="changed", k=1)) == ["many/017.txt"]
    assert ids(large.search(text="a new one", k=1)) == ["many/new.txt"]
    everything = {id_ for n in range(300) for id_ in ids(large.search(text=f"text {n}", k=9))}
    assert "many/018.txt" not in everything
    assert len(ids(large.search(text="x", k=500))) == 300
    fill(many, {f"more{n}.txt": f"more {n}" for n in range(40)})
    large.index(many)
    [second] = folders(large)
    assert int(second.split("-")[0]) > int(first.split("-")[0])
    assert ids(large.search(text="more 7", k=1)) == ["many/more7.txt"]


BREAKS = {
    "not what was written": lambda folder: truncate(folder / VECTORS),
    "No such file": lambda folder: (folder / VECTORS).unlink(),
    "contains pickle": lambda folder: (folder / KEYS).write_bytes(b"junk"),
    r"is damaged: float64 keys \(3,\)": lambda folder: np.save(folder / KEYS, np.ones(3)),
    "card.json is not JSON": lambda folder: (folder / CARD).write_text("{"),
    "index of another model": lambda folder: told(folder, model="another"),
    "Index type": lambda folder: replace(folder, b"no index at all"),
}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def told(folder, **update):
    card = IndexCard.load(folder / CARD).model_copy(update=update)
    (folder / CARD).write_text(card.to_json())


def replace(folder, data):
    (folder / VECTORS).write_bytes(data)
    told(folder, sha256=nearest._checksum(folder / VECTORS))


@pytest.mark.parametrize("reason", BREAKS)
def test_a_broken_or_foreign_index_is_told_of_and_made_again(large, reason):
    whole = all_there(large)
    [name] = folders(large)
    BREAKS[reason](large.path / FOLDER / name)
    opened = Library.open(large.path, Toy())
    assert re.search(reason, opened.remark)
    assert "all 300 items of" in opened.remark
    assert "compared until `trivium library tune" in opened.remark
    assert all_found(opened) == whole
    assert opened.tune() == IndexCard.load(large.path / FOLDER / name / CARD)
    assert opened.remark == Library.open(large.path, Toy()).remark == ""


def test_without_faiss_all_is_compared_and_a_sentence_says_how_to_add_it(large, many, monkeypatch):
    whole = all_there(large)
    monkeypatch.setattr(nearest, "has_faiss", lambda: False)
    opened = Library.open(large.path, Toy())
    assert opened.remark == (
        f"all 300 items of {large.path} are compared; `pip install 'trivium[search]'` and "
        f"`trivium library tune {large.path}` make that quicker"
    )
    assert all_found(opened) == whole
    with pytest.raises(TriviumError, match="pip install"):
        opened.tune()
    fill(many, {f"more{n}.txt": f"more {n}" for n in range(40)})
    assert opened.index(many).added == 40


def test_few_items_or_a_gpu_need_no_index(large, library, monkeypatch):
    assert library.tune() is None
    assert not (library.path / FOLDER).exists()
    assert library.remark == ""
    monkeypatch.setattr(nearest, "best_device", lambda: "cuda")
    assert large.tune() is None
    assert nearest.wanted(10**6, "cuda") is False


def test_tuning_measures_and_keeps_what_searches_use(large, monkeypatch):
    whole = all_there(large)
    for recall in (0.5, 1.0):
        card = large.tune(recall)
        assert card.recall == recall
        assert [one.probes for one in card.tried] == tune.numbers(card.lists)[: len(card.tried)]
        reopened = Library.open(large.path, Toy()).items.nearest
        assert reopened.card == card
        assert reopened.probes == (card.probes(recall, False), card.probes(recall, True))
    assert shared(all_found(large), whole) > 0.9
    for wrong in (0, 1.1):
        with pytest.raises(SettingsError, match=f"a recall of {wrong}; give one above 0"):
            large.tune(wrong)


def test_the_measured_recall_is_that_of_comparing_with_all(index):
    opened = Nearest(VECTORS_ONCE, "cpu")
    card = IndexCard(model="m", version=1, lists=index.nlist, recall=0.9)
    opened.use(index, nearest.keys_of(VECTORS_ONCE), card)
    tried = tune.measured(opened, index.nlist, {})
    assert tried[-1].recall >= 0.99
    places = opened.held_out(tune.QUERIES)
    assert len(places) == tune.QUERIES
    assert not set(places) & set(nearest.shuffled(600)[: 8 * index.nlist])
    opened.probes = (tried[0].probes,) * 2
    shares = []
    for place in places:
        query = VECTORS_ONCE[place].astype(np.float32)
        scores = VECTORS_ONCE.astype(np.float64) @ query
        best = set(np.argsort(-scores, kind="stable")[:10].tolist()) - {place}
        [(found, _)] = opened.search(query[None], 10)
        shares.append(len(best & set(found.tolist())) / len(best))
    assert tried[0].recall == pytest.approx(np.mean(shares), abs=0.01)


def test_many_threads_search_an_index_alike(large):
    fresh = Library.open(large.path, Toy())
    wishes = [(n, where, k) for n in range(60) for where in (None, "id < 'many/150'")
              for k in (3, 40)]  # fmt: skip

    def search(wish):
        number, where, k = wish
        return ids(fresh.search(text=f"text {number}", k=k, where=where))

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(search, wishes))
    assert together == [search(wish) for wish in wishes]


def test_a_library_is_opened_once_by_many_threads(large, monkeypatch):
    fresh, opened = Library.open(large.path, Toy()), []
    read = Items.read.__func__

    def slowly(cls, table, model):
        opened.append(table)
        time.sleep(0.05)
        return read(cls, table, model)

    monkeypatch.setattr(Items, "read", classmethod(slowly))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: ids(fresh.search(text=f"text {n}", k=1)), range(20)))
    assert found == [[f"many/{n:03}.txt"] for n in range(20)]
    assert len(opened) == 1


def test_an_index_can_be_searched_while_the_library_changes(large, many):
    """Whoever searches meanwhile finds what was or what is, and never fails."""
    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(all_found, large) for _ in range(4)]
        fill(many, {f"more{n}.txt": f"more {n}" for n in range(40)})
        large.index(many)
        large.tune()
        for search in searches:
            assert all(len(found) == 5 for found in search.result())


def test_a_tuning_killed_at_any_moment_leaves_the_old_or_the_new(large, many):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.library.toys"])
    before, rng = all_there(large), np.random.default_rng(0)
    for number in range(10):
        process = context.Process(target=index_again_and_again, args=(str(large.path),))
        process.start()
        process.join(0.3 if number == 0 else rng.uniform(0, 0.15))
        process.kill()
        process.join()
        opened = Library.open(large.path, Toy())
        assert opened.remark == "" or "until `trivium library tune" in opened.remark
        assert "damaged" not in opened.remark
        assert len(opened.search(text="text 3", k=50)) == 50
    large.tune(1.0)
    assert shared(all_found(Library.open(large.path, Toy())), before) > 0.9
    shutil.rmtree(large.path / FOLDER / folders(large)[0])
    assert large.index(many).added == 0
    assert len(folders(large)) == 1  # made again, and what the killed ones left is gone
    assert large.remark == ""


def test_of_one_kind_more_is_compared_since_another_is_asked_for(index, monkeypatch):
    """As pictures are by texts, which lie beside them: each query is moved by the same vector."""
    monkeypatch.setattr(nearest, "COMPARED", 300)
    beside = VECTORS_ONCE[:50].astype(np.float32) + 1.5 * np.ones(WIDTH, np.float32) / 4
    opened = Nearest(VECTORS_ONCE, "cpu")
    true = [set(places) for places, _ in opened.search(beside, 10)]
    card = IndexCard(model="", version=1, lists=index.nlist, recall=0.5)
    opened.use(index, nearest.keys_of(VECTORS_ONCE), card)
    opened.probes = (1, 1)

    def recall():
        found = [set(places) for places, _ in opened.search(beside, 10)]
        return np.mean([len(a & b) / 10 for a, b in zip(true, found, strict=True)])

    before = recall()
    opened.one_kind = True
    assert recall() > max(0.8, before + 0.1)
