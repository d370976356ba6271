"""A person's copy of their data: made, sealed under a key of its own, opened, and expiring.

Destroying the key (``Keyring.destroy_units``) destroys the package, in backups of the cases
store too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from retention.errors import StoreError
from retention.installation import Installation
from retention.keys import seal_with, unseal_with
from retention.requests.answering import wording
from retention.requests.copies.access import Gathered
from retention.requests.copies.files import About, data_json, file_names, table_csv, zipped
from retention.requests.copies.page import page
from retention.requests.copies.words import README, README_COLUMNS, README_PAGE
from retention.requests.model import Kind, Request, RequestError, RequestId
from retention.stores import cases
from retention.stores.open import reading, writing
from retention.stores.sql import batches, upsert


@dataclass(frozen=True)
class Package:
    """A package as it is listed; ``open`` until its content is destroyed."""

    package_id: str
    request_id: RequestId
    unit_id: str
    made_on: date
    expires_on: date
    """The last day on which it can be opened."""
    open: bool


def files(installation: Installation, request: Request, gathered: Gathered) -> dict[str, bytes]:
    """The files of the package, by name. For portability: what is portable, without a page."""
    portability = request.kind is Kind.portability
    kept = gathered.portable() if portability else gathered
    about = About(request, installation.catalogue, installation.policy, kept)
    names = file_names(kept.tables)
    found = {names[table.name]: table_csv(table, values_only=portability) for table in kept.tables}
    found |= {"data.json": data_json(about), "README.txt": _readme(about)}
    if not portability:
        found["index.html"] = page(about)
    return found


def _readme(about: About) -> bytes:
    parts: Mapping[str, str] = {
        "page_fr": "" if about.portability else README_PAGE["fr"],
        "page_en": "" if about.portability else README_PAGE["en"],
        "columns_fr": "" if about.portability else README_COLUMNS["fr"],
        "columns_en": "" if about.portability else README_COLUMNS["en"],
        "day_fr": wording.written(about.made_on, "fr"),
        "day_en": wording.written(about.made_on, "en"),
        "controller": about.policy.controller,
        "reference": about.request.request_id,
    }
    return README.format(**parts).encode()


def make(
    installation: Installation,
    request: Request,
    gathered: Gathered,
    *,
    as_of: date,
    now: datetime,  # noqa: ARG001 - given to everything that writes; a package has days only
) -> str:
    """Make the package of ``request`` and put it, sealed, into the cases store; returns its id.

    Made again on the same day for the same attempt (a run that crashed), it replaces itself.

    Raises:
        StoreError: a store cannot be written.
    """
    keyring = installation.keyring
    package_id = keyring.token("package", request.request_id, request.attempt, as_of)[:32]
    unit_id = keyring.token("package-unit", package_id)
    # The key first: without it nothing could be sealed, and alone it says nothing.
    key = keyring.ensure_units([unit_id])[unit_id]
    content = zipped(files(installation, request, gathered))
    row = {
        "package_id": package_id,
        "request_id": request.request_id,
        "unit_id": unit_id,
        "sealed": seal_with(key, _context(package_id), content),
        "made_on": as_of,
        "expires_on": installation.policy.requests.packages.lasts.after(as_of),
    }
    with writing(installation.stores.cases) as connection:
        upsert(connection, cases.packages, [row], ["package_id"], ["sealed", "expires_on"])
    return package_id


def open_package(installation: Installation, package_id: str) -> bytes:
    """The package's ZIP, for the person it is about and nobody else.

    Raises:
        RequestError: there is no such package, or it has expired.
        StoreError: it cannot be read or unsealed.
    """
    statement = sa.select(cases.packages).where(cases.packages.c.package_id == package_id)
    with reading(installation.stores.cases) as connection:
        row = connection.execute(statement).one_or_none()
    if row is None:
        raise RequestError(f"there is no package '{package_id}'; see 'retention request show'")
    key = installation.keyring.open_units([row.unit_id]).get(row.unit_id)
    if row.sealed is None or key is None:
        raise RequestError(f"package {package_id} has expired; the request has to be made again")
    try:
        return unseal_with(key, _context(package_id), row.sealed)
    except StoreError:
        raise StoreError(f"package {package_id} cannot be unsealed: it was changed") from None


def packages_of(installation: Installation, request_id: RequestId) -> list[Package]:
    """The packages made for a request, oldest first."""
    table = cases.packages
    statement = (
        sa.select(table, table.c.sealed.is_not(None).label("there"))
        .where(table.c.request_id == request_id)
        .order_by(table.c.made_on, table.c.package_id)
    )
    columns = [column for column in statement.selected_columns if column.name != "sealed"]
    with reading(installation.stores.cases) as connection:
        rows = connection.execute(statement.with_only_columns(*columns)).all()
    destroyed = installation.keyring.destroyed([row.unit_id for row in rows])
    return [
        Package(
            row.package_id,
            RequestId(row.request_id),
            row.unit_id,
            row.made_on,
            row.expires_on,
            bool(row.there) and row.unit_id not in destroyed,
        )
        for row in rows
    ]


def destroy_of(installation: Installation, tokens: Collection[str], now: datetime) -> int:
    """Destroy the packages of the subjects ``tokens``, whichever request they were made for.

    Their keys go first. Returns how many could still be opened.

    Raises:
        StoreError: a store cannot be used.
    """
    who, made = cases.request_subjects.c, cases.packages.c
    found: dict[str, str] = {}
    for batch in batches(sorted(tokens)):
        theirs = sa.select(who.request_id).where(who.subject_token.in_(batch), who.chosen.is_(True))
        statement = sa.select(made.package_id, made.unit_id).where(
            made.request_id.in_(theirs), made.sealed.is_not(None)
        )
        with reading(installation.stores.cases) as connection:
            found |= {row.package_id: row.unit_id for row in connection.execute(statement)}
    if not found:
        return 0
    installation.keyring.destroy_units(sorted(set(found.values())), now)
    for batch in batches(sorted(found)):
        gone = cases.packages.update().where(made.package_id.in_(batch)).values(sealed=None)
        with writing(installation.stores.cases) as connection:
            connection.execute(gone)
    return len(found)


def _context(package_id: str) -> str:
    return f"package:{package_id}"
