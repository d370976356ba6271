"""Writing a demonstration: three source systems, their catalogue, the settings, the truth.

Everything but the master key follows from ``people``, ``as_of`` and ``seed``.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from demo.lives import Life, as_script
from demo.people import Population
from demo.requests import INBOX, documents, write_requests
from demo.rows import Row, campaign_rows, rows_of, stored
from demo.script import write_lives
from demo.tables import SYSTEMS
from demo.truth import write_truth
from retention.errors import ConfigurationError, SourceError

HERE = Path(__file__).parent
POLICY = HERE.parent / "policies" / "callimedia.yaml"
STATISTICS = HERE / "statistics.yaml"
MARKER = "lives.jsonl"
"""The file by which a folder is known to hold a demonstration."""

STORES = ("control", "cases", "archive", "vault", "keys")

SETTINGS = """\
# A demonstration. In production each store has a server and a credential of its own.
policy: callimedia.yaml
catalogue: catalogue.yaml
stores:
{stores}
master_key:
  file: master.key
ledger_head: ledger.head
dagster_home: dagster
statistics:
  declaration: statistics.yaml
  folder: statistics
  quarantine: quarantine
  epsilon_per_year: 8
"""

REQUESTS = """\
requests:
  # The customer area writes request files, and asks for a login before it does.
  inbox_may_verify: true
"""


@dataclass(frozen=True)
class DemoSummary:
    """What was written. ``rows`` counts by table, ``archetypes`` by kind of life.

    ``requests`` is how many files wait in the inbox.
    """

    directory: Path
    people: int
    as_of: date
    seed: int
    rows: Mapping[str, int]
    archetypes: Mapping[str, int]
    truth_records: int
    requests: int = 0


def write_demo(
    directory: Path,
    *,
    people: int = 10_000,
    as_of: date,
    seed: int = 1,
    urls: Mapping[str, str] | None = None,
    overwrite: bool = False,
    requests: bool = False,
) -> DemoSummary:
    """Write a demonstration of ``people`` lives as they stand on ``as_of`` into ``directory``.

    With ``requests`` some of them have asked for something: their request files lie in the inbox,
    and the settings let these files say that the person's identity is verified.

    ``urls`` maps ``crm``, ``marketing`` or ``web`` to the SQLAlchemy URL of an empty database
    to fill instead of an SQLite file. A URL with a password is not written down: the
    catalogue then names the environment variable only.

    Raises:
        ConfigurationError: ``directory`` holds a demonstration and ``overwrite`` is false, or
            holds an installation that is none, or ``urls`` names an unknown system.
        SourceError: a database of ``urls`` cannot be reached or is not empty.
    """
    unknown = sorted(set(urls or {}) - set(SYSTEMS))
    if unknown:
        raise ConfigurationError(f"there is no system '{unknown[0]}'; give {', '.join(SYSTEMS)}")
    _make_room(directory, overwrite=overwrite)
    given = {name: _with_driver(url) for name, url in (urls or {}).items()}
    local = {name: f"sqlite:///{directory / name}.sqlite" for name in SYSTEMS if name not in given}
    engines = {
        name: sa.create_engine((given | local)[name], hide_parameters=True) for name in SYSTEMS
    }
    try:
        for name in given:
            _empty(name, engines[name], overwrite=overwrite)
        textual = frozenset(n for n, engine in engines.items() if engine.dialect.name == "sqlite")
        lives = list(write_lives(people, as_of, seed, textual))
        _write_lives(directory / MARKER, lives)  # first: an interrupted demo is still known as one
        rows = _rows(lives, as_of, seed)
        for name, engine in engines.items():
            _fill(name, engine, rows)
    finally:
        for engine in engines.values():
            engine.dispose()
    _write_settings(directory, given, REQUESTS if requests else "")
    asked = documents(lives, Population(seed), as_of, seed) if requests else iter(())
    return DemoSummary(
        directory=directory,
        people=people,
        as_of=as_of,
        seed=seed,
        rows={name: len(rows[name]) for name in sorted(rows)},
        archetypes=dict(sorted(Counter(life.archetype for life in lives).items())),
        truth_records=write_truth(directory, as_of),
        requests=write_requests(directory / INBOX, asked) if requests else 0,
    )


def _with_driver(url: str) -> sa.URL:
    parsed = sa.make_url(url)
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _make_room(directory: Path, *, overwrite: bool) -> None:
    """An empty place for a demonstration; an older one goes only where that was asked for."""
    if (directory / "retention.yaml").exists() and not (directory / MARKER).exists():
        raise ConfigurationError(f"{directory}: holds an installation that is no demonstration")
    if (directory / MARKER).exists():
        if not overwrite:
            raise ConfigurationError(f"{directory}: holds a demonstration; ask to overwrite it")
        databases = [f"{name}.sqlite" for name in SYSTEMS]
        databases += [f"stores/{name}.sqlite" for name in STORES]
        for name in databases:
            for suffix in ("", "-wal", "-shm", "-journal"):
                (directory / f"{name}{suffix}").unlink(missing_ok=True)
        for name in (MARKER, "truth.jsonl", "master.key", "ledger.head"):
            (directory / name).unlink(missing_ok=True)
        for name in ("statistics", "quarantine", INBOX):
            shutil.rmtree(directory / name, ignore_errors=True)
    for name in (*(f"{name}.sqlite" for name in SYSTEMS), "master.key"):
        if (directory / name).exists():
            raise ConfigurationError(f"{directory / name}: is in the way; move it first")
    (directory / "stores").mkdir(parents=True, exist_ok=True)


def _empty(name: str, engine: sa.Engine, *, overwrite: bool) -> None:
    """Make sure that the database is empty; drop an older demonstration where that was asked for.

    Whatever else is found stays: a ``customers`` table may be somebody's own.
    """
    known = {t.name: t for metadata in SYSTEMS.values() for t in metadata.tables.values()}
    try:
        inspector = sa.inspect(engine)
        present = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
    except sa.exc.SQLAlchemyError:
        raise SourceError(f"{name}: the database cannot be reached") from None
    for table, columns in present.items():
        if table not in known or columns != set(known[table].columns.keys()):
            raise SourceError(
                f"{name}: the database holds '{table}', which is not of a demo's making"
            )
    if set(present) & set(SYSTEMS[name].tables) and not overwrite:
        raise SourceError(f"{name}: the database holds a demonstration; ask to overwrite it")
    SYSTEMS[name].drop_all(engine)


def _rows(lives: Iterable[Life], as_of: date, seed: int) -> dict[str, list[Row]]:
    population = Population(seed)
    rows: dict[str, list[Row]] = defaultdict(list)
    for system, metadata in SYSTEMS.items():
        for table in metadata.tables:
            rows[f"{system}.{table}"] = []
    for name, row in campaign_rows(as_of):
        rows[name].append(row)
    for life in lives:
        for name, row in rows_of(life, population, seed):
            rows[name].append(row)
    return rows


def _fill(system: str, engine: sa.Engine, rows: Mapping[str, list[Row]]) -> None:
    """Create the system's tables and fill them in one transaction."""
    as_text = engine.dialect.name == "sqlite"
    metadata = SYSTEMS[system]
    with engine.begin() as connection:
        metadata.create_all(connection)
        for table in metadata.sorted_tables:
            forms = {c.name: c.info["form"] for c in table.columns if "form" in c.info}
            bound = [_bound(row, forms, as_text=as_text) for row in rows[f"{system}.{table.name}"]]
            if bound:
                connection.execute(table.insert(), bound)


def _bound(row: Row, forms: Mapping[str, str], *, as_text: bool) -> dict[str, Any]:
    return {
        name: stored(value, forms[name], as_text=as_text) if name in forms else value
        for name, value in row.items()
    }


def _write_lives(path: Path, lives: Iterable[Life]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for life in lives:
            out.write(json.dumps(as_script(life), separators=(",", ":")) + "\n")


def _write_settings(directory: Path, urls: Mapping[str, sa.URL], more: str = "") -> None:
    """The catalogue, the policy, the statistics, ``retention.yaml`` and a fresh master key."""
    catalogue = (HERE / "catalogue.yaml").read_text(encoding="utf-8")
    for name, url in urls.items():
        line = f"    url: sqlite:///{name}.sqlite\n"
        assert line in catalogue, f"demo/catalogue.yaml lacks the url of {name}"
        given = "" if url.password else f"    url: {json.dumps(url.render_as_string())}\n"
        catalogue = catalogue.replace(line, given)
    (directory / "catalogue.yaml").write_text(catalogue, encoding="utf-8")
    for source in (POLICY, STATISTICS):
        text = source.read_text(encoding="utf-8")
        (directory / source.name).write_text(text, encoding="utf-8")
    stores = "\n".join(f"  {name}: {{url: sqlite:///stores/{name}.sqlite}}" for name in STORES)
    settings = SETTINGS.format(stores=stores) + more
    (directory / "retention.yaml").write_text(settings, encoding="utf-8")
    key = directory / "master.key"
    handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
