"""What the tests of the Dagster layer share: a demonstration, its bytes, its rows."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance

from demo.write import write_demo
from pipelines.launch import LaunchResult, run_daily
from tests.databases_support import keep_engines_of_dagster

AS_OF = date(2026, 11, 24)
SYSTEMS = ("crm", "marketing", "web")

keep_engines_of_dagster()


class Demo:
    """A demonstration in a folder of its own."""

    def __init__(self, folder: Path, people: int, as_of: date = AS_OF) -> None:
        self.folder = folder
        self.config = folder / "retention.yaml"
        self.home = folder / "dagster"
        write_demo(folder, people=people, as_of=as_of)

    def run(self, as_of: date = AS_OF, **more: object) -> LaunchResult:
        return run_daily(self.config, dict(os.environ), as_of=as_of, **more)  # type: ignore[arg-type]

    def sql(self, database: str, *statements: str) -> None:
        with closing(sqlite3.connect(self.folder / database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def one(self, database: str, query: str) -> object:
        with closing(sqlite3.connect(self.folder / database)) as connection:
            return connection.execute(query).fetchone()[0]

    def rows(self) -> dict[str, str]:
        """A digest of every table of the sources, the archive and the vault."""
        return rows_of(self.folder)

    def instance(self) -> DagsterInstance:
        return DagsterInstance.from_config(str(self.home))

    def events(self, run_id: str, kind: DagsterEventType) -> list[object]:
        with self.instance() as instance:
            return [
                entry.dagster_event
                for entry in instance.all_logs(run_id, of_type=kind)
                if entry.dagster_event
            ]

    def metadata(self, run_id: str) -> dict[str, dict[str, object]]:
        """Metadata by asset key, as text and numbers."""
        return {
            event.asset_key.to_user_string(): {  # type: ignore[attr-defined]
                name: value.value
                for name, value in event.materialization.metadata.items()  # type: ignore[attr-defined]
            }
            for event in self.events(run_id, DagsterEventType.ASSET_MATERIALIZATION)
        }

    def checks(self, run_id: str) -> dict[tuple[str, str], object]:
        """Check evaluations by asset key and check name."""
        found = {}
        for event in self.events(run_id, DagsterEventType.ASSET_CHECK_EVALUATION):
            evaluation = event.asset_check_evaluation_data  # type: ignore[attr-defined]
            found[evaluation.asset_key.to_user_string(), evaluation.check_name] = evaluation
        return found


def copied(demo: Demo, folder: Path) -> Demo:
    """The same demonstration, as it stands, in another folder."""
    shutil.copytree(demo.folder, folder)
    copy = Demo.__new__(Demo)
    copy.folder, copy.config, copy.home = folder, folder / "retention.yaml", folder / "dagster"
    return copy


def rows_of(folder: Path) -> dict[str, str]:
    """A digest of every table of the sources, the archive and the vault."""
    databases = [f"{name}.sqlite" for name in SYSTEMS if (folder / f"{name}.sqlite").exists()]
    databases += [f"stores/{name}.sqlite" for name in ("archive", "vault")]
    return {
        f"{name}:{table}": digest
        for name in databases
        if (folder / name).exists()
        for table, digest in _digests(folder / name)
    }


def _digests(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in sorted(names):
            rows = sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
            yield name, hashlib.sha256("\n".join(rows).encode()).hexdigest()
