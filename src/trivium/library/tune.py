"""How many lists of an index a search must look at: measured against comparing with all.

The queries are items themselves, each of which is left out of what is found for it.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trivium.checkpoint import write_file
from trivium.library.items import Items
from trivium.library.nearest import (
    CARD,
    FOLDER,
    TUNED_FOR,
    Allowed,
    IndexCard,
    Nearest,
    Tried,
    keys_of,
    trained,
    write,
)

QUERIES = 256
ENOUGH = 0.99  # a recall; more lists are not tried
SHARES = (0.5, 0.2, 0.05)  # of the items that match a filter
RECALL = 0.95  # of searches, where nobody said another


def make(folder: Path, items: Items, recall: float | None = None) -> IndexCard:
    """Measure the index of a library anew; make it anew, too, if the items have moved on."""
    nearest = Nearest.open(folder, items.vectors, items.model, "cpu")
    card, kinds = nearest.card, items.of_kinds()
    wanted = recall or (card.recall if card else RECALL)
    if card is not None and not nearest.stale:
        update = {"recall": wanted, "tried": measured(nearest, card.lists, kinds)}
        card = card.model_copy(update=update)
        write_file(folder / FOLDER / card.name / CARD, card.to_json())
        return card
    index, keys = trained(items.vectors), keys_of(items.vectors)
    version = items.table.dataset.version
    card = IndexCard(model=items.model, version=version, lists=index.nlist, recall=wanted)
    nearest.use(index, keys, card)
    update = {"tried": measured(nearest, card.lists, kinds)}
    return write(folder, index, keys, card.model_copy(update=update))


def measured(nearest: Nearest, lists: int, kinds: Mapping[str, Allowed]) -> tuple[Tried, ...]:
    """What more and more lists find for the same queries, until nearly all is found.

    The filters are the kinds, as what an item is asked for is often of another kind than the item
    and lies elsewhere, and drawn shares of all.
    """
    places = nearest.held_out(QUERIES)
    queries = nearest.vectors[places].astype(np.float32)
    drawn = np.random.default_rng(0).random(len(nearest.vectors))
    filters = [drawn < share for share in SHARES] + (list(kinds.values()) if len(kinds) > 1 else [])
    wishes = [None, *filters]

    def search(exact: bool, wish: Allowed | None) -> list[set[int]]:
        found = (nearest.exact if exact else nearest).search(queries, TUNED_FOR, wish)
        return [set(near.tolist()) - {own}
                for (near, _), own in zip(found, places.tolist(), strict=True)]  # fmt: skip

    true = [search(True, wish) for wish in wishes]
    tried: list[Tried] = []
    filtered = 0.0
    for probes in numbers(lists):
        nearest.probes, start = (probes, probes), time.perf_counter()
        first = recall_of(search(False, None), true[0])
        seconds = (time.perf_counter() - start) / len(queries)
        if filtered < ENOUGH:
            filtered = min(recall_of(search(False, wish), found)
                           for wish, found in zip(wishes[1:], true[1:], strict=True))  # fmt: skip
        tried.append(Tried(probes=probes, recall=first, filtered=filtered, seconds=seconds))
        if min(first, filtered) >= ENOUGH:
            break
    return tuple(tried)


def numbers(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... while there are so many."""
    powers = [2**power for power in range(most.bit_length())]
    return sorted({n for power in powers for n in (power, 3 * power // 2) if n <= most})


def recall_of(found: list[set[int]], wanted: list[set[int]]) -> float:
    """How much of what is wanted is found, on average over the queries that want something."""
    share = [len(one & all_) / len(all_) for one, all_ in zip(found, wanted, strict=True) if all_]
    return float(np.mean(share)) if share else 1.0
