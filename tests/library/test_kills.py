"""A library whose indexing is killed holds the old or the new of every item, and ends whole."""

import multiprocessing
import time

import numpy as np
import pytest

from tests.library import toys
from trivium.library.indexing import CARD
from trivium.library.library import Library


@pytest.fixture(scope="module")
def forks():
    """Processes that start with everything imported: a kill costs no second of importing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.library.toys"])
    return context


def write(folder, texts):
    folder.mkdir(exist_ok=True)
    for name in {path.name for path in folder.iterdir()} - texts.keys():
        (folder / name).unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def held(folder):
    """Texts by file name, after a look at every vector."""
    library = Library.open(folder, toys.Toy())
    if library.items is None:
        return {}
    found = library.items.told(range(len(library)))
    ids = [item["id"] for item in found]
    assert ids == sorted(set(ids))
    expected = np.stack([toys.vector(item["text"]) for item in found]).astype(np.float16)
    np.testing.assert_array_equal(library.items.vectors, expected)
    return {item["id"].removeprefix("s/"): item["text"] for item in found}


def changed(texts, rng, number):
    """Five texts written anew, two more, two less."""
    names = rng.permutation(sorted(texts)).tolist()
    made = {name: f"{name} as of {number}" for name in names[2:7]}
    new = {f"{number}-{which}.txt": f"new {number} {which}" for which in "ab"}
    return {name: texts[name] for name in names[2:]} | made | new


def check_between(now, before, after):
    """Every item is as it was or as it will be; what neither changes is there."""
    for name in before.keys() | after.keys() | now.keys():
        assert now.get(name) in (before.get(name), after.get(name)), name


def check_killed_indexing(forks, tmp_path, kills):
    source, folder = tmp_path / "source", tmp_path / "library"
    rng, died = np.random.default_rng(0), 0
    texts = {f"{number:02}.txt": f"text {number}" for number in range(24)}
    write(source, texts)

    def start(target):
        arguments = str(source), str(target)
        process = forks.Process(target=toys.index_in_many_commits, args=arguments)
        process.start()
        return process

    start(tmp_path / "first").join()  # the first waits for the imports
    began = time.monotonic()
    start(tmp_path / "second").join()
    seconds = time.monotonic() - began
    before = {}
    for number in range(kills):
        process = start(folder)
        time.sleep(rng.uniform(0, 0.8 * seconds))
        process.kill()
        process.join()
        died += process.exitcode != 0
        now = held(folder) if (folder / CARD).exists() else {}
        check_between(now, before, texts)
        before, texts = now, changed(texts, rng, number)
        write(source, texts)
    assert died >= kills // 5  # the others came before it or after
    toys.index_in_many_commits(str(source), str(folder))
    assert held(folder) == texts
    assert Library.open(folder).card.sources["s"].complete
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000  # no orphans, no old versions


def test_an_indexing_killed_ten_times_ends_whole(forks, tmp_path):
    check_killed_indexing(forks, tmp_path, 10)


@pytest.mark.slow
def test_an_indexing_killed_two_hundred_times_ends_whole(forks, tmp_path):
    check_killed_indexing(forks, tmp_path, 200)
