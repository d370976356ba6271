"""Pure audits of a release: is there anything in it that was not declared to be there?

Each audit is a function of the release's frame (or file) and of words of the declaration, and
returns findings, none if the release is clean. ``closed`` maps a column to its closed vocabulary
(labels of hierarchies, "(all)", statuses …): what stands there as declared is no leak, whatever
else it may be a name of. No finding holds a value.

The shape of a frame is in ``leaks_shape``, what texts look like in ``leaks_texts``, the values of
the sources in ``leaks_sources`` and ``leaks_numbers``, files in ``leaks_files``.
"""

from __future__ import annotations

from anonymizers.audits.leaks_files import parquet_metadata
from anonymizers.audits.leaks_numbers import serial_numbers
from anonymizers.audits.leaks_shape import (
    column_types,
    formulas,
    index,
    precision,
    row_order,
    undeclared_columns,
    vocabulary,
)
from anonymizers.audits.leaks_sources import source_identifiers
from anonymizers.audits.leaks_texts import identifier_patterns, pseudonyms

__all__ = [
    "column_types",
    "formulas",
    "identifier_patterns",
    "index",
    "parquet_metadata",
    "precision",
    "pseudonyms",
    "row_order",
    "serial_numbers",
    "source_identifiers",
    "undeclared_columns",
    "vocabulary",
]
