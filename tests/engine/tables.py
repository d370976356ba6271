"""The tables of the engine tests' two systems: a customer register and a web site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

crm = sa.MetaData()
web = sa.MetaData()


def _column(name: str, kind: Any, *more: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, **options)


def _points_at(target: str, kind: Any = sa.Integer) -> list[Any]:
    return [kind, sa.ForeignKey(target)]


customers = sa.Table(
    "customers",
    crm,
    _column("customer_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("name", sa.Text, nullable=False),
    _column("email", sa.Text),
    _column("opted", sa.Text),
    _column("segment", sa.Text),
    _column("collected_on", sa.Date),
)
contracts = sa.Table(
    "contracts",
    crm,
    _column("contract_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("customer_id", *_points_at("customers.customer_id"), nullable=False, index=True),
    _column("started_on", sa.Date),
    _column("ended_on", sa.Date),
)
orders = sa.Table(
    "orders",
    crm,
    _column("order_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("customer_id", *_points_at("customers.customer_id"), nullable=False, index=True),
    _column("ordered_on", sa.Date),
    _column("amount", sa.Integer),
)
notes = sa.Table(
    "notes",
    crm,
    _column("note_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("customer_id", *_points_at("customers.customer_id"), nullable=False, index=True),
    _column("written_on", sa.Date),
    _column("body", sa.Text),
)
replies = sa.Table(
    "replies",
    crm,
    _column("note_id", *_points_at("notes.note_id"), primary_key=True),
    _column("place", sa.Integer, primary_key=True, autoincrement=False),
    # A reference inside the tree: the customer a reply is addressed to.
    _column("to_customer", *_points_at("customers.customer_id"), index=True),
    _column("body", sa.Text),
)
invoices = sa.Table(
    "invoices",
    crm,
    _column("invoice_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("customer_id", *_points_at("customers.customer_id"), index=True),
    _column("issued_on", sa.Date),
    _column("amount", sa.Integer),
    _column("billed_to", sa.Text),
)
lines = sa.Table(
    "lines",
    crm,
    _column("invoice_id", *_points_at("invoices.invoice_id"), primary_key=True),
    _column("place", sa.Integer, primary_key=True, autoincrement=False),
    _column("what", sa.Text),
)

accounts = sa.Table(
    "accounts",
    web,
    _column("account_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("email", sa.Text),
    _column("last_login_on", sa.Date),
)
logins = sa.Table(
    "logins",
    web,
    _column("login_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("account_id", *_points_at("accounts.account_id"), nullable=False, index=True),
    _column("logged_in_on", sa.Date),
)
connections = sa.Table(
    "connections",
    web,
    _column("connection_id", sa.Integer, primary_key=True, autoincrement=False),
    _column("account_id", *_points_at("accounts.account_id"), index=True),
    _column("ip", sa.Text),
    _column("agent", sa.Text, nullable=False),
    _column("connected_on", sa.Date),
)

SYSTEMS = {"crm": crm, "web": web}


def all_tables() -> Iterator[tuple[str, sa.Table]]:
    """Every table with its full name, owners before owned."""
    for system, metadata in SYSTEMS.items():
        for table in metadata.sorted_tables:
            yield f"{system}.{table.name}", table


def _annotated(table: sa.Table, **special: dict[str, Any]) -> dict[str, Any]:
    return {
        str(column.name): {"category": "system.operations", **special.get(column.name, {})}
        for column in table.columns
    }


_NAME = {"category": "user.name", "identifies": True}
_EMAIL = {"category": "user.contact.email", "identifies": True}
_TEXT = {"category": "user.content.private", "identifies": True}
_OWNED = {"table": "customers", "via": "customer_id"}


def catalogue(crm_at: dict[str, Any], web_at: dict[str, Any]) -> dict[str, Any]:
    """The catalogue as a document; ``crm_at`` and ``web_at`` say where the systems are."""
    return {
        "catalogue": "small",
        "links": {
            "account": {
                "near": "crm.customers.email",
                "far": "web.accounts.email",
                "normaliser": "email",
            }
        },
        "systems": {
            "crm": {
                "label": "Customers",
                "time_zone": "Europe/Paris",
                **crm_at,
                "tables": {
                    "customers": {
                        "label": "Customers",
                        "subject": "customer",
                        "key": "customer_id",
                        "purposes": {
                            "contract": "always",
                            "customer_relations": "always",
                            "prospecting": {"column": "opted", "equals": "yes"},
                        },
                        "events": {
                            "collected": {"column": "collected_on"},
                            "contracts": {
                                "table": "contracts",
                                "start": "started_on",
                                "end": "ended_on",
                            },
                            "purchase": {"table": "orders", "column": "ordered_on"},
                            "contact": {"table": "notes", "column": "written_on"},
                            "login": [
                                {"link": "account", "column": "last_login_on"},
                                {"link": "account", "table": "logins", "column": "logged_in_on"},
                            ],
                        },
                        "columns": _annotated(
                            customers,
                            name=_NAME,
                            email=_EMAIL,
                            segment={
                                "category": "user.demographic.profile",
                                "purposes": ["prospecting"],
                            },
                        ),
                        "accumulators": {
                            "customers_by_year": {"by": [{"column": "collected_on", "by": "year"}]}
                        },
                    },
                    "contracts": {
                        "label": "Contracts",
                        "key": "contract_id",
                        "owner": _OWNED,
                        "columns": _annotated(contracts),
                    },
                    "orders": {
                        "label": "Orders",
                        "key": "order_id",
                        "owner": _OWNED,
                        "columns": _annotated(orders),
                        "accumulators": {
                            "turnover": {
                                "by": [{"column": "ordered_on", "by": "year"}],
                                "sums": ["amount"],
                            }
                        },
                    },
                    "notes": {
                        "label": "Notes",
                        "key": "note_id",
                        "owner": _OWNED,
                        "columns": _annotated(notes, body=_TEXT),
                    },
                    "replies": {
                        "label": "Replies to notes",
                        "key": ["note_id", "place"],
                        "owner": {"table": "notes", "via": "note_id"},
                        "references": [{"table": "customers", "via": "to_customer"}],
                        "columns": _annotated(replies, body=_TEXT),
                    },
                    "invoices": {
                        "label": "Invoices",
                        "key": "invoice_id",
                        "owner": {**_OWNED, "carry": ["name", "email"]},
                        "purposes": {"contract": "always", "accounting": "always"},
                        "events": {"issued": {"column": "issued_on"}},
                        "columns": _annotated(invoices, billed_to=_NAME),
                        "accumulators": {
                            "invoiced": {
                                "by": [{"column": "issued_on", "by": "year"}],
                                "sums": ["amount"],
                            }
                        },
                    },
                    "lines": {
                        "label": "Invoice lines",
                        "key": ["invoice_id", "place"],
                        "owner": {"table": "invoices", "via": "invoice_id"},
                        "columns": _annotated(lines),
                    },
                },
            },
            "web": {
                "label": "Web site",
                "time_zone": "UTC",
                **web_at,
                "tables": {
                    "accounts": {
                        "label": "Accounts",
                        "subject": "customer",
                        "key": "account_id",
                        "purposes": {"contract": "always"},
                        "events": {
                            "login": [
                                {"column": "last_login_on"},
                                {"table": "logins", "column": "logged_in_on"},
                            ]
                        },
                        "columns": _annotated(accounts, email=_EMAIL),
                    },
                    "logins": {
                        "label": "Logins",
                        "key": "login_id",
                        "owner": {"table": "accounts", "via": "account_id"},
                        "columns": _annotated(logins),
                    },
                    "connections": {
                        "label": "Connections",
                        "key": "connection_id",
                        "references": [{"table": "accounts", "via": "account_id"}],
                        "purposes": {"connection_security": "always"},
                        "events": {"connected": {"column": "connected_on"}},
                        "columns": _annotated(
                            connections,
                            account_id={"category": "user.unique_id", "pseudonymise": "clear"},
                            ip={
                                "category": "user.device.ip_address",
                                "identifies": True,
                                "pseudonymise": "token",
                            },
                            agent={
                                "category": "user.device",
                                "identifies": True,
                                "pseudonymise": "clear",
                                "cleared_as": "",
                            },
                        ),
                        "accumulators": {
                            "traffic": {
                                "by": [{"column": "connected_on", "by": "month"}],
                                "subject": ["account_id", "ip"],
                            }
                        },
                    },
                },
            },
        },
    }


def narrowed(catalogue: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    """A catalogue that governs the tables of ``keep`` only, the others being out of scope."""
    catalogue.pop("links")
    for system, declared in catalogue["systems"].items():
        declared["out_of_scope"] = {}
        for name in list(declared["tables"]):
            table = declared["tables"][name]
            if f"{system}.{name}" not in keep:
                del declared["tables"][name]
                declared["out_of_scope"][name] = "not wanted here"
                continue
            kept = {
                kind: source
                for kind, source in table.get("events", {}).items()
                if isinstance(source, dict) and f"{system}.{source.get('table', name)}" in keep
            }
            table["events"] = kept
            table["references"] = [
                item for item in table.get("references", ()) if f"{system}.{item['table']}" in keep
            ]
    return catalogue
