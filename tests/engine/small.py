"""A compact installation for the engine's tests, on SQLite or PostgreSQL.

``Small`` makes it, fills it, runs it and says what state it is in.
"""

from __future__ import annotations

import base64
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from retention.catalogue.model import Catalogue
from retention.catalogue.sources import Sources
from retention.errors import RetentionError, RunFailed
from retention.execution import run
from retention.execution.expiry_stage import expire_archive
from retention.execution.work import Work
from retention.installation import Installation, open_installation
from retention.keys import Keyring, read_master_key
from retention.policy.calendar import zone
from retention.policy.table import Policy
from retention.settings import read_settings
from retention.stores.open import STORE_NAMES, open_stores
from tests.databases_support import copy_of, emptied
from tests.engine import tables
from tests.engine.lives import AS_OF, Rows, scripted
from tests.engine.stored import state_of_stores, unsealed

POLICY = Path(__file__).parents[2] / "policies" / "callimedia.yaml"
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
LONG_AFTER = timedelta(hours=2)
"""Longer than a lease lasts."""

Hook = Callable[[str, str, Work], None]


def clock(start: datetime = START) -> Callable[[], datetime]:
    """A clock that goes a millisecond on whenever it is looked at."""
    ticks = itertools.count()
    return lambda: start + timedelta(milliseconds=next(ticks))


def stage_by_stage(
    work: Work, before: Hook = lambda *_: None, after: Hook = lambda *_: None
) -> None:
    """As ``run.run_all``, with a hook around each stage (``expire`` of ``archive`` last)."""
    try:
        for name in run.tables_to_do(work):
            for stage in run.STAGES:
                before(stage, name, work)
                run.do_stage(work, stage, name)
                after(stage, name, work)
        before("expire", "archive", work)
        expire_archive(work)
        after("expire", "archive", work)
    except RetentionError as error:
        run.end(work, str(error), status="failed")
        raise
    before("end", "", work)
    stopped = run.end(work)
    if stopped:
        raise RunFailed(run.failure_text(work, stopped))


@dataclass
class Small:
    """One installation in a folder; with ``server``, everything is in that PostgreSQL database."""

    home: Path
    server: str | None = None
    catalogue: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    _parsed: list[tuple[Policy, Catalogue]] = field(default_factory=list, repr=False)

    @property
    def config(self) -> Path:
        return self.home / "retention.yaml"

    def url(self, system: str) -> str:
        return self.server or f"sqlite:///{self.home / system}.sqlite"

    def write(self) -> Small:
        """Write policy, catalogue, key and settings; make the source tables, empty.

        What was there before is gone, the stores' tables included.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if not self.catalogue:
            self.catalogue = tables.catalogue(self._address("crm"), self._address("web"))
        if self.server:
            (self.home / "ledger.head").unlink(missing_ok=True)
            emptied(self.server, ["public", *tables.SYSTEMS], self._make_anew)
        elif any(self.home.iterdir()):
            self._make_anew()
        else:
            name = yaml.safe_dump([self.catalogue, self.settings])
            copy_of(name, self.home, lambda home: replace(self, home=home)._make_anew())
        self.write_documents()
        return self

    def _make_anew(self) -> None:
        self.write_documents()
        for system in tables.SYSTEMS:
            with self.source(system) as connection:
                if self.server:
                    connection.execute(sa.schema.DropSchema(system, cascade=True, if_exists=True))
                    connection.execute(sa.schema.CreateSchema(system))
                tables.SYSTEMS[system].create_all(connection)
        (self.home / "ledger.head").unlink(missing_ok=True)
        if self.server:
            with self.source("crm") as connection:
                connection.execute(sa.schema.DropSchema("public", cascade=True, if_exists=True))
                connection.execute(sa.schema.CreateSchema("public"))
        with self.opened():  # makes the stores
            pass

    def _address(self, system: str) -> dict[str, Any]:
        if self.server:
            return {"url": self.server, "schema": system}
        return {"url": f"sqlite:///{system}.sqlite"}

    def write_documents(self) -> None:
        """Write the catalogue, settings and key as they stand now."""
        shutil.copy(POLICY, self.home / "policy.yaml")
        (self.home / "master.key").write_text(MASTER_KEY)
        (self.home / "catalogue.yaml").write_text(yaml.safe_dump(self.catalogue, sort_keys=False))
        stores = {
            name: {"url": self.server or f"sqlite:///stores/{name}.sqlite"} for name in STORE_NAMES
        }
        document = {
            "policy": "policy.yaml",
            "catalogue": "catalogue.yaml",
            "stores": stores,
            "master_key": {"file": "master.key"},
            "max_review_share": 0.2,
            "max_clock_jump_days": 10_000,
            "ledger_head": "ledger.head",
            **self.settings,
        }
        self.config.write_text(yaml.safe_dump(document))
        self._parsed.clear()

    def change_settings(self, **settings: Any) -> None:
        self.settings |= settings
        self.write_documents()

    def copied(self, home: Path) -> Small:
        """The same installation, as it stands, in another folder (SQLite only)."""
        assert self.server is None
        shutil.copytree(self.home, home)
        return Small(home, None, self.catalogue, self.settings, self._parsed)

    # --- the sources, as an application would use them ---------------------------------

    @contextmanager
    def source(self, system: str) -> Iterator[sa.Connection]:
        """A transaction of another program on a source."""
        options = {"schema_translate_map": {None: system}} if self.server else {}
        engine = sa.create_engine(self.url(system), execution_options=options)
        if not self.server:
            sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def fill(self, rows: Rows | None = None) -> Small:
        """Insert rows, owners first; the scripted lives by default."""
        given = scripted() if rows is None else rows
        for name, table in tables.all_tables():
            if given.get(name):
                with self.source(name.partition(".")[0]) as connection:
                    connection.execute(table.insert(), given[name])
        return self

    def insert(self, name: str, *rows: dict[str, Any]) -> None:
        self.fill({name: list(rows)})

    def update(self, full_name: str, where: Mapping[str, Any], **values: Any) -> None:
        table = dict(tables.all_tables())[full_name]
        with self.source(full_name.partition(".")[0]) as connection:
            connection.execute(table.update().where(*_match(table, where)).values(**values))

    def delete(self, name: str, **where: Any) -> None:
        table = dict(tables.all_tables())[name]
        with self.source(name.partition(".")[0]) as connection:
            connection.execute(table.delete().where(*_match(table, where)))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Every row of a source table, in the order of its key."""
        table = dict(tables.all_tables())[name]
        with self.source(name.partition(".")[0]) as connection:
            statement = sa.select(table).order_by(*table.primary_key.columns)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def ids(self, name: str) -> set[Any]:
        """The first key column of every row of a source table."""
        first = next(iter(dict(tables.all_tables())[name].primary_key.columns)).name
        return {row[first] for row in self.rows(name)}

    def everything(self) -> Rows:
        """Every row of every source table."""
        return {name: self.rows(name) for name, _ in tables.all_tables()}

    # --- running -----------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[Installation]:
        installation = open_installation(self.config, {})
        try:
            yield installation
        finally:
            installation.close()

    @contextmanager
    def reopened(self) -> Iterator[Installation]:
        """As ``opened``, but quick: documents are not read again and stores not migrated."""
        if not self._parsed:
            with self.opened() as first:
                self._parsed.append((first.policy, first.catalogue))
        policy, catalogue = self._parsed[0]
        settings = read_settings(self.config, {})
        stores = open_stores(settings)
        sources = Sources(catalogue, zone(policy.time_zone), settings.address)
        keyring = Keyring(read_master_key(settings), stores.keys)
        installation = Installation(settings, policy, catalogue, sources, stores, keyring)
        try:
            yield installation
        finally:
            installation.close()

    def begin(
        self,
        installation: Installation,
        as_of: date = AS_OF,
        start: datetime = START,
        run_id: str | None = None,
    ) -> Work:
        return run.begin(
            installation,
            as_of,
            today=as_of,
            clock=clock(start),
            run_id=run_id or run.new_run_id(),
        )

    def run(
        self,
        as_of: date = AS_OF,
        *,
        start: datetime = START,
        before: Hook = lambda *_: None,
        after: Hook = lambda *_: None,
    ) -> str:
        """One whole run; returns its id."""
        with self.reopened() as installation:
            work = self.begin(installation, as_of, start)
            stage_by_stage(work, before, after)
            return work.journal.run_id

    # --- what is there -----------------------------------------------------------------

    def archived(self) -> list[dict[str, Any]]:
        """The archive's final records, unsealed: name of the table and values as they were."""
        with self.reopened() as installation:
            return [item for item in unsealed(installation, crashed=True) if item["settled"]]

    def archived_ids(self, name: str) -> Counter[Any]:
        """How often each row of a table is in the archive, by its first key column."""
        first = next(iter(dict(tables.all_tables())[name].primary_key.columns)).name
        return Counter(item["values"][first] for item in self.archived() if item["table"] == name)

    def state(self) -> dict[str, Any]:
        """All that must not depend on whether a run crashed on the way."""
        with self.reopened() as installation:
            return {"sources": _plain(self.everything()), **state_of_stores(installation)}


def _match(table: sa.Table, where: Mapping[str, Any]) -> Iterator[sa.ColumnElement[bool]]:
    return (table.c[name] == value for name, value in where.items())


def _plain(rows: Rows) -> dict[str, list[str]]:
    return {name: [repr(sorted(row.items())) for row in found] for name, found in rows.items()}


def without(rows: Rows, name: str, keys_gone: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows of a table but those whose first key column is among ``keys_gone``."""
    first = next(iter(dict(tables.all_tables())[name].primary_key.columns)).name
    gone = set(keys_gone)
    return [row for row in rows[name] if row[first] not in gone]
