"""Looking for persons in every byte of a folder: many values, in every usual spelling, at once."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq

TRUTH = ("lives.jsonl", "truth.jsonl")
"""What the demonstration wrote down of everybody, to be compared with."""

_HEAD = 6
"""Bytes by which a form is looked up."""
_SHORTEST = 8
"""Shorter forms would be found by chance, in what is encrypted."""
_BITS = 22
_MASK = (1 << 8 * _HEAD) - 1
_DEPTH = 4
_HEX = frozenset(b"0123456789abcdef")
_DIGITS = frozenset(b"0123456789")

Value = tuple[str, str]
"""A kind of identifier, as ``email``, and the identifier."""


def spellings(kind: str, value: str) -> set[str]:
    """How ``value`` may be written, whatever the size of the letters."""
    text = value.strip()
    found = {text}
    if kind == "phone":
        digits = "".join(sign for sign in text if sign.isdigit())
        own = digits.removeprefix("0033").removeprefix("33").removeprefix("0")[-9:]
        pairs = [own[0], *(own[at : at + 2] for at in range(1, 9, 2))]
        for sign in ("", " ", ".", "-", "\N{NO-BREAK SPACE}", "/"):
            rest = sign.join(pairs)
            found |= {f"0{rest}", f"+33{sign}{rest}", f"0033{sign}{rest}", f"+33(0){rest}"}
        found.add(f"+33 (0){' '.join(pairs)}")
    elif kind == "iban":
        plain = "".join(text.split())
        found |= {plain, " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))}
    elif kind == "name":
        first, _, last = text.partition("\t")
        found = {
            f"{one}{sign}{other}"
            for one, other in ((first, last), (last, first))
            for sign in ("", " ", ", ", ".", "_", "-", '","', '", "', "', '", "\t", ";", ",")
        }
    elif kind == "customer_id":
        found = {
            f"{name}{sign}{text}"
            for name in ("customer_id", '"customer_id"', "'customer_id'", "crm.customers")
            for sign in ("=", ":", ": ", "/", " ", "=[", " [", ":[", ": [", '="', ': "')
        }
    return found | {quote(form, safe="") for form in found if "@" in form}


def forms_of(values: Iterable[Value]) -> dict[bytes, Value]:
    """From every form in bytes, small letters, to what it says."""
    return {
        form: (kind, value)
        for kind, value in values
        for text in spellings(kind, value)
        for spelled in (text, text.lower(), text.upper())
        for form in _encoded(spelled)
        if len(form) >= _SHORTEST
    }


def _encoded(text: str) -> Iterator[bytes]:
    """The small letters of bytes are ASCII's only: a letter with an accent stays as it is."""
    for code in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
        with suppress(UnicodeEncodeError):
            yield text.encode(code).lower()
    # as JSON writes letters with accents
    yield text.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00").lower()


class Sought:
    """Forms that are looked for together."""

    def __init__(self, forms: Mapping[bytes, Value]) -> None:
        self.forms = dict(forms)
        self._by_head: dict[int, list[bytes]] = {}
        for form in self.forms:
            head = int.from_bytes(form[:_HEAD], "little")
            self._by_head.setdefault(head, []).append(form)
        self._heads = np.array(sorted(self._by_head), dtype=np.uint64)
        self._bloom = np.zeros(1 << _BITS, dtype=bool)
        self._bloom[_hashed(self._heads)] = True

    def forms_in(self, data: bytes) -> set[bytes]:
        """The forms that stand in ``data``, whatever the size of its letters."""
        padded = data.lower() + bytes(16)
        found = set()
        for shift in range(8):
            whole = np.frombuffer(
                padded, dtype="<u8", offset=shift, count=(len(padded) - shift) // 8
            )
            words = whole & np.uint64(_MASK)
            likely = np.flatnonzero(self._bloom[_hashed(words)])
            for at in likely[np.isin(words[likely], self._heads)]:
                position = shift + 8 * int(at)
                for form in self._by_head[int(words[at])]:
                    if padded.startswith(form, position) and _by_itself(padded, position, form):
                        found.add(form)
        return found

    def found_in(self, data: bytes) -> set[Value]:
        """The values that stand in ``data`` in some form."""
        return {self.forms[form] for form in self.forms_in(data)}

    def without(self, forms: Iterable[bytes]) -> Sought:
        dropped = set(forms)
        return Sought({form: value for form, value in self.forms.items() if form not in dropped})


def _hashed(words: Any) -> Any:
    return (words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _BITS)


_COUNTED = b" more rows"
"""After the number, in what a run tells of its progress."""


def _by_itself(data: bytes, at: int, form: bytes) -> bool:
    """A number within a longer number, or within a digest, is not that number; nor is a count."""
    if data.startswith(_COUNTED, at + len(form)):
        return False
    before, after = data[at - 1] if at else 0, data[at + len(form)]
    if form[-1] in _DIGITS and after in _DIGITS:
        return False
    return not (_HEX.issuperset(form) and before in _HEX and after in _HEX)


def every_content(folder: Path, leave_out: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies there, and what databases, tables and compressed data hold."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.is_file() and place not in leave_out:
            data = path.read_bytes()
            yield place, data
            for inner in _inside(path, data):
                yield f"{place} (inside)", inner


def _inside(path: Path, data: bytes) -> Iterator[bytes]:
    if data.startswith(b"SQLite format 3\0"):
        yield from _rows(path)
    elif data.startswith(b"PAR1"):
        yield repr(pq.read_table(path).to_pylist()).encode()
        yield repr(pq.read_schema(path)).encode()
    else:
        yield from _unpacked(data)


def _rows(path: Path) -> Iterator[bytes]:
    """Each table's values, one a line; a long one is in several places of the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            values = [
                value.encode() if isinstance(value, str) else value
                for row in connection.execute(f'SELECT * FROM "{name.decode()}"')
                for value in row
                if isinstance(value, (str, bytes))
            ]
            yield b"\n".join(values)
            for value in values:
                yield from _unpacked(value)


_UNPACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ", lzma.decompress),
    (b"x", lambda data: zlib.decompressobj().decompress(data)),
)


def _unpacked(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    if not depth:
        return
    if data.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                inner = archive.read(name)
                yield name.encode() + b"\n" + inner
                yield from _unpacked(inner, depth - 1)
        return
    for start, unpack in _UNPACKERS:
        if data.startswith(start):
            with suppress(OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                inner = unpack(data)
                yield inner
                yield from _unpacked(inner, depth - 1)


def hits_below(folder: Path, sought: Sought) -> set[tuple[str, Value]]:
    """Where in a demonstration which value stands. Of a source database, the pages in use."""
    for source in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("VACUUM")
    return {
        (place, value)
        for place, data in every_content(folder, leave_out=TRUTH)
        for value in sought.found_in(data)
    }
