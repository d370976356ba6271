"""A small installation whose catalogue says what requests need: origins, recipients, what is supplied."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from retention.requests.model import Kind, Request, RequestId, State
from tests.engine import tables
from tests.engine.small import Small

REQUEST_ID = RequestId("0123456789abcdef0123456789abcdef")

SUPPLIED = {
    "crm.customers": ("name", "email", "segment"),
    "crm.notes": ("body",),
    "crm.invoices": ("billed_to",),
    "web.accounts": ("email",),
    "web.connections": ("agent",),
}

LABELS_FR = {
    "crm.customers": "Clients",
    "crm.contracts": "Contrats",
    "crm.orders": "Commandes",
    "crm.notes": "Notes",
    "crm.replies": "Réponses",
    "crm.invoices": "Factures",
    "web.accounts": "Comptes",
    "web.connections": "Connexions",
}


def catalogue(server: str | None = None) -> dict[str, Any]:
    """The engine tests' catalogue with the annotations of requests."""
    crm, web = (
        {"url": server, "schema": system} if server else {"url": f"sqlite:///{system}.sqlite"}
        for system in ("crm", "web")
    )
    found = tables.catalogue(crm, web)
    for name, columns in SUPPLIED.items():
        for column in columns:
            table_of(found, name)["columns"][column]["supplied"] = True
    for name, label in LABELS_FR.items():
        table_of(found, name)["label_fr"] = label
    customers = table_of(found, "crm.customers")
    customers["origin"] = "you <yourself>"
    customers["origin_fr"] = "vous-même"
    table_of(found, "web.accounts")["columns"]["last_login_on"]["category"] = (
        "user.authorization.credentials"
    )
    found["recipients"] = {
        "printer": {
            "label": "A printer & sons",
            "label_fr": "Un imprimeur & fils",
            "contact": "privacy@printer.example",
            "tables": ["crm.customers", "crm.invoices"],
        },
        "host": {
            "label": "A host",
            "label_fr": "Un hébergeur",
            "contact": "privacy@host.example",
            "tables": "web.accounts",
        },
    }
    return found


def table_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    system, _, table = name.partition(".")
    found: dict[str, Any] = document["systems"][system]["tables"][table]
    return found


def small(home: Path, server: str | None = None) -> Small:
    return Small(home, server, catalogue(server)).write()


def request_of(kind: Kind, state: State = State.executing, **more: Any) -> Request:
    return Request(
        request_id=more.pop("request_id", REQUEST_ID),
        kind=kind,
        state=state,
        received_on=date(2026, 11, 1),
        due_on=date(2026, 12, 1),
        channel="inbox",
        attempt=more.pop("attempt", 0),
        **more,
    )
