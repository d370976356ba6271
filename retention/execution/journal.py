"""The journal: how far each chunk of a run has come, so that a crash is repaired by a rerun.

Key ranges and intents are sealed, since a key can be personal data (an e-mail address).
What is written here is written before (intent) or after (completion) the source changes.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from retention import ledger, merkle
from retention.encoding import decode, encode
from retention.execution.accumulating import accumulate
from retention.execution.chunks import Chunk, IntendedRow, Stage, State, Status, pack, unpack
from retention.keys import Keyring
from retention.planning.facts import Key
from retention.planning.pages import Bounds
from retention.planning.plan import Plan, Transition
from retention.stores import control
from retention.stores.open import reading, writing
from retention.stores.sql import upsert

SALT_BYTES = 32


class Journal:
    """Writes and reads the control store on behalf of one run."""

    def __init__(self, engine: Engine, keyring: Keyring, run_id: str) -> None:
        self.engine = engine
        self.run_id = run_id
        self._keyring = keyring
        self._salts: dict[tuple[str, str, str], bytes] = {}

    # --- runs ------------------------------------------------------------------------

    def begin_run(self, plan: Plan, mode: str, now: datetime) -> None:
        """Record that a run of ``plan`` has begun."""
        row = {
            "run_id": self.run_id,
            "as_of": plan.as_of,
            "plan_digest": plan.digest,
            "mode": mode,
            "status": "running",
            "policy_digest": plan.policy_digest,
            "catalogue_digest": plan.catalogue_digest,
            "started_at": now,
        }
        with writing(self.engine) as connection:
            upsert(connection, control.runs, [row], ["run_id"], ["status"])

    def close_run(self, run_id: str, status: Status, note: str | None, now: datetime) -> None:
        """Record how a run ended."""
        with writing(self.engine) as connection:
            connection.execute(
                control.runs.update()
                .where(control.runs.c.run_id == run_id)
                .values(status=status, note=note, finished_at=now)
            )

    def stop_tables(self, tables: Iterable[str], reason: str) -> None:
        """These tables stop for the rest of the run; the first reason given stays."""
        rows = [
            {"run_id": self.run_id, "table_name": table, "reason": reason}
            for table in sorted(tables)
        ]
        with writing(self.engine) as connection:
            upsert(connection, control.stopped, rows, ["run_id", "table_name"], [])

    def stop_by_table(self, reasons: Mapping[str, str]) -> None:
        """As ``stop_tables``, with a reason for each."""
        for table, reason in reasons.items():
            self.stop_tables([table], reason)

    def stopped(self) -> dict[str, str]:
        """The tables that were stopped in this run, and why."""
        at = control.stopped.c
        statement = sa.select(at.table_name, at.reason).where(at.run_id == self.run_id)
        with reading(self.engine) as connection:
            return {row[0]: row[1] for row in connection.execute(statement.order_by(at.table_name))}

    # --- chunks ----------------------------------------------------------------------

    def open_chunk(
        self, table: str, stage: Stage, sequence: int, bounds: Bounds, now: datetime
    ) -> Chunk:
        """Start a chunk. Nothing has been touched yet."""
        chunk = Chunk(uuid4().hex, self.run_id, table, stage, sequence, "open", bounds)
        sealed = encode([list(bounds[0]), list(bounds[1])])
        row = {
            "chunk_id": chunk.chunk_id,
            "run_id": self.run_id,
            "table_name": table,
            "stage": stage,
            "sequence": sequence,
            "state": "open",
            "bounds": self._keyring.seal(f"bounds:{chunk.chunk_id}", sealed),
            "counts": {},
            "roots": {},
            "seconds": 0.0,
            "updated_at": now,
        }
        with writing(self.engine) as connection:
            connection.execute(control.chunks.insert(), row)
        return chunk

    def chunks(self, *states: State, table: str | None = None, stage: Stage | None = None,
               any_run: bool = False) -> list[Chunk]:  # fmt: skip
        """Chunks in one of ``states``, in order: of this run, or of every run."""
        at = control.chunks.c
        statement = sa.select(control.chunks).where(at.state.in_(states))
        if not any_run:
            statement = statement.where(at.run_id == self.run_id)
        if table is not None:
            statement = statement.where(at.table_name == table)
        if stage is not None:
            statement = statement.where(at.stage == stage)
        statement = statement.order_by(at.updated_at, at.sequence)
        with reading(self.engine) as connection:
            return [self._chunk(row) for row in connection.execute(statement)]

    def _chunk(self, row: Any) -> Chunk:
        bounds = decode(self._keyring.unseal(f"bounds:{row.chunk_id}", row.bounds))
        low, high = (tuple(key) for key in bounds)
        return Chunk(
            row.chunk_id,
            row.run_id,
            row.table_name,
            row.stage,
            row.sequence,
            row.state,
            (low, high),
        )

    def next_sequence(self, table: str, stage: Stage) -> int:
        at = control.chunks.c
        statement = sa.select(sa.func.max(at.sequence)).where(
            at.run_id == self.run_id, at.table_name == table, at.stage == stage
        )
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar() or 0) + 1

    def last_key(self, table: str) -> Key | None:
        """The last key of the newest chunk that any run has moved rows of ``table`` by."""
        at = control.chunks.c
        statement = (
            sa.select(control.chunks)
            .where(at.table_name == table, at.stage == "move")
            .order_by(at.updated_at.desc(), at.sequence.desc())
            .limit(1)
        )
        with reading(self.engine) as connection:
            row = connection.execute(statement).first()
        return self._chunk(row).bounds[1] if row else None

    def mark(self, chunk: Chunk, state: State, now: datetime) -> None:
        """The chunk has reached ``state``."""
        with writing(self.engine) as connection:
            self._update(connection, chunk, {"state": state, "updated_at": now})

    def took(self, chunk: Chunk, seconds: float) -> None:
        """Add to the time a chunk has taken."""
        with writing(self.engine) as connection:
            at = control.chunks.c
            self._update(connection, chunk, {"seconds": at.seconds + seconds})

    def moved_on(self, as_of: date, table: str) -> int:
        """Rows of ``table`` that all runs dated ``as_of`` have archived or disposed of."""
        at = control.transitions.c
        statement = (
            sa.select(at.counts)
            .join(control.runs, control.runs.c.run_id == at.run_id)
            .where(control.runs.c.as_of == as_of, at.table_name == table)
            .where(at.transition.in_([Transition.archive, Transition.dispose]))
        )
        with reading(self.engine) as connection:
            return sum(row[0]["rows"] for row in connection.execute(statement))

    def intend(self, chunk: Chunk, rows: Sequence[IntendedRow], now: datetime) -> None:
        """Write down, before the source commits, exactly which rows it is about to lose."""
        blob = self._keyring.seal(f"intent:{chunk.chunk_id}", encode([pack(row) for row in rows]))
        with writing(self.engine) as connection:
            values = {"state": "intended", "intent": blob, "updated_at": now}
            self._update(connection, chunk, values)

    def intent(self, chunk: Chunk) -> list[IntendedRow]:
        """What ``intend`` wrote down."""
        statement = sa.select(control.chunks.c.intent).where(
            control.chunks.c.chunk_id == chunk.chunk_id
        )
        with reading(self.engine) as connection:
            blob = connection.execute(statement).scalar_one()
        packed = decode(self._keyring.unseal(f"intent:{chunk.chunk_id}", blob))
        return [unpack(item) for item in packed]

    def complete(
        self,
        chunk: Chunk,
        done: Sequence[IntendedRow],
        counts: Mapping[str, int],
        seconds: float,
        now: datetime,
        *,
        state: State = "done",
    ) -> None:
        """The source has committed: counts, commitments and accumulators, in one transaction.

        A chunk is completed once: a second call finds it done and changes nothing.
        """
        with writing(self.engine) as connection:
            # Locked: a run that lost its lease may be completing the chunk at this moment too.
            row = connection.execute(
                sa.select(control.chunks)
                .where(control.chunks.c.chunk_id == chunk.chunk_id)
                .with_for_update()
            ).one()
            if row.state == "done":
                return
            leaves: dict[str, list[bytes]] = {}
            for item in done:
                leaves.setdefault(item.transition, []).append(item.leaf)
            roots = {name: list(values) for name, values in row.roots.items()}
            for name, found in leaves.items():
                roots.setdefault(name, []).append(merkle.root(found).hex())
            total = Counter(row.counts)
            total.update(counts)
            values = {
                "state": state,
                "intent": None,
                "counts": dict(total),
                "roots": roots,
                "leaves": (row.leaves or b"") + b"".join(item.leaf for item in done),
                "seconds": row.seconds + seconds,
                "updated_at": now,
            }
            self._update(connection, chunk, values)
            self._add_to_transitions(connection, chunk, done)
            accumulate(connection, [cell for item in done for cell in item.increments])

    def _update(self, connection: Connection, chunk: Chunk, values: Mapping[str, Any]) -> None:
        connection.execute(
            control.chunks.update()
            .where(control.chunks.c.chunk_id == chunk.chunk_id)
            .values(**values)
        )

    # --- transitions and the ledger --------------------------------------------------

    def salt(self, table: str, transition: Transition, run_id: str | None = None) -> bytes:
        """The salt of a transition's commitments; made at first use, kept sealed."""
        run = run_id or self.run_id
        place = (run, table, str(transition))
        if place not in self._salts:
            self._salts[place] = self._stored_salt(run, table, transition)
        return self._salts[place]

    def _stored_salt(self, run: str, table: str, transition: Transition) -> bytes:
        context = f"salt:{run}:{table}:{transition}"
        at = control.transitions.c
        statement = sa.select(at.salt).where(
            at.run_id == run, at.table_name == table, at.transition == transition
        )
        with writing(self.engine) as connection:
            sealed = connection.execute(statement).scalar()
            if sealed is not None:
                return self._keyring.unseal(context, sealed)
            salt = secrets.token_bytes(SALT_BYTES)
            connection.execute(
                control.transitions.insert(),
                {
                    "run_id": run,
                    "table_name": table,
                    "transition": transition,
                    "salt": self._keyring.seal(context, salt),
                    "counts": {"rows": 0, "with_dependants": 0},
                    "done": False,
                },
            )
            return salt

    def _add_to_transitions(
        self, connection: Connection, chunk: Chunk, done: Sequence[IntendedRow]
    ) -> None:
        at = control.transitions.c
        for transition in sorted({item.transition for item in done}):
            where = (
                at.run_id == chunk.run_id,
                at.table_name == chunk.table,
                at.transition == transition,
            )
            statement = sa.select(at.counts).where(*where).with_for_update()
            counts = dict(connection.execute(statement).scalar_one())
            mine = [item for item in done if item.transition is transition]
            counts["rows"] += len(mine)
            counts["with_dependants"] += sum(item.rows for item in mine)
            connection.execute(control.transitions.update().where(*where).values(counts=counts))

    def close_transitions(self, run_id: str, as_of: date, now: datetime) -> int:
        """Write one ledger entry for each transition of ``run_id`` that is not there yet.

        Those of a table with an intended chunk wait until the source has been asked about it.
        """
        at, chunk = control.transitions.c, control.chunks.c
        unsure = sa.select(chunk.table_name).where(
            chunk.run_id == run_id, chunk.state == "intended"
        )
        statement = (
            sa.select(control.transitions)
            .where(at.run_id == run_id, at.done.is_(False), at.table_name.not_in(unsure))
            .order_by(at.table_name, at.transition)
            .with_for_update()
        )
        written = 0
        with writing(self.engine) as connection:
            for row in connection.execute(statement).all():
                entry = ledger.append(
                    connection,
                    run_id=run_id,
                    table_name=row.table_name,
                    transition=row.transition,
                    as_of=as_of,
                    counts=row.counts,
                    merkle_root=self._root(connection, run_id, row.table_name, row.transition),
                    now=now,
                )
                connection.execute(
                    control.transitions.update()
                    .where(
                        at.run_id == run_id,
                        at.table_name == row.table_name,
                        at.transition == row.transition,
                    )
                    .values(done=True, ledger_sequence=entry.sequence)
                )
                written += 1
        return written

    def _root(self, connection: Connection, run_id: str, table: str, transition: str) -> str:
        """The root over the chunks' roots, in their order."""
        at = control.chunks.c
        statement = (
            sa.select(at.roots)
            .where(at.run_id == run_id, at.table_name == table)
            .order_by(at.stage, at.sequence)
        )
        roots = [
            bytes.fromhex(root)
            for row in connection.execute(statement)
            for root in row.roots.get(transition, ())
        ]
        return merkle.root(roots).hex()

    def open_ledgers(self) -> list[tuple[str, date]]:
        """Runs of the past with a transition that is not in the ledger yet, and their days."""
        at = control.transitions.c
        statement = (
            sa.select(control.runs.c.run_id, control.runs.c.as_of)
            .join(control.transitions, at.run_id == control.runs.c.run_id)
            .where(at.done.is_(False), at.run_id != self.run_id)
            .distinct()
            .order_by(control.runs.c.run_id)
        )
        with reading(self.engine) as connection:
            return [(row.run_id, row.as_of) for row in connection.execute(statement)]

    def unfinished_runs(self) -> Iterator[tuple[str, date]]:
        """Runs of the past that never said how they ended."""
        at = control.runs.c
        statement = sa.select(at.run_id, at.as_of).where(
            at.status == "running", at.run_id != self.run_id
        )
        with reading(self.engine) as connection:
            for row in connection.execute(statement).all():
                yield row.run_id, row.as_of
