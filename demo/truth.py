"""The ground truth: what must happen to every record of the demonstration on a given day.

Written from the policy's text, purpose by purpose, over the scripted lives and never over
the databases; it shares no code with the engine's own decision, so that the two can be held
against each other.

Sources of the figures: CALLIMEDIA's privacy notice; Code monétaire et financier L133-24;
Code de commerce L123-22; CNIL délibération 2021-122; Regulation 1182/71, article 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Phases = dict[str, str]
"""Purpose to ``active``, ``review``, ``archive`` or ``expired``."""

Script = Mapping[str, Any]


def truth(directory: Path, as_of: date) -> Iterator[dict[str, Any]]:
    """The truth of every record of every governed table on ``as_of``.

    Yields objects with ``table``, ``key`` (a list), ``phase``, ``action`` and
    ``live_purposes`` (sorted), read from ``lives.jsonl`` in ``directory``.
    """
    with (directory / "lives.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield from truth_of(json.loads(line), as_of)


def write_truth(directory: Path, as_of: date) -> int:
    """Write ``truth.jsonl`` for ``as_of`` into ``directory``; returns the number of records."""
    count = 0
    with (directory / "truth.jsonl").open("w", encoding="utf-8") as out:
        for record in truth(directory, as_of):
            out.write(json.dumps(record, separators=(", ", ": ")) + "\n")
            count += 1
    return count


def truth_of(life: Script, as_of: date) -> Iterator[dict[str, Any]]:
    """The truth of one life (see ``lives.as_script``)."""
    for customer in life["customers"]:
        yield from _customer(customer, _web_logins(life, customer["mailbox"]), as_of)
    for account in life["accounts"]:
        verdict = _verdict({"contract": _relationship({}, _account_logins(account), [], as_of)})
        yield _record("web.accounts", account["key"], verdict)
        yield from _rows("web.logins", account["logins"], verdict)
    for prospect in life["prospects"]:
        verdict = _verdict({"prospecting": _prospect(prospect, as_of)})
        yield _record("marketing.prospects", prospect["key"], verdict)
        yield from _rows("marketing.active_responses", prospect["responses"], verdict)
        yield from _rows("marketing.email_opens", prospect["opens"], verdict)
        yield from _rows("marketing.opt_ins", prospect["opt_ins"], verdict)
    for connection in life["connections"]:
        verdict = _verdict({"connection_security": _connection(connection["when"], as_of)})
        yield _record("web.connections", connection["key"], verdict)
    for tracker in life["trackers"]:
        verdict = _verdict({"trackers": _tracker(tracker, as_of)})
        yield _record("web.trackers", tracker["key"], verdict)


def _customer(customer: Script, logins: list[str | None], as_of: date) -> Iterator[dict[str, Any]]:
    contacts = [row["when"] for row in (*customer["contacts"], *customer["tickets"])]
    phases = {
        "contract": _relationship(customer, logins, [], as_of),
        "customer_relations": _relationship(customer, logins, contacts, as_of),
    }
    if customer["opt_in"] == 1:
        starts = [customer["collected"], customer["consent"]]
        phases["prospecting"] = _consented(starts, customer["withdrawn"], as_of)
    verdict = _verdict(phases)
    yield _record("crm.customers", customer["key"], verdict)
    for table in ("contracts", "orders", "contacts"):
        yield from _rows(f"crm.{table}", customer[table], verdict)
    for ticket in customer["tickets"]:
        yield _record("crm.tickets", ticket["key"], verdict)
        for key in ticket["children"]:
            yield _record("crm.ticket_messages", key, verdict)
    for invoice in customer["invoices"]:
        held = {"contract": phases["contract"], "accounting": _accounting(invoice["when"], as_of)}
        verdict = _verdict(held)
        yield _record("crm.invoices", invoice["key"], verdict)
        for key in invoice["children"]:
            yield _record("crm.invoice_lines", key, verdict)
    payment = _verdict({"payment": _payment(customer, as_of)})
    for key in customer["bank"]:
        yield _record("crm.bank_details", key, payment)


# --- the purposes, one by one ------------------------------------------------------------


def _relationship(
    customer: Script, logins: list[str | None], contacts: list[str | None], as_of: date
) -> str:
    """Contract and customer relations.

    Three years from the last activity; archive for five from the end of the contractual
    relationship, which neither a login nor a contact is.
    """
    if _doubtful(customer, [*logins, *contacts], as_of):
        return "review"
    if _in_force(customer):
        return "active"
    business = _business_days(customer)
    activity = business + _days(logins) + _days(contacts)
    if not activity:
        return "review"
    if as_of <= months_after(max(activity), 36):
        return "active"
    if business and as_of <= months_after(max(business), 60):
        return "archive"
    return "expired"


def _payment(customer: Script, as_of: date) -> str:
    """Bank details: as long as the relationship, then thirteen months for disputes."""
    if _doubtful(customer, [], as_of):
        return "review"
    if _in_force(customer):
        return "active"
    business = _business_days(customer)
    if not business:
        return "review"
    if as_of <= max(business):
        return "active"
    return "archive" if as_of <= months_after(max(business), 13) else "expired"


def _accounting(issued: str | None, as_of: date) -> str:
    """Ten years from the close (31 December) of the year of issue; never active by itself."""
    if issued is None or _unclear([issued], as_of):
        return "review"
    return "archive" if as_of <= date(int(issued[:4]) + 10, 12, 31) else "expired"


def _prospect(prospect: Script, as_of: date) -> str:
    starts = [prospect[name] for name in ("collected", "enquiry", "consent")]
    starts += [row["when"] for row in (*prospect["responses"], *prospect["opt_ins"])]
    return _consented(starts, prospect["withdrawn"], as_of)


def _consented(starts: list[str | None], withdrawn: str | None, as_of: date) -> str:
    """Prospecting: three years from the latest start, unless a withdrawal is the latest."""
    if _unclear([*starts, withdrawn], as_of):
        return "review"
    days = _days(starts)
    ended = _days([withdrawn])
    if not days:
        return "expired" if ended else "review"
    if as_of > months_after(max(days), 36):
        return "expired"
    if ended and ended[0] >= max(days) and as_of >= ended[0]:
        return "expired"
    return "active"


def _connection(when: str | None, as_of: date) -> str:
    """Six months in clear, pseudonymised until twelve months after the event."""
    if when is None or _unclear([when], as_of):
        return "review"
    day = date.fromisoformat(when)
    if as_of <= months_after(day, 6):
        return "active"
    return "archive" if as_of <= months_after(day, 12) else "expired"


def _tracker(tracker: Script, as_of: date) -> str:
    """Thirteen months from the first deposit on or after the latest consent."""
    values = [tracker["deposited"], tracker["again"], tracker["consent"]]
    if _unclear(values, as_of) or not _days(values):
        return "review"
    deposits = sorted(_days(values[:2]))
    consent = _days(values[2:])
    if consent:
        since = [day for day in deposits if day >= consent[0]]
        start = since[0] if since else consent[0]
    else:
        start = deposits[0]
    return "active" if as_of <= months_after(start, 13) else "expired"


# --- what a script's values say ----------------------------------------------------------


def months_after(day: date, months: int) -> date:
    """The same day ``months`` later, or the last day of that month where it lacks it."""
    year, month = day.year, day.month + months
    while month > 12:
        year, month = year + 1, month - 12
    number = day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1


def _days(values: Iterable[str | None]) -> list[date]:
    return [date.fromisoformat(value) for value in values if value]


def _unclear(values: Iterable[str | None], as_of: date) -> bool:
    """A value cannot be read, or lies more than a day ahead."""
    tomorrow = as_of + timedelta(days=1)
    return any(value == "?" or (value and value > tomorrow.isoformat()) for value in values)


def _doubtful(customer: Script, others: list[str | None], as_of: date) -> bool:
    """Whether any event of a relationship keeps it from being decided."""
    events = others + [row["when"] for row in customer.get("orders", ())]
    for contract in customer.get("contracts", ()):
        start, end = contract["start"], contract["end"]
        events += [start, contract["service"]]
        if end == "?" or (start and end != "open" and end < start):
            return True
    return _unclear(events, as_of)


def _in_force(customer: Script) -> bool:
    return any(contract["end"] == "open" for contract in customer.get("contracts", ()))


def _business_days(customer: Script) -> list[date]:
    """The ends of contracts, purchases and services."""
    values = [row["when"] for row in customer.get("orders", ())]
    for contract in customer.get("contracts", ()):
        values += [contract["end"], contract["service"]]
    return _days(value for value in values if value != "open")


def _account_logins(account: Script) -> list[str | None]:
    return [account["last_login"], *(row["when"] for row in account["logins"])]


def _web_logins(life: Script, mailbox: str | None) -> list[str | None]:
    """Every login by anyone who has the customer's e-mail address."""
    if mailbox is None:
        return []
    same = [account for account in life["accounts"] if account["mailbox"] == mailbox]
    return [value for account in same for value in _account_logins(account)]


# --- from purposes to records ------------------------------------------------------------


def _verdict(phases: Phases) -> dict[str, Any]:
    found = set(phases.values())
    phase = next(item for item in ("active", "review", "archive", "expired") if item in found)
    action = {"active": "keep", "expired": "dispose"}.get(phase, phase)
    live = sorted(purpose for purpose, item in phases.items() if item != "expired")
    if phase == "archive" and live == ["connection_security"]:
        action = "pseudonymise"
    return {"phase": phase, "action": action, "live_purposes": live}


def _record(table: str, key: int | str, verdict: dict[str, Any]) -> dict[str, Any]:
    return {"table": table, "key": [key], **verdict}


def _rows(table: str, rows: list[Script], verdict: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield _record(table, row["key"], verdict)
