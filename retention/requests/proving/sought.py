"""What a person can be recognised by, gathered before anything of them is touched.

The answer is plain data for ``encoding.encode``, to be kept sealed:

- ``values``: ``(field, value, place)`` for each value, as it stands; ``place`` is the column;
- ``names``: ``(family name, first name, place)``, which count together only;
- ``keys``: ``(table, key)`` of the person's own records, the parts of a key as text;
- ``records``: ``(table, opaque token)`` of every record of theirs;
- ``former``: ``(opaque token, incarnation)`` of archived records that somebody else left under a
  key of theirs (``proof.remember`` adds them);
- ``own``: the places whose values are the person's own, not somebody's who dealt with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from retention.catalogue.declarations import Column, Reference
from retention.catalogue.model import Role, Table, TableName
from retention.catalogue.sources import source_errors
from retention.catalogue.taxonomy import falls_under
from retention.holds import Person
from retention.installation import Installation
from retention.planning.facts import Key, key_in
from retention.planning.memory import record_token
from retention.requests.doing import persons as person_module
from retention.requests.model import Asked
from retention.stores import archive
from retention.stores.open import reading
from retention.stores.sql import BATCH, batches

Row = Mapping[str, Any]

_ACCOUNT_DIGITS = 6
"""A bank account that is written in another way than as an IBAN has as many digits."""

_OPAQUE = 16
"""A key of at least as many characters, not all digits, is found in any text."""

_FIELDS = (
    ("user.contact.email", "email"),
    ("user.contact.phone_number", "phone"),
    ("user.contact.fax_number", "phone"),
    ("user.financial.bank_account", "iban"),
    ("user.name.last", "family_name"),
    ("user.name.first", "first_name"),
    ("user.name", "full_name"),
    ("user.account.username", "username"),
)
_ADDRESSES = (
    "user.contact.address",
    "user.contact.address.street",
    "user.contact.address.mailing_address",
)
_NUMBERS = (
    "user.unique_id",
    "user.government_id",
    "user.financial",
    "user.device.cookie_id",
    "user.device.device_id",
)


def field_of(column: Column) -> str | None:
    """What a column can recognise a person by, by its category."""
    for category, field in _FIELDS:
        if falls_under(column.category, category):
            return field
    if column.category in _ADDRESSES:
        return "address"
    if column.identifies and any(falls_under(column.category, name) for name in _NUMBERS):
        return "identifier"
    return None


def gather_sought(
    installation: Installation,
    persons: Sequence[Person],
    tokens: Sequence[str],
    asked: Asked | None = None,
) -> dict[str, Any]:
    """Every identifying value of a person, before anything is touched. To be kept sealed.

    ``persons`` are their records in the sources, ``tokens`` those in the archive; ``asked``
    is what the request itself says of them.

    Raises:
        SourceError: a system cannot be reached. StoreError: the archive cannot be unsealed.
    """
    found = _Gathered()
    persons = [(name, key) for name, key in persons if key]  # of archived ones no key is known
    for name, key in persons:
        found.keys.add((str(name), tuple(str(part) for part in key)))
    for name, row in _own_rows(installation, persons):
        table = installation.catalogue.table(name)
        found.records.add((str(name), _token(installation, name, table, row)))
        found.add(name, table, row, own=table.role is Role.subject)
    _add_archived(installation, tokens, found)
    if asked is not None:
        _add_asked(asked, found)
    return found.blob()


def contacts(sought: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The e-mails and phones in the person's own records, for the opposition list.

    What stands in a row that they own can be somebody else's: who answered them, for one.
    """
    own = set(sought.get("own", ()))
    return [
        (field, value)
        for field, value, place in sought.get("values", ())
        if field in ("email", "phone") and place.rpartition(".")[0] in own
    ]


class _Gathered:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], None] = {}
        self.names: dict[tuple[str, str, str], None] = {}
        self.keys: set[tuple[str, tuple[str, ...]]] = set()
        self.records: set[tuple[str, str]] = set()
        self.own: set[str] = set()

    def add(self, name: str, table: Table, row: Row, *, own: bool) -> None:
        """The values of a row; ``own``: it is the person's own record, so the names are theirs."""
        if own:
            self.own.add(name)
        by_field: dict[str, list[tuple[str, str]]] = {}
        for column, value in row.items():
            declared = table.columns.get(column)
            field = declared and field_of(declared)
            text = "" if value is None or isinstance(value, bytes) else str(value).strip()
            if field and text:
                by_field.setdefault(field, []).append((text, f"{name}.{column}"))
        for field, items in by_field.items():
            for text, place in items:
                self._add_value(field, text, place, own=own)
        for family, place in by_field.get("family_name", ()) if own else ():
            for first, _ in by_field.get("first_name", ()):
                self.names[family, first, place.rpartition(".")[0]] = None

    def add_key(self, name: str, table: Table, row: Row) -> None:
        """The key of a person's own record, where all of it is known."""
        parts = [row.get(column) for column in table.key]
        if table.role is Role.subject and None not in parts:
            self.keys.add((name, tuple(str(part) for part in parts)))

    def _add_value(self, field: str, text: str, place: str, *, own: bool) -> None:
        if field in ("family_name", "first_name"):
            return
        digits = sum(character.isdigit() for character in text)
        if field == "iban" and not _is_iban(text):
            if digits < _ACCOUNT_DIGITS:
                return  # a BIC names a bank
            field = "identifier"
        if field == "username" and not digits:
            field = "full_name"  # of one word it names nobody
        if field == "identifier" and not digits:
            return
        if field == "full_name" and not own:
            return  # the author of a message, the holder of an account can be anybody
        self.values[field, text, place] = None

    def blob(self) -> dict[str, Any]:
        values = [*self.values]
        values += [
            ("identifier", part, name)
            for name, key in sorted(self.keys)
            for part in key
            if len(part) >= _OPAQUE and not part.isdigit()
        ]
        return {
            "values": [list(item) for item in values],
            "names": [list(item) for item in self.names],
            "keys": [[name, list(key)] for name, key in sorted(self.keys)],
            "records": [list(item) for item in sorted(self.records)],
            "own": sorted(self.own),
        }


def _is_iban(text: str) -> bool:
    plain = "".join(text.split()).upper()
    return 15 <= len(plain) <= 34 and plain[:2].isalpha() and plain[2:4].isdigit()


def _add_asked(asked: Asked, found: _Gathered) -> None:
    said = asked.said()
    for field in ("email", "phone", "address"):
        if field in said:
            found.values[field, said[field], "request"] = None
    if "family_name" in said and "first_name" in said:
        found.names[said["family_name"], said["first_name"], "request"] = None


def _token(installation: Installation, name: TableName, table: Table, row: Row) -> str:
    key = tuple(row[column] for column in table.key)
    return record_token(installation.keyring, name, key)


def _own_rows(
    installation: Installation, persons: Sequence[Person]
) -> Iterator[tuple[TableName, Row]]:
    """The persons' rows, and those that point at them, owners first."""
    todo: list[tuple[TableName, list[Key]]] = [(name, [key]) for name, key in persons]
    seen: set[tuple[TableName, Key]] = set()
    while todo:
        name, keys = todo.pop(0)
        table = installation.catalogue.table(name)
        rows = [
            row
            for row in _select(installation, name, table.key, keys)
            if (name, _key(table, row)) not in seen
        ]
        seen |= {(name, _key(table, row)) for row in rows}
        yield from ((name, row) for row in rows)
        kept = list(dict.fromkeys((*keys, *(_key(table, row) for row in rows))))
        for other, pointer in _pointing_at(installation, name):
            declared = installation.catalogue.table(other)
            found = _select(installation, other, pointer.via, kept)
            if further := [_key(declared, row) for row in found]:
                todo.append((other, further))


def _pointing_at(
    installation: Installation, name: TableName
) -> Iterator[tuple[TableName, Reference]]:
    """Tables that this one owns, and event tables whose rows refer to it."""
    system, _, short = name.partition(".")
    for other, table in installation.catalogue.tables():
        if other.partition(".")[0] != system:
            continue
        if table.owner is not None:
            pointers: Iterable[Reference] = (table.owner,)
        else:
            pointers = table.references if table.role is Role.event else ()
        yield from ((other, pointer) for pointer in pointers if pointer.table == short)


def _key(table: Table, row: Row) -> Key:
    return tuple(row[column] for column in table.key)


def _select(
    installation: Installation, name: TableName, columns: Sequence[str], keys: Sequence[Key]
) -> list[Row]:
    system = name.partition(".")[0]
    sql = installation.sources.table(name)
    at = [sql.c[column] for column in columns]
    engine = installation.sources.engine(system)
    with source_errors(system), engine.connect() as connection:
        return [
            dict(row)
            for batch in batches(keys, BATCH)
            for row in connection.execute(
                sa.select(*sql.columns).where(key_in(at, batch))
            ).mappings()
        ]


def _add_archived(installation: Installation, tokens: Sequence[str], found: _Gathered) -> None:
    if not tokens:
        return
    catalogue = installation.catalogue
    known = {name for name, _ in catalogue.tables()}
    for item in person_module.archived_of(installation, tokens):
        if item.table not in known:  # of a system that is gone nobody can say what a column means
            continue
        table = catalogue.table(item.table)
        plain = {name: value for name, value in item.values.items() if name in table.columns}
        found.add(f"archive:{item.table}", table, plain, own=table.role is Role.subject)
        found.add_key(item.table, table, plain)
        owner = catalogue.owner_of(item.table)
        if owner is not None:
            prefix = "owner."
            carried = {
                name.removeprefix(prefix): value
                for name, value in item.values.items()
                if name.startswith(prefix)
            }
            found.add(f"archive:{owner}", catalogue.table(owner), carried, own=True)
            found.add_key(owner, catalogue.table(owner), carried)
    at = archive.records.c
    with reading(installation.stores.archive) as connection:
        for batch in batches(tokens):
            statement = sa.select(at.table_name, at.record_token).where(at.subject_token.in_(batch))
            found.records |= {(row[0], row[1]) for row in connection.execute(statement)}
