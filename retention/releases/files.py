"""The files of a release: Parquet and JSON whose bytes depend on nothing but what they say.

No index, no metadata of the program that wrote them, no statistics of row groups, one row
group, dictionaries of the labels that occur: the same frame gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retention.errors import StoreError
from retention.releases.built import MANIFEST

if TYPE_CHECKING:
    import pandas as pd

SUFFIX = ".parquet"
_SECRET_FOLDER = 0o700
_SECRET_FILE = 0o600


def _arrow() -> tuple[Any, Any]:
    """PyArrow and its Parquet: slow to import, and published without types."""
    return import_module("pyarrow"), import_module("pyarrow.parquet")


def parquet_bytes(frame: pd.DataFrame, decimals: Mapping[str, int]) -> bytes:
    """``frame`` as one Parquet file. ``decimals``: digits behind the point, by column."""
    pa, pq = _arrow()
    columns, fields = [], []
    for name in frame.columns:
        kind = _arrow_type(frame[name], decimals.get(name))
        columns.append(pa.array(_plain(frame[name]), type=kind))
        fields.append(pa.field(name, kind, nullable=bool(frame[name].isna().any())))
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        write_statistics=False,
        store_schema=False,
        row_group_size=max(1, len(frame)),
        version="2.6",
    )
    return bytes(sink.getvalue().to_pybytes())


def _arrow_type(column: pd.Series[Any], digits: int | None) -> Any:
    import pandas as pd  # noqa: PLC0415 - slow to import

    pa, _ = _arrow()
    if digits is not None:
        return pa.decimal128(38, digits)
    if pd.api.types.is_integer_dtype(column.dtype):
        return pa.int64()
    return pa.string()


def _plain(column: pd.Series[Any]) -> list[Any]:
    import pandas as pd  # noqa: PLC0415 - slow to import

    return [
        None if pd.isna(value) else value if isinstance(value, str | Decimal) else int(value)
        for value in column
    ]


def read_parquet(path: Path) -> pd.DataFrame:
    """The frame in a file, read from its bytes; whole numbers that can be missing are ``Int64``.

    Raises:
        StoreError: it cannot be read.
    """
    return parquet_frame(read_bytes(path), path.name)


def parquet_frame(data: bytes, name: str) -> pd.DataFrame:
    """As ``read_parquet``, of bytes at hand; ``name`` is for the error."""
    import pandas as pd  # noqa: PLC0415 - slow to import

    pa, pq = _arrow()
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError):
        raise StoreError(f"{name}: it is not a Parquet file that can be read") from None
    columns: dict[str, Any] = {}
    for field in table.schema:
        values = table.column(field.name).to_pylist()
        if pa.types.is_integer(field.type):
            columns[field.name] = pd.array(
                [pd.NA if value is None else value for value in values], dtype="Int64"
            )
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            columns[field.name] = pd.Series(values, dtype="str")
        else:
            columns[field.name] = pd.Series(values, dtype=object)
    return pd.DataFrame(columns)


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A JSON document: sorted keys, indented, ending in a newline."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def sha256(data: bytes) -> str:
    """64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def digest_of(files: Mapping[str, bytes]) -> str:
    """The digest of a release: over the name and bytes of each file but the manifest."""
    lines = [f"{name} {sha256(data)}\n" for name, data in sorted(files.items()) if name != MANIFEST]
    return sha256("".join(lines).encode())


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name.

    Raises:
        StoreError: it cannot be read, or holds something else than files.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read: {_why(error)}") from None
    return {name: read_bytes(folder / name) for name in names}


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {_why(error)}") from None


def write_folder(folder: Path, files: Mapping[str, bytes], *, secret: bool) -> None:
    """Write a folder of files as one: a temporary one beside it is renamed when all is on disk.

    A folder that is there already is left as it is.

    Raises:
        StoreError: it cannot be written; nothing is there then.
    """
    mode = _SECRET_FOLDER if secret else 0o755
    temporary = folder.with_name(f".{folder.name}.writing")
    try:
        for parent in reversed(folder.parents):
            if not parent.exists():
                parent.mkdir(mode=mode, exist_ok=True)
        remove_folder(temporary)
        temporary.mkdir(mode=mode)
        for name, data in files.items():
            _write(temporary / name, data, _SECRET_FILE if secret else 0o644)
        sync(temporary)
        if not folder.exists():
            temporary.rename(folder)
            sync(folder.parent)
        else:
            remove_folder(temporary)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {_why(error)}") from None


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Make sure that the names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """Remove a folder of files, if it is there."""
    if not folder.is_dir():
        return
    for path in _inside(folder):
        path.unlink()
    folder.rmdir()


def _inside(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir())


def _why(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()
