"""The intake: reading what a request says, strictly, before anything is done with it.

Pure. A request comes as a JSON object, from a file or put together by the command line:

    {"kind": "erasure", "received_on": "2026-11-24", "family_name": "…", "first_name": "…",
     "email": "…", "phone": "…", "address": "…", "customer_ref": "…", "message": "…",
     "corrections": {"user.contact.email": "…"}, "purposes": ["prospecting"],
     "verified": {"by": "…", "how": "…"}}

Whatever cannot be read with certainty is rejected, with every fault found. A fault names a
field and never shows what was in it, nor a key that is not known: both may be somebody's data.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from retention.catalogue.taxonomy import falls_under, is_category
from retention.policy.rights import why_not_opposed
from retention.policy.table import Purpose
from retention.requests.model import FIELDS, Asked, Kind
from retention.requests.taking_in.cleaning import BadText, clean, email, phone, text

KEYS = ("kind", "received_on", *FIELDS, "corrections", "purposes", "message", "verified")
"""Everything a request can say."""

OLDEST = timedelta(days=366)
"""A day of receipt further back is taken for a slip of the pen: the answer is long overdue."""

LONGEST = {"family_name": 200, "first_name": 200, "address": 500, "customer_ref": 100}
"""Characters, of what has no longest length of its own."""
LONGEST_MESSAGE = 10_000
LONGEST_CORRECTION = 1_000
MOST_CORRECTIONS = 20
MOST_UNKNOWN = 5

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOT_CORRECTED = ("user.authorization", "user.unique_id")
"""Secrets, and the keys that records hang on: a letter changes neither."""


class Rejected(ValueError):
    """A request that is not taken in. ``reasons``: one line for each fault, safe to show."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


class Unreadable(Rejected):
    """It is no JSON at all: half a file, perhaps, that somebody is still writing."""


@dataclass(frozen=True)
class Verification:
    """A statement that the person is who they say: who made sure, and how."""

    by: str
    how: str


@dataclass(frozen=True)
class NewRequest:
    """A request that can be taken in."""

    kind: Kind
    asked: Asked
    received_on: date
    verified: Verification | None = None


def read_document(data: bytes) -> object:
    """The JSON in ``data``: UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: it is not JSON. Rejected: it is, but an object in it has a key twice.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except Rejected:
        raise
    except UnicodeDecodeError:
        raise Unreadable(["it is not UTF-8 text"]) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable([f"it is not JSON ({place})"]) from None
    except (ValueError, RecursionError):
        raise Rejected(["it is not JSON that can be read"]) from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key given twice one value would be lost in silence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            shown = f"key '{key}'" if key in KEYS else "a key"
            raise Rejected([f"{shown} is given twice"])
        found[key] = value
    return found


def _no_number(_name: str) -> float:
    raise ValueError


def read_request(
    document: object,
    region: str,
    *,
    today: date,
    arrived: date | None = None,
    custom: Collection[str] = (),
    purposes: Mapping[str, Purpose] | None = None,
) -> NewRequest:
    """What ``document`` asks for.

    A null says that something is not given. ``region`` is the country of phone numbers that
    name none. Where no day of receipt is given it is the day the document ``arrived``, else
    ``today``. ``custom`` are categories of data that the catalogue has added to the taxonomy's;
    ``purposes`` are those of the policy in force.

    Raises:
        Rejected: naming every fault.
    """
    if not isinstance(document, dict):
        raise Rejected(["it is not a JSON object"])
    reading = _Reading({key: value for key, value in document.items() if value is not None})
    reading.keys("", KEYS, document)
    kind = reading.kind()
    said = {name: reading.field(name, region) for name in FIELDS}
    reading.enough()
    corrections = reading.corrections(kind, region, custom)
    about = reading.purposes(kind, purposes or {})
    message = reading.message()
    received_on = reading.received_on(today, arrived or today)
    verified = reading.verified()
    if reading.faults or kind is None:
        raise Rejected(reading.faults)
    asked = Asked(**said, corrections=corrections, message=message, purposes=about)
    return NewRequest(kind, asked, received_on, verified)


class _Reading:
    """Reads field by field and goes on after a fault, so that all of them are told at once."""

    def __init__(self, given: Mapping[Any, Any]) -> None:
        self.given = given
        self.faults: list[str] = []

    def keys(self, place: str, known: Sequence[str], given: Mapping[Any, Any]) -> None:
        unknown = [key for key in given if key not in known]
        # Looking for what was meant takes time, which a file could be made to waste.
        for key in unknown[:MOST_UNKNOWN]:
            near = difflib.get_close_matches(key[:40], known, 1)
            meant = f"'{near[0]}'?" if near else f"it knows {', '.join(known)}"
            self.faults.append(f"{place}a key that is not known ({meant})")
        if len(unknown) > MOST_UNKNOWN:
            more = len(unknown) - MOST_UNKNOWN
            self.faults.append(f"{place}{more} more keys that are not known")

    def kind(self) -> Kind | None:
        value = self.given.get("kind")
        if value is None:
            self.faults.append(f"kind: it is required, one of {', '.join(Kind)}")
        elif not isinstance(value, str) or value not in set(Kind):
            self.faults.append(f"kind: it is none of {', '.join(Kind)}")
        else:
            return Kind(value)
        return None

    def field(self, name: str, region: str) -> str | None:
        if name not in self.given:
            return None
        try:
            return _read_field(name, self.given[name], region)
        except BadText as fault:
            self.faults.append(f"{name}: {fault}")
            return None

    def enough(self) -> None:
        """Something must say who asks; a fault in a field that is given is told already."""
        given = self.given.keys()
        if not given & {"email", "phone", "customer_ref"} and not given >= {
            "family_name", "first_name", "address",
        }:  # fmt: skip
            self.faults.append(
                "who asks? it needs email, phone or customer_ref; or else family_name, first_name"
                " and address"
            )

    def corrections(
        self, kind: Kind | None, region: str, custom: Collection[str]
    ) -> dict[str, str]:
        value = self.given.get("corrections")
        if value is None or value == {}:
            if kind is Kind.rectification:
                self.faults.append("corrections: a rectification needs at least one")
            return {}
        if not isinstance(value, dict):
            self.faults.append("corrections: it is not an object of categories and right values")
            return {}
        if kind not in (Kind.rectification, None):
            self.faults.append("corrections: only a rectification has any")
        if len(value) > MOST_CORRECTIONS:
            self.faults.append(f"corrections: more than {MOST_CORRECTIONS}; write several requests")
            return {}
        found: dict[str, str] = {}
        for number, (category, right) in enumerate(value.items(), 1):
            try:
                found[category] = _correction(category, right, region, custom)
            except BadText as fault:
                shown = category if _is_known(category, custom) else f"number {number}"
                self.faults.append(f"corrections: {shown}: {fault}")
        return found

    def purposes(self, kind: Kind | None, known: Mapping[str, Purpose]) -> tuple[str, ...]:
        value = self.given.get("purposes")
        if value is None or value == []:
            return ()
        if kind not in (Kind.objection, None):
            self.faults.append("purposes: only an objection names any")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.faults.append("purposes: it is not a list of purposes of the policy")
            return ()
        can_be = [name for name, purpose in known.items() if why_not_opposed(purpose) is None]
        named = list(dict.fromkeys(value))
        # Of so many names one at least is not known: the others need not be looked at.
        for number, name in enumerate(named[: len(known) + 1], 1):
            why = why_not_opposed(known[name]) if name in known else None
            if name not in known:
                self.faults.append(
                    f"purposes: number {number}: it is no purpose of the policy in force that can "
                    f"be objected to ({', '.join(can_be)})"
                )
            elif why is not None:
                self.faults.append(
                    f"purposes: {name}: {why}: only a consent can be withdrawn, and only a "
                    "legitimate interest objected to (GDPR art. 7(3), 21(1))"
                )
        return tuple(sorted(named))

    def message(self) -> str | None:
        if "message" not in self.given:
            return None
        try:
            return text(self.given["message"], LONGEST_MESSAGE)
        except BadText as fault:
            self.faults.append(f"message: {fault}")
            return None

    def received_on(self, today: date, arrived: date) -> date:
        value = self.given.get("received_on")
        if value is None:
            return arrived
        try:
            if not isinstance(value, str) or not _DAY.fullmatch(value):
                raise ValueError
            day = date.fromisoformat(value)
        except ValueError:
            self.faults.append("received_on: it is not a day (YYYY-MM-DD)")
            return arrived
        if day > today:
            self.faults.append("received_on: it is in the future")
        elif day < today - OLDEST:
            self.faults.append(f"received_on: it is more than {OLDEST.days} days ago")
        return day

    def verified(self) -> Verification | None:
        value = self.given.get("verified")
        if value is None:
            return None
        if not isinstance(value, dict):
            self.faults.append("verified: it is not an object with 'by' and 'how'")
            return None
        self.keys("verified: ", ("by", "how"), value)
        read: list[str] = []
        for name, longest in (("by", 150), ("how", 500)):
            try:
                read.append(clean(value.get(name), longest))
            except BadText as fault:
                self.faults.append(f"verified: {name}: {fault}")
        return Verification(*read) if len(read) == 2 else None


def _read_field(name: str, value: object, region: str) -> str:
    if name == "email":
        return email(value)
    if name == "phone":
        return phone(value, region)
    return clean(value, LONGEST[name], lines=name == "address")


def _correction(category: str, value: object, region: str, custom: Collection[str]) -> str:
    if not _is_known(category, custom):
        raise BadText("it is not a category of a person's data")
    if any(falls_under(category, item) for item in _NOT_CORRECTED):
        raise BadText("it is not corrected by a request")
    if falls_under(category, "user.contact.email"):
        return email(value)
    if falls_under(category, "user.contact.phone_number"):
        return phone(value, region)
    return clean(value, LONGEST_CORRECTION, lines=True)


def _is_known(category: str, custom: Collection[str]) -> bool:
    return falls_under(category, "user") and is_category(category, custom)
