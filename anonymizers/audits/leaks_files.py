"""Audits of a Parquet file: what its bytes carry beside the columns."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anonymizers.audits.findings import Figure, Finding

_CHECK = "leaks.parquet_metadata"
_SCHEMA = b"ARROW:schema"
_ENDS = 12
"""Bytes of a Parquet file that are neither columns nor footer: two marks and a length."""


def parquet_metadata(path: Path, declared: Sequence[str]) -> list[Finding]:
    """Metadata, hidden dictionary entries and stray bytes of a Parquet file.

    Nothing may be there but the declared columns in their order: no metadata of the file (those
    of pandas, with its index, among them) or of a field, no dictionary entry that no row uses,
    no byte that belongs to no column. The name of the writing program may. A file that cannot be
    read is a finding.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and not every audit reads files
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
            dictionaries = list(_unused(file, schema, pa, path, pq))
        stray = _stray(path, metadata)
    except (pa.ArrowException, OSError, ValueError, struct.error):
        return [Finding(_CHECK, "the file cannot be read as Parquet")]
    found = []
    extra = [key for key in (metadata.metadata or {}) if key != _SCHEMA]
    # What the embedded schema says of the file as a whole comes out as the schema's metadata.
    extra += [key for key in (schema.metadata or {}) if key not in extra]
    if extra:
        entries = {"entries": len(extra)}
        found.append(Finding(_CHECK, "the file carries metadata", entries))
    if fields := sum(map(_described, schema)):
        found.append(Finding(_CHECK, "fields carry metadata", {"fields": fields}))
    if list(schema.names) != list(declared):
        columns = {"columns": len(schema.names), "declared": len(declared)}
        found.append(Finding(_CHECK, "the columns are not those declared", columns))
    for name, entries_unused in dictionaries:
        figures: dict[str, Figure] = {
            "column": name if name in declared else "(not declared)",
            "entries": entries_unused,
        }
        found.append(Finding(_CHECK, "a dictionary has entries that no row uses", figures))
    if stray:
        found.append(Finding(_CHECK, "bytes that belong to no column", {"bytes": stray}))
    return found


def _described(field: Any) -> bool:
    """Whether a field, or one inside it, has metadata of its own."""
    own = {key for key in (field.metadata or {}) if key != b"PARQUET:field_id"}
    kind = field.type
    inner = [kind.field(at) for at in range(kind.num_fields)]
    return bool(own) or any(map(_described, inner))


def _unused(file: Any, schema: Any, pa: Any, path: Path, pq: Any) -> Any:
    """Columns whose dictionary holds more than its rows use, and how many entries more."""
    texts = [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        or pa.types.is_large_string(field.type)
        or pa.types.is_binary(field.type)
        or pa.types.is_dictionary(field.type)
    ]
    with pq.ParquetFile(path, read_dictionary=texts) as own:
        for group in range(file.num_row_groups):
            table = own.read_row_group(group, columns=texts)
            for name in texts:
                unused = 0
                for chunk in table.column(name).chunks:
                    if pa.types.is_dictionary(chunk.type):
                        used = len(chunk.indices.drop_null().unique())
                        unused += len(chunk.dictionary) - used
                if unused:
                    yield name, unused


def _stray(path: Path, metadata: Any) -> int:
    """Bytes between the columns or after them."""
    columns = sum(
        metadata.row_group(group).column(at).total_compressed_size
        for group in range(metadata.num_row_groups)
        for at in range(metadata.num_columns)
    )
    data = path.read_bytes()
    (footer,) = struct.unpack("<I", data[-8:-4])
    return max(0, len(data) - _ENDS - int(footer) - int(columns))
