"""Reading facts from JSON lines, as ``retention decide`` is given them.

A fault names keys and kinds of events, never a value: a line may hold personal data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from retention.policy.calendar import parse_day, zone
from retention.policy.decide import Contract, Facts, Location
from retention.policy.table import Policy, Purpose

KEYS = ("id", "as_of", "purposes", "events", "flags", "location", "uncovered", "expected")
FLAGS = ("legal_hold", "restricted")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\S+")


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def _shown(name: str) -> str:
    """A name as given, where it looks like one; else it might be a value gone astray."""
    return f"'{name}'" if _NAME.fullmatch(name) else f"(a name of {len(name)} characters)"


class BadLine(ValueError):
    """A line that cannot be answered. Its text holds names of keys and kinds only."""


@dataclass(frozen=True)
class Case:
    """One line's facts, ready for ``decide``."""

    id: str | int
    as_of: date
    purposes: tuple[Purpose, ...]
    facts: Facts
    location: Location
    held: bool
    uncovered: bool


Doubt = Callable[[str], None]
"""Told of a name that is not known and would be passed over; may raise ``BadLine``."""


def read_case(line: str, policy: Policy, doubt: Doubt) -> Case:
    """Read one line.

    Raises:
        BadLine: it is not JSON, lacks a key, or has a value that cannot be read.
    """
    data = _parse(line)
    for name in data:
        if name not in KEYS:
            doubt(f"unknown key {_shown(name)} is passed over")
    as_of = _as_of(_required(data, "as_of"))
    return Case(
        id=_id(_required(data, "id")),
        as_of=as_of,
        purposes=_purposes(_required(data, "purposes"), policy, as_of),
        facts=_facts(_required(data, "events"), policy, doubt),
        location=_location(data.get("location", Location.active)),
        held=_held(data.get("flags")),
        uncovered=_uncovered(data.get("uncovered", False)),
    )


def _parse(line: str) -> Mapping[str, Any]:
    try:
        data = json.loads(line, object_pairs_hook=_once)
    except BadLine:
        raise
    except json.JSONDecodeError as error:
        raise BadLine(f"it is not JSON (column {error.colno})") from None
    except (ValueError, RecursionError):
        raise BadLine("it is not JSON that can be read") from None
    if not isinstance(data, dict):
        raise BadLine("it is not a JSON object")
    return data


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key given twice one value would be lost in silence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadLine(f"key {_shown(key)} is given twice")
        found[key] = value
    return found


def _required(data: Mapping[str, Any], key: str) -> Any:
    if key not in data:
        raise BadLine(f"key '{key}' is required")
    return data[key]


def _id(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadLine("'id' is neither text nor a whole number")
    return value


def _as_of(value: Any) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise BadLine("'as_of' is not a day (YYYY-MM-DD)")


def _purposes(value: Any, policy: Policy, as_of: date) -> tuple[Purpose, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadLine("'purposes' is not a list of names")
    known = policy.version_on(as_of).purposes
    for name in value:
        if name not in known:
            raise BadLine(f"unknown purpose {_shown(name)}")
    return tuple(known[name] for name in dict.fromkeys(value))


def _location(value: Any) -> Location:
    try:
        return Location(value)
    except ValueError:
        raise BadLine(f"'location' is none of {', '.join(Location)}") from None


def _held(value: Any) -> bool:
    """Fail closed: a flag that is not known could be a hold that is misspelt."""
    if value is None:
        return False
    if not isinstance(value, dict):
        raise BadLine("'flags' is not an object")
    for name, flag in value.items():
        if name not in FLAGS:
            raise BadLine(f"unknown flag {_shown(name)}; known are {', '.join(FLAGS)}")
        if not isinstance(flag, bool):
            raise BadLine(f"flag '{name}' is neither true nor false")
    return any(value.values())


def _uncovered(value: Any) -> bool:
    """Whether data are held for which the policy has no duration."""
    if not isinstance(value, bool):
        raise BadLine("'uncovered' is neither true nor false")
    return value


def _facts(value: Any, policy: Policy, doubt: Doubt) -> Facts:
    if not isinstance(value, dict):
        raise BadLine("'events' is not an object")
    policy_zone = zone(policy.time_zone)
    days: dict[str, list[date]] = {}
    contracts: dict[str, list[Contract]] = {}
    for kind, given in value.items():
        event = policy.events.get(kind)
        if event is None:
            doubt(f"unknown event kind {_shown(kind)} is passed over")
        elif event.interval:
            contracts[kind] = [_contract(kind, item, policy_zone) for item in _several(given)]
        else:
            days[kind] = [_day(kind, item, policy_zone) for item in _several(given)]
    return Facts(days, contracts)


def _several(value: Any) -> list[Any]:
    """One or many; null says that none is known."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _contract(kind: str, value: Any, policy_zone: ZoneInfo) -> Contract:
    if not isinstance(value, dict):
        raise BadLine(f"event '{kind}' is not an object with 'start' and 'end'")
    for name in value:
        if name not in ("start", "end"):
            raise BadLine(f"event '{kind}' has an unknown key {_shown(name)}")
    if not value:
        raise BadLine(f"event '{kind}' has neither 'start' nor 'end'")
    start, end = (
        None if value.get(name) is None else _day(f"{kind}.{name}", value[name], policy_zone)
        for name in ("start", "end")
    )
    return Contract(start, end)


def _day(kind: str, value: Any, policy_zone: ZoneInfo) -> date:
    """Stricter than ``parse_day``, which also reads week dates."""
    try:
        if isinstance(value, str) and (_DAY.fullmatch(value) or _INSTANT.fullmatch(value)):
            return parse_day(value, policy_zone)
    except (ValueError, OverflowError):
        pass
    raise BadLine(f"event '{kind}' has a date that cannot be read")
