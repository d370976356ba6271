"""Rendering lives as rows: names, texts and stored dates around the scripted keys and days."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo.lives import Contract, Customer, Dated, Life, Prospect, When
from demo.people import CAMPAIGNS, LINES, OFFERS, Person, Population, bank_account, ip_address

PARIS = ZoneInfo("Europe/Paris")

MIGRATED_ON = datetime(2016, 3, 14, 2, 0, 0)  # noqa: DTZ001 - the CRM's clock is local
"""Rows taken over from an older CRM all carry the day of the takeover."""

Row = dict[str, Any]
TableRow = tuple[str, Row]
"""``system.table`` and a row in which dates are still ``When``s or Paris wall times."""


def campaign_rows(as_of: date) -> Iterator[TableRow]:
    """The campaigns, which concern nobody in particular."""
    for number, (name, channel) in enumerate(CAMPAIGNS, start=1):
        started = as_of - timedelta(days=200 * number)
        row = {"campaign_id": number, "name": name, "channel": channel, "started_on": started}
        yield "marketing.campaigns", row


def person_of(life: Life, population: Population, seed: int) -> Person:
    """Whose life it is."""
    return population.person(life.number, _chance(life, seed))


def _chance(life: Life, seed: int) -> random.Random:
    return random.Random(f"rows/{seed}/{life.number}")


def rows_of(life: Life, population: Population, seed: int) -> Iterator[TableRow]:
    """Every row of a life, owners before the rows they own."""
    rng = _chance(life, seed)
    person = population.person(life.number, rng)
    for customer in life.customers:
        yield from _customer(customer, person, population, rng)
    for account in life.accounts:
        row = {
            "account_id": account.key,
            "email": person.email(account.mailbox, account.spelling),
            "display_name": person.first_name if rng.random() < 0.5 else person.name,
            "password_hash": f"$2b$12${rng.getrandbits(256):064x}",
            "created_at": account.created,
            "last_login_at": account.last_login,
        }
        yield "web.accounts", row
        for login in account.logins:
            row = {"login_id": login.key, "account_id": account.key, "logged_in_at": login.when}
            yield "web.logins", row
    for prospect in life.prospects:
        yield from _prospect(prospect, person, rng)
    for connection in life.connections:
        row = {
            "connection_id": connection.key,
            "account_id": connection.account,
            "ip": ip_address(rng),
            "user_agent": population.browser(rng),
            "path": rng.choice(("/", "/offres", "/espace-client", "/contact", "/mentions-legales")),
            "connected_at": connection.when,
        }
        yield "web.connections", row
    visitor = f"v-{rng.getrandbits(96):024x}"
    for tracker in life.trackers:
        row = {
            "tracker_id": tracker.key,
            "visitor_id": visitor,
            "kind": rng.choice(("audience", "publicite", "preferences")),
            "deposited_at": tracker.deposited,
            "last_deposited_at": tracker.again,
            "consent_at": tracker.consent,
        }
        yield "web.trackers", row


def _customer(
    customer: Customer, person: Person, population: Population, rng: random.Random
) -> Iterator[TableRow]:
    known_since = customer.collected.wall
    recent = isinstance(known_since, datetime) and known_since > MIGRATED_ON
    mailbox = customer.mailbox
    yield (
        "crm.customers",
        {
            "customer_id": customer.key,
            "civility": person.civility,
            "last_name": person.last_name,
            "first_name": person.first_name,
            "email": person.email(mailbox, customer.spelling) if mailbox else None,
            "phone": person.phone,
            "street": person.street,
            "postcode": person.postcode,
            "city": person.city,
            "birth_date": person.birth_date if rng.random() < 0.7 else None,
            "job_title": person.job_title if rng.random() < 0.6 else None,
            "company": person.company or None,
            "segment": rng.choice(("liberal", "artisan", "pme", "sante", "association")),
            "prospecting_opt_in": customer.opt_in,
            "collected_at": customer.collected,
            "consent_at": customer.consent,
            "withdrawn_at": customer.withdrawn,
            "created_at": known_since if recent else MIGRATED_ON,
            "comment": population.summary(person, rng) if rng.random() < 0.2 else None,
        },
    )
    for contract in customer.contracts:
        yield "crm.contracts", _contract(contract, customer, rng)
    for order in customer.orders:
        row = _owned("order_id", order, customer)
        amount = round(rng.uniform(20, 900), 2)
        status = rng.choice(("payee", "payee", "payee", "remboursee"))
        yield "crm.orders", row | {"ordered_at": order.when, "amount": amount, "status": status}
    for invoice in customer.invoices:
        yield from _invoice(invoice, customer, person, rng)
    for contact in customer.contacts:
        row = _owned("contact_id", contact, customer)
        row |= {"contacted_at": contact.when, "summary": population.summary(person, rng)}
        yield "crm.contacts", row | {"channel": rng.choice(("telephone", "email", "courrier"))}
    for ticket in customer.tickets:
        yield from _ticket(ticket, customer, person, population, rng)
    for bank_id in customer.bank:
        iban, bic = bank_account(rng)
        row = {"bank_id": bank_id, "customer_id": customer.key, "iban": iban, "bic": bic}
        yield "crm.bank_details", row | {"holder": person.name.upper()}


def _owned(key: str, row: Dated, customer: Customer) -> Row:
    return {key: row.key, "customer_id": customer.key}


def _contract(contract: Contract, customer: Customer, rng: random.Random) -> Row:
    return {
        "contract_id": contract.key,
        "customer_id": customer.key,
        "offer": rng.choice(OFFERS),
        "started_on": contract.start,
        "ended_on": contract.end,
        "last_service_on": contract.service,
    }


def _invoice(
    invoice: Dated, customer: Customer, person: Person, rng: random.Random
) -> Iterator[TableRow]:
    prices = [round(rng.uniform(10, 300), 2) for _ in invoice.children]
    quantities = [rng.randint(1, 12) for _ in invoice.children]
    amount = round(sum(p * q for p, q in zip(prices, quantities, strict=True)), 2)
    year = (invoice.when.script or "0000")[:4]
    row = {
        "invoice_id": invoice.key,
        "customer_id": customer.key,
        "number": f"F{year if year.isdigit() else '0000'}-{invoice.key:06d}",
        "issued_on": invoice.when,
        "amount": amount,
        "vat": round(amount * 0.2, 2),
        "billing_name": person.company or person.name,
        "billing_address": f"{person.street}, {person.postcode} {person.city}",
    }
    yield "crm.invoices", row
    for line_id, price, quantity in zip(invoice.children, prices, quantities, strict=True):
        line = {
            "line_id": line_id,
            "invoice_id": invoice.key,
            "description": rng.choice(LINES),
            "quantity": quantity,
            "unit_price": price,
        }
        yield "crm.invoice_lines", line


def _ticket(
    ticket: Dated, customer: Customer, person: Person, population: Population, rng: random.Random
) -> Iterator[TableRow]:
    subject, body = population.ticket(person, rng)
    row = _owned("ticket_id", ticket, customer)
    yield "crm.tickets", row | {"opened_at": ticket.when, "subject": subject, "body": body}
    sent = ticket.when.wall
    for message_id in ticket.children:
        sent = sent + timedelta(hours=rng.randint(1, 60)) if isinstance(sent, datetime) else None
        message = {
            "message_id": message_id,
            "ticket_id": ticket.key,
            "sent_at": sent,
            "author": person.name if rng.random() < 0.4 else population.agent(rng),
            "body": population.message(person, rng),
        }
        yield "crm.ticket_messages", message


def _prospect(prospect: Prospect, person: Person, rng: random.Random) -> Iterator[TableRow]:
    row = {
        "prospect_id": prospect.key,
        "last_name": person.last_name,
        "first_name": person.first_name,
        "email": person.email(prospect.mailbox),
        "phone": person.phone if rng.random() < 0.6 else None,
        "company": person.company or None,
        "source": rng.choice(("formulaire", "salon", "parrainage", "liste achetée")),
        "collected_at": prospect.collected,
        "enquiry_at": prospect.enquiry,
        "consent_at": prospect.consent,
        "withdrawn_at": prospect.withdrawn,
    }
    yield "marketing.prospects", row
    owned = {"prospect_id": prospect.key}
    for response in prospect.responses:
        row = owned | {"response_id": response.key, "responded_at": response.when}
        row |= {"campaign_id": rng.randint(1, len(CAMPAIGNS))}
        yield "marketing.active_responses", row | {"kind": rng.choice(("devis", "rappel", "clic"))}
    for opened in prospect.opens:
        row = owned | {"open_id": opened.key, "opened_at": opened.when}
        yield "marketing.email_opens", row | {"campaign_id": rng.randint(1, len(CAMPAIGNS))}
    for opt_in in prospect.opt_ins:
        row = owned | {"opt_in_id": opt_in.key, "opted_at": opt_in.when}
        yield "marketing.opt_ins", row | {"form": rng.choice(("pied de page", "devis", "salon"))}


def stored(value: object, form: str, *, as_text: bool) -> date | str | None:
    """A moment as a column of ``form`` holds it, as ISO text or as a Python value.

    ``form`` is one of those of ``tables``. Text that is no date goes in as it is. Instants
    written as text end in ``Z``, but for those of an older release, which wrote ``+02:00``.
    """
    if isinstance(value, When):
        value = value.wall
    if value is None or isinstance(value, str):
        return value
    assert isinstance(value, date)
    if form == "date":
        day = value.date() if isinstance(value, datetime) else value
        return day.isoformat() if as_text else day
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if form.startswith("utc"):
        moment = moment.replace(tzinfo=PARIS).astimezone(UTC)
    if form == "utc_naive":
        moment = moment.replace(tzinfo=None)
    return _as_text(moment) if as_text else moment


def _as_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        return moment.isoformat(" ")
    if moment.second % 7 == 0:
        return moment.astimezone(PARIS).isoformat()
    return moment.isoformat().replace("+00:00", "Z")
