"""`trivium bench search`: comparing with all and searching through an index, beside plain faiss."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.terminal import console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.intp]
    Floats = NDArray[np.float32]
    Halves = NDArray[np.float16]
    # Queries and a number of lists, or of candidates of a graph, to places (Q, 10); and bytes held.
    Way = tuple[Callable[[Floats, int], Places], int]

RECALL, WANTED = 0.95, 10
QUERIES, SINGLE = 512, 64  # queries at once; and how many of them one by one
GRAPH_UP_TO = 100_000  # vectors; a graph of more takes many minutes
CENTRES, SPREAD, FALL = 1_000, 0.7, 0.7
MADE = (
    f"made vectors: {CENTRES:,} centres, {SPREAD} as much around each, and the deviation of number "
    f"i falls as i^-{FALL}"
)


def search(
    items: Annotated[str, typer.Option(help="How many vectors, as 10000,100000.")] = "10000,100000",
    width: Annotated[int, typer.Option(help="Numbers in a vector.", min=8)] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Searches a second that find 0.95 of the ten best, seconds to build, and memory.

    Beside it plain faiss: all compared, as many lists, and up to 100,000 vectors a graph.
    """
    import json
    import os

    import torch

    from trivium.errors import SettingsError
    from trivium.runtime import machine, peak_memory_bytes

    counts = [int(part) if part.strip().isdecimal() else 0 for part in items.split(",")]
    if min(counts) < 1_000:
        raise SettingsError(f"--items {items!r}; give numbers from 1000 on, as 10000,100000")
    load = os.getloadavg()[0]
    found = {count: compared(count, width) for count in counts}
    told = machine() | {"threads": torch.get_num_threads(), "width": width, "vectors": MADE}
    loads = {"load before": round(load, 1), "load after": round(os.getloadavg()[0], 1)}
    peak = round(peak_memory_bytes() / 1e6)
    if as_json:
        console.say(json.dumps({**told, **loads, "peak memory, MB": peak, "items": found}))
        return
    for count, lines in found.items():
        rows = [list(line.values()) for line in lines]
        console.table(list(lines[0]), rows, title=f"{count:,} x {width}")
    console.say(f"{MADE}; {QUERIES} queries at once, {SINGLE} of them one by one")
    around = ", ".join(f"{name} {value}" for name, value in loads.items())
    console.say(f"{told['threads']} threads, {around}; at most {peak:,} MB of memory were held")


def made(count: int, width: int, seed: int) -> "Floats":
    """Unit vectors around centres that every seed shares; uniform ones would have no neighbours.

    As in what models make, a few directions say most.
    """
    import numpy as np

    own = np.random.default_rng(seed)
    deviations = np.arange(1, width + 1, dtype=np.float32) ** -FALL
    centres = np.random.default_rng(0).standard_normal((CENTRES, width), np.float32)
    vectors = SPREAD * own.standard_normal((count, width), np.float32)
    vectors += centres[own.integers(0, CENTRES, count)]
    vectors *= deviations
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def compared(count: int, width: int) -> list[dict[str, Any]]:
    """A line for each way of searching so many vectors."""
    import numpy as np

    from trivium.library.nearest import Nearest, has_faiss, lists_for
    from trivium.library.tune import numbers

    vectors, queries = made(count, width, 1).astype(np.float16), made(QUERIES, width, 2)
    true = _places(Nearest(vectors, "cpu").search(queries, WANTED))

    def line(name: str, build: "Callable[[], Way]", tried: Iterable[int] = (0,)) -> dict[str, Any]:
        return {"": name, **figures(build, queries, true, tried)}

    lines = [line("trivium, all compared", lambda: _exact(vectors))]
    if not has_faiss():
        console.warn("faiss is not installed; `pip install 'trivium[search]'` to measure indexes")
        return lines
    lists = lists_for(count)
    lines.append(line("trivium, index", lambda: _index(vectors), numbers(lists)))
    wide = vectors.astype(np.float32)
    lines.append(line("faiss, all compared", lambda: _faiss(wide, "Flat")))
    few = numbers(lists)
    lines.append(line("faiss, lists", lambda: _faiss(wide, f"IVF{lists},SQ8", "nprobe"), few))
    if count <= GRAPH_UP_TO:
        many = [number for number in numbers(2_048) if number >= WANTED]
        lines.append(line("faiss, graph", lambda: _faiss(wide, "HNSW32", "efSearch"), many))
    return lines


def figures(
    build: "Callable[[], Way]", queries: "Floats", true: "Places", tried: Iterable[int]
) -> dict[str, float | None]:
    """What a way costs at the first of some numbers, of lists or candidates, that finds enough."""
    from trivium.library.tune import recall_of
    from trivium.runtime import best_rate

    wanted, start = _sets(true), time.perf_counter()
    search, held = build()
    seconds = time.perf_counter() - start
    number, recall = 0, 0.0
    for number in tried:
        recall = recall_of(_sets(search(queries, number)), wanted)
        if recall >= RECALL:
            break

    def one_by_one() -> None:
        for place in range(SINGLE):
            search(queries[place : place + 1], number)

    def at_once() -> None:
        search(queries, number)

    return {
        "build, s": round(seconds, 2),
        "memory, MB": round(held / 1e6),
        "looked at": number or None,  # lists, or candidates
        "recall@10": round(recall, 3),
        "one by one, a second": round(best_rate(one_by_one, SINGLE)),
        "at once, a second": round(best_rate(at_once, len(queries))),
    }


def _exact(vectors: "Halves") -> "Way":
    from trivium.library.nearest import Nearest

    ours = Nearest(vectors, "cpu")
    exact = ours.exact
    return lambda queries, _: _places(exact.search(queries, WANTED)), exact.nbytes


def _index(vectors: "Halves") -> "Way":
    """Trained, written and mapped, as a library has it."""
    from tempfile import TemporaryDirectory

    from trivium.library import nearest

    ours = nearest.Nearest(vectors, "cpu")
    index = nearest.trained(vectors)
    card = nearest.IndexCard(model="made", version=1, lists=index.nlist, recall=RECALL)
    with TemporaryDirectory(prefix="trivium-bench-") as folder:
        nearest.write(Path(folder), index, nearest.keys_of(vectors), card)
        path = Path(folder) / nearest.FOLDER / card.name
        held = vectors.nbytes + sum(file.stat().st_size for file in path.iterdir())
        ours.use(*nearest.load(path, "made", vectors.shape[1]))

    def search(queries: "Floats", lists: int) -> "Places":
        ours.probes = (lists, lists)
        return _places(ours.search(queries, WANTED))

    return search, held


def _faiss(vectors: "Floats", kind: str, dial: str = "") -> "Way":
    import faiss

    from trivium.library.nearest import ROUNDS, TRAINED

    index: Any = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    if dial == "nprobe":
        index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, TRAINED
    index.train(vectors)
    index.add(vectors)

    def search(queries: "Floats", number: int) -> "Places":
        if dial:
            faiss.ParameterSpace().set_index_parameter(index, dial, number)
        found: Places = index.search(queries, WANTED)[1]
        return found

    return search, faiss.serialize_index(index).nbytes


def _places(found: "list[tuple[Places, Floats]]") -> "Places":
    import numpy as np

    return np.stack([places for places, _ in found])


def _sets(places: "Places") -> list[set[int]]:
    return [set(near) for near in places.tolist()]
