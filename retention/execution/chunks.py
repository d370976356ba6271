"""Chunks and what is written down of them: the vocabulary of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from retention.execution.accumulating import Increment
from retention.planning.facts import Key
from retention.planning.pages import Bounds
from retention.planning.plan import Transition

Stage = Literal["move", "pseudonymise", "expire", "restore"]
State = Literal["open", "archived", "intended", "done", "abandoned"]
Status = Literal["running", "stopped", "done", "failed"]


@dataclass(frozen=True)
class Chunk:
    """A bounded piece of one stage."""

    chunk_id: str
    run_id: str
    table: str
    stage: Stage
    sequence: int
    state: State
    bounds: Bounds


@dataclass(frozen=True)
class Beside:
    """A dependant that is changed in place together with the row it belongs to."""

    table: str
    key: Key
    becomes: Mapping[str, Any]


@dataclass(frozen=True)
class IntendedRow:
    """A row about to be changed: its key, what becomes of it, and what that adds."""

    key: Key
    transition: Transition
    leaf: bytes
    tokens: tuple[str, ...] = ()
    """Record tokens of the archived copies that become final with it."""
    rows: int = 1
    """The row and the dependants that go along."""
    increments: tuple[Increment, ...] = ()
    becomes: Mapping[str, Any] = field(default_factory=dict)
    """For a change in place: what its columns will hold."""
    beside: tuple[Beside, ...] = ()
    """For a change in place: what its dependants' columns will hold."""


def pack(row: IntendedRow) -> list[Any]:
    """A row as plain values, to be encoded and sealed."""
    cells = [
        [i.table, i.name, i.cell, dict(i.sums), i.person, i.at_once, i.shape]
        for i in row.increments
    ]
    return [
        list(row.key),
        str(row.transition),
        row.leaf,
        list(row.tokens),
        row.rows,
        cells,
        dict(row.becomes),
        [[other.table, list(other.key), dict(other.becomes)] for other in row.beside],
    ]


def unpack(packed: Any) -> IntendedRow:
    """What ``pack`` made plain, in this version or before it knew of dependants."""
    key, transition, leaf, tokens, rows, cells, becomes, *more = packed
    return IntendedRow(
        tuple(key),
        Transition(transition),
        leaf,
        tuple(tokens),
        rows,
        tuple(Increment(*cell) for cell in cells),
        becomes,
        tuple(Beside(table, tuple(at), values) for table, at, values in (more[0] if more else ())),
    )
