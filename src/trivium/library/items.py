"""The items of a library: their table, and what a search holds of them in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.data import store
from trivium.data.store import Row, Rows, Table
from trivium.errors import TriviumError
from trivium.library.exact import Halves
from trivium.library.nearest import Allowed, Nearest

TABLE = "items.lance"
SECRET = ("stamp", "vector")  # no news to whoever finds an item

_COLUMNS = [
    pa.field("id", pa.string(), nullable=False),  # source, then the name in it
    pa.field("kind", pa.string()),
    pa.field("source", pa.string()),
    pa.field("language", pa.string()),
    pa.field("speaker", pa.string()),
    pa.field("seconds", pa.float32()),
    pa.field("text", pa.string()),
    pa.field("stamp", pa.string()),
]


@dataclass(frozen=True)
class Items:
    """All items of one version of the table, ordered by id; a place is one of these."""

    table: Table
    ids: pa.Array
    kinds: pa.Array
    rows: Rows  # of the table
    vectors: Halves
    nearest: Nearest  # the search
    model: str  # the checksum of the one that made the vectors

    @classmethod
    def read(cls, table: Table, model: str) -> Self:
        """Ids, kinds and vectors of a table that a model made."""
        found = table.columns(["id", "kind", "vector"])
        order = pc.sort_indices(found.column("id")).to_numpy()
        column = found.column("vector").combine_chunks()
        width = column.type.list_size
        vectors = column.values.to_numpy(zero_copy_only=False).reshape(-1, width)
        own = found.select(["id", "kind"]).take(order)
        ordered = np.ascontiguousarray(vectors[order])
        ids, kinds = (own.column(name).combine_chunks() for name in ("id", "kind"))
        nearest = Nearest.open(table.path.parent, ordered, model)
        nearest.one_kind = len(pc.unique(kinds)) == 1
        rows = found.column("row").to_numpy()[order]
        return cls(table, ids, kinds, rows, ordered, nearest, model)

    def __len__(self) -> int:
        return len(self.rows)

    def of_kinds(self) -> dict[str, Allowed]:
        """Which items are of each kind there is."""
        return {kind: self.matching(kind, None) for kind in pc.unique(self.kinds).to_pylist()}

    def matching(self, of: str | None, where: str | None) -> Allowed:
        """Which items are of a kind and match a filter, by their places."""
        matches = np.ones(len(self), bool)
        if of is not None:
            matches &= pc.equal(self.kinds, of).to_numpy(zero_copy_only=False)
        if where is not None:
            in_table = np.zeros(len(self), bool)
            in_table[self.table.columns([], where).column("row").to_numpy()] = True
            matches &= in_table[self.rows]
        return matches

    def place(self, id_: str) -> int:
        """The place of the item with that id."""
        place: int = pc.index(self.ids, id_).as_py()
        if place < 0:
            raise TriviumError(
                f"no item of {self.table.path.parent} has the id {id_!r}; ids look like "
                f"{self.ids[0].as_py()!r}"
            )
        return place

    def told(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """What is known of items, without what is not."""
        names = [name for name in self.table.light_names if name not in SECRET]
        rows = self.table.take(self.rows[np.asarray(places, np.int64)], names).to_pylist()
        return [{key: value for key, value in row.items() if value is not None} for row in rows]


def stamps(table: Table, source: str) -> dict[str, str]:
    """The stamp of each item of a source, by id."""
    if not table.exists:
        return {}
    quoted = source.replace("'", "''")
    found = table.columns(["id", "stamp"], f"source = '{quoted}'")
    ids, kept = (found.column(name).to_pylist() for name in ("id", "stamp"))
    return dict(zip(ids, kept, strict=True))


def put(path: Path, rows: Sequence[Row], vectors: Halves) -> None:
    """Add items, or put them in the place of those with the same ids, in one commit."""
    table = Table(path)
    if not table.exists:
        store.append(path, _to_arrow(rows[:0], vectors[:0], _first_schema(vectors.shape[1])))
        table = Table(path)
    _add_columns(table, rows)
    table = Table(path)
    new = _to_arrow(rows, vectors, table.schema)
    merge = table.dataset.merge_insert("id").when_matched_update_all()
    merge.when_not_matched_insert_all().execute(new)


def remove(path: Path, ids: Sequence[str]) -> None:
    """Remove items, in one commit."""
    quoted = ", ".join("'" + id_.replace("'", "''") + "'" for id_ in ids)
    Table(path).dataset.delete(f"id in ({quoted})")


def _first_schema(width: int) -> pa.Schema:
    vector = pa.field("vector", pa.list_(pa.float16(), width), nullable=False)
    return pa.schema([*_COLUMNS, vector])


def _to_arrow(rows: Sequence[Row], vectors: Halves, schema: pa.Schema) -> pa.Table:
    flat = pa.array(vectors.reshape(-1), pa.float16())
    arrays = [
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        if field.name == "vector"
        else pa.array([_value(row, field) for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _value(row: Row, field: pa.Field) -> Any:
    """What a row has in a column; texts may be of anything, and what is no number is absent."""
    value = row.get(field.name)
    if value is None or field.type == pa.string():
        return value if value is None else str(value)
    fits = isinstance(value, bool) == (field.type == pa.bool_()) and not isinstance(value, str)
    return value if fits else None


def _kind(value: object) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    return pa.float64() if isinstance(value, (int, float)) else pa.string()


def _add_columns(table: Table, rows: Sequence[Row]) -> None:
    """Columns that a source has of its own; text where its values are of several types."""
    kinds: dict[str, set[pa.DataType]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                kinds.setdefault(name, set()).add(_kind(value))
    for name in kinds.keys() - set(table.schema.names):
        several = len(kinds[name]) > 1
        table.dataset.add_columns(pa.field(name, pa.string() if several else kinds[name].pop()))
