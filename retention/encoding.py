"""Database values as bytes and back, exactly: what is sealed, digested and restored.

Tagged JSON in UTF-8. Two equal values of one type always give the same bytes; values of
different types never do (``1``, ``1.0`` and ``True`` differ). A dict loses the order of its
keys and an aware datetime keeps its offset but not the name of its zone; a naive one loses
its ``fold``. Nothing else is lost.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any
from uuid import UUID

_WIDEST = 2**63
"""Larger integers travel as hexadecimal: decimal text of any length is refused by Python."""

_PLAIN = frozenset({type(None), bool, float, str})


def encode(value: object) -> bytes:
    """``value`` as bytes.

    Raises:
        TypeError: a type that is not known, subclasses of known ones included. The message
            names the type and never shows the value.
    """
    text = _to_json(_pack(value))
    # Lone surrogates are let through: SQLite and dumps of odd sources hold them.
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> Any:
    """The value that ``encode`` turned into ``data``.

    Raises:
        ValueError: the bytes are not of this encoding. The message does not show them.
    """
    try:
        return _DECODER.decode(data.decode("utf-8", "surrogatepass"))
    except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError):
        raise ValueError("these bytes are not an encoded value") from None


def _pack(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    packer = _PACKERS.get(kind)
    if packer is None:
        raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} cannot be encoded")
    return packer(value)


def _pack_int(value: int) -> object:
    return value if -_WIDEST <= value < _WIDEST else {"int": hex(value)}


def _pack_dict(value: dict[Any, Any]) -> object:
    for key in value:
        # Column names of reflected tables are a subclass of str.
        if not isinstance(key, str):
            raise TypeError(f"a dict with a key of type {type(key).__qualname__} cannot be encoded")
    # A flat list, so that no dict of the data can be mistaken for a tag.
    flat: list[object] = []
    for key in sorted(value):
        flat += (key, _pack(value[key]))
    return {"map": flat}


def _pack_time(value: time) -> object:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise TypeError("a time whose zone has no fixed offset cannot be encoded")
    return {"time": value.isoformat()}


def _tag_text(tag: str) -> Callable[[Any], object]:
    return lambda value: {tag: str(value)}


_PACKERS: dict[type, Callable[[Any], object]] = {
    int: _pack_int,
    bytes: lambda value: {"bytes": b64encode(value).decode("ascii")},
    bytearray: lambda value: {"bytes": b64encode(value).decode("ascii")},
    memoryview: lambda value: {"bytes": b64encode(value.tobytes()).decode("ascii")},
    Decimal: _tag_text("decimal"),
    date: lambda value: {"date": value.isoformat()},
    datetime: lambda value: {"datetime": value.isoformat()},
    time: _pack_time,
    timedelta: lambda value: {"timedelta": [value.days, value.seconds, value.microseconds]},
    UUID: _tag_text("uuid"),
    list: lambda value: [_pack(item) for item in value],
    tuple: lambda value: {"tuple": [_pack(item) for item in value]},
    dict: _pack_dict,
    IPv4Address: _tag_text("ip4"),
    IPv6Address: _tag_text("ip6"),
    IPv4Interface: _tag_text("if4"),
    IPv6Interface: _tag_text("if6"),
    IPv4Network: _tag_text("net4"),
    IPv6Network: _tag_text("net6"),
}

_UNPACKERS: dict[str, Callable[[Any], object]] = {
    "int": lambda text: int(text, 16),
    "bytes": lambda text: b64decode(text, validate=True),
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "uuid": UUID,
    "tuple": tuple,
    "map": lambda flat: dict(zip(flat[::2], flat[1::2], strict=True)),
    "ip4": IPv4Address,
    "ip6": IPv6Address,
    "if4": IPv4Interface,
    "if6": IPv6Interface,
    "net4": IPv4Network,
    "net6": IPv6Network,
}


def _unpack(tagged: dict[str, Any]) -> object:
    ((tag, content),) = tagged.items()
    return _UNPACKERS[tag](content)


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_DECODER = json.JSONDecoder(object_hook=_unpack)
