"""The tables of the demonstration's three source systems.

Dates are text on SQLite, as applications write them there, and real types elsewhere. Each
date column says in ``info["form"]`` how its moments are written: ``date``, ``local`` (naive,
Paris), ``utc_naive``, or ``utc`` (an instant with its offset).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

MONEY = sa.Numeric(10, 2, asdecimal=False).with_variant(sa.REAL(), "sqlite")

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "date": sa.Date(),
    "local": sa.DateTime(),
    "utc_naive": sa.DateTime(),
    "utc": sa.DateTime(timezone=True),
}


def _when(name: str, form: str) -> sa.Column[Any]:
    kind = _TYPES[form].with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, info={"form": form})


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _belongs_to(name: str, target: str, *, optional: bool = False) -> sa.Column[Any]:
    """A foreign key, indexed: without the index a deletion scans the whole table."""
    return sa.Column(name, sa.ForeignKey(target), nullable=optional, index=True)


def _text(name: str, length: int, *, required: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=not required)


def _crm() -> sa.MetaData:
    crm = sa.MetaData()
    sa.Table(
        "customers",
        crm,
        _key("customer_id"),
        _text("civility", 10),
        _text("last_name", 80, required=True),
        _text("first_name", 80),
        _text("email", 120),
        _text("phone", 30),
        _text("street", 160),
        _text("postcode", 10),
        _text("city", 80),
        _when("birth_date", "date"),
        _text("job_title", 120),
        _text("company", 120),
        _text("segment", 40),
        sa.Column("prospecting_opt_in", sa.Integer, nullable=False),
        _when("collected_at", "local"),
        _when("consent_at", "local"),
        _when("withdrawn_at", "local"),
        _when("created_at", "local"),
        sa.Column("comment", sa.Text),
    )
    owner = "customers.customer_id"
    sa.Table(
        "contracts",
        crm,
        _key("contract_id"),
        _belongs_to("customer_id", owner),
        _text("offer", 80),
        _when("started_on", "date"),
        _when("ended_on", "date"),
        _when("last_service_on", "date"),
    )
    sa.Table(
        "orders",
        crm,
        _key("order_id"),
        _belongs_to("customer_id", owner),
        _when("ordered_at", "local"),
        sa.Column("amount", MONEY),
        _text("status", 20),
    )
    sa.Table(
        "invoices",
        crm,
        _key("invoice_id"),
        _belongs_to("customer_id", owner),
        _text("number", 30, required=True),
        _when("issued_on", "date"),
        sa.Column("amount", MONEY),
        sa.Column("vat", MONEY),
        _text("billing_name", 160),
        _text("billing_address", 300),
    )
    sa.Table(
        "invoice_lines",
        crm,
        _key("line_id"),
        _belongs_to("invoice_id", "invoices.invoice_id"),
        _text("description", 160),
        sa.Column("quantity", sa.Integer),
        sa.Column("unit_price", MONEY),
    )
    sa.Table(
        "contacts",
        crm,
        _key("contact_id"),
        _belongs_to("customer_id", owner),
        _when("contacted_at", "local"),
        _text("channel", 20),
        sa.Column("summary", sa.Text),
    )
    sa.Table(
        "tickets",
        crm,
        _key("ticket_id"),
        _belongs_to("customer_id", owner),
        _when("opened_at", "local"),
        _text("subject", 200),
        sa.Column("body", sa.Text),
    )
    sa.Table(
        "ticket_messages",
        crm,
        _key("message_id"),
        _belongs_to("ticket_id", "tickets.ticket_id"),
        _when("sent_at", "local"),
        _text("author", 120),
        sa.Column("body", sa.Text),
    )
    sa.Table(
        "bank_details",
        crm,
        _key("bank_id"),
        _belongs_to("customer_id", owner),
        _text("iban", 34),
        _text("bic", 11),
        _text("holder", 160),
    )
    return crm


def _marketing() -> sa.MetaData:
    marketing = sa.MetaData()
    sa.Table(
        "campaigns",
        marketing,
        _key("campaign_id"),
        _text("name", 120, required=True),
        _text("channel", 20),
        _when("started_on", "date"),
    )
    sa.Table(
        "prospects",
        marketing,
        _key("prospect_id"),
        _text("last_name", 80),
        _text("first_name", 80),
        _text("email", 120),
        _text("phone", 30),
        _text("company", 120),
        _text("source", 60),
        _when("collected_at", "local"),
        _when("enquiry_at", "local"),
        _when("consent_at", "local"),
        _when("withdrawn_at", "local"),
    )
    owner, campaign = "prospects.prospect_id", "campaigns.campaign_id"
    sa.Table(
        "active_responses",
        marketing,
        _key("response_id"),
        _belongs_to("prospect_id", owner),
        _belongs_to("campaign_id", campaign, optional=True),
        _text("kind", 30),
        _when("responded_at", "local"),
    )
    sa.Table(
        "email_opens",
        marketing,
        _key("open_id"),
        _belongs_to("prospect_id", owner),
        _belongs_to("campaign_id", campaign, optional=True),
        _when("opened_at", "local"),
    )
    sa.Table(
        "opt_ins",
        marketing,
        _key("opt_in_id"),
        _belongs_to("prospect_id", owner),
        _when("opted_at", "local"),
        _text("form", 60),
    )
    return marketing


def _web() -> sa.MetaData:
    web = sa.MetaData()
    sa.Table(
        "accounts",
        web,
        sa.Column("account_id", sa.String(36), primary_key=True),
        _text("email", 120, required=True),
        _text("display_name", 80),
        _text("password_hash", 100),
        _when("created_at", "utc"),
        _when("last_login_at", "utc"),
    )
    sa.Table(
        "logins",
        web,
        _key("login_id"),
        _belongs_to("account_id", "accounts.account_id"),
        _when("logged_in_at", "utc"),
    )
    sa.Table(
        "connections",
        web,
        _key("connection_id"),
        _belongs_to("account_id", "accounts.account_id", optional=True),
        _text("ip", 45),
        _text("user_agent", 400),
        _text("path", 200),
        _when("connected_at", "utc"),
    )
    sa.Table(
        "trackers",
        web,
        _key("tracker_id"),
        _text("visitor_id", 40),
        _text("kind", 40),
        _when("deposited_at", "utc_naive"),
        _when("last_deposited_at", "utc_naive"),
        _when("consent_at", "utc_naive"),
    )
    return web


SYSTEMS: dict[str, sa.MetaData] = {"crm": _crm(), "marketing": _marketing(), "web": _web()}
