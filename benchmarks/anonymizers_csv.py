"""CSV in and CSV out for the benchmark of recodings, in the memory of a few numbers a row.

Columns are read as dictionaries, block by block; of each row only the key of its quasi-identifiers
and the numbers of its other values are kept. A release has far fewer distinct lines than rows:
each is made once, and rows are written by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from anonymizers.recoding.axes import CategoryAxis
from anonymizers.recoding.integer_keys import factorise
from anonymizers.recoding.recode import Recoding
from anonymizers.recoding.tuples import Tuples, weighted

BLOCK = 4 << 20
ROWS_WRITTEN_AT_ONCE = 250_000


@dataclass(frozen=True)
class Table:
    """A file's rows: ``tuples`` and each row's, and the number of each other value in ``texts``."""

    header: tuple[str, ...]
    axes: tuple[CategoryAxis, ...]
    tuples: Tuples
    of_row: npt.NDArray[np.int32]
    others: dict[str, npt.NDArray[np.int32]]
    texts: dict[str, list[str]]


def read(
    path: Path, separator: str, axes: Sequence[CategoryAxis], sensitive: Sequence[str]
) -> Table:
    """The rows of a file with a header; an empty field is a null."""
    header = header_of(path, separator)
    places = {axis.column: axis for axis in axes}
    if missing := [name for name in (*places, *sensitive) if name not in header]:
        raise SystemExit(f"error: {path} has no column {', '.join(missing)}")
    names = [name for name in header if name not in places]
    keys: list[npt.NDArray[np.int64]] = []
    numbers: dict[str, list[npt.NDArray[np.int32]]] = {name: [] for name in names}
    vocabulary: dict[str, dict[str, int]] = {name: {} for name in names}
    small = np.prod([float(axis.places) for axis in axes]) < 2**31
    for batch in blocks(path, separator, header):
        key = np.zeros(batch.num_rows, dtype=np.int32 if small else np.int64)
        for axis in axes:
            column = batch.column(axis.column)
            values = pd.Series(
                [text or None for text in column.dictionary.to_pylist()], dtype="str"
            )
            np.multiply(key, axis.places, out=key)
            np.add(key, axis.encode(values)[column.indices.to_numpy()], out=key)
        keys.append(key)
        for name in names:
            column, known = batch.column(name), vocabulary[name]
            new = [known.setdefault(text, len(known)) for text in column.dictionary.to_pylist()]
            numbers[name].append(np.array(new, dtype=np.int32)[column.indices.to_numpy()])
    others = {name: np.concatenate(numbers.pop(name)) for name in names}
    texts = {name: list(known) for name, known in vocabulary.items()}
    key = np.concatenate(keys)
    keys.clear()
    of_row, first = factorise(key)
    rest, codes = key[first].astype(np.int64), []
    for axis in reversed(axes):
        rest, code = np.divmod(rest, axis.places)
        codes.append(code.astype(np.int32))
    tuples = weighted(
        codes[::-1],
        of_row,
        sensitive={name: _in_order(others[name], texts[name]) for name in sensitive},
    )
    return Table(header, tuple(axes), tuples, of_row, others, texts)


def write(
    path: Path, separator: str, table: Table, recoding: Recoding, found: npt.NDArray[np.int64]
) -> None:
    """The release: labels in place of quasi-identifiers, suppressed rows left out."""
    line = found.astype(np.int32)[table.of_row]
    radices = [max(len(texts), 1) for texts in table.texts.values()]
    key = line.astype(np.int64)
    for codes, radix in zip(table.others.values(), radices, strict=True):
        key *= radix
        key += codes
    key[line < 0] = -1
    del line
    if (key < 0).any():
        key = key[key >= 0]
    number, first = factorise(key)
    met = key[first]
    del key
    columns = {}
    for name, radix in reversed(list(zip(table.others, radices, strict=True))):
        met, code = np.divmod(met, radix)
        columns[name] = _taken(table.texts[name], code, separator)
    for axis, labels in zip(table.axes, recoding.labels_, strict=True):
        ids, place = factorise(labels)
        columns[axis.column] = _taken(axis.texts(labels[place]), ids[met], separator)
    fields = [columns[name] for name in table.header]
    fields[-1] = pc.binary_join_element_wise(fields[-1], _text("\n"), _text(""))
    lines = pc.binary_join_element_wise(*fields, _text(separator))
    with path.open("wb") as file:
        file.write(
            (separator.join(quoted(name, separator) for name in table.header) + "\n").encode()
        )
        for start in range(0, len(number), ROWS_WRITTEN_AT_ONCE):
            some = pa.array(number[start : start + ROWS_WRITTEN_AT_ONCE])
            _, offsets, data = lines.take(some).buffers()
            file.write(data[: np.frombuffer(offsets, dtype=np.int64)[len(some)]])


def frame_of(path: Path, separator: str) -> pd.DataFrame:
    """A file as categoricals, for measuring it."""
    header = header_of(path, separator)
    parts: dict[str, list[npt.NDArray[np.int32]]] = {name: [] for name in header}
    known: dict[str, dict[str, int]] = {name: {} for name in header}
    for batch in blocks(path, separator, header):
        for name in header:
            column = batch.column(name)
            met = [
                known[name].setdefault(text, len(known[name]))
                for text in column.dictionary.to_pylist()
            ]
            parts[name].append(np.array(met, dtype=np.int32)[column.indices.to_numpy()])
    return pd.DataFrame(
        {
            name: pd.Categorical.from_codes(np.concatenate(parts.pop(name)), list(known[name]))
            for name in header
        }
    )


def header_of(path: Path, separator: str) -> tuple[str, ...]:
    with path.open("rb") as file:
        line = file.readline()
    parse = csv.ParseOptions(delimiter=separator)
    return tuple(csv.read_csv(pa.BufferReader(line + line), parse_options=parse).column_names)


def blocks(path: Path, separator: str, header: Sequence[str]) -> csv.CSVStreamingReader:
    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK),
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.dictionary(pa.int32(), pa.string()) for name in header}
        ),
    )


def _in_order(
    numbers: npt.NDArray[np.int32], texts: list[str]
) -> tuple[npt.NDArray[np.int32], pd.Index]:
    """Numbers in the order of the texts, which does not depend on the order of the rows."""
    order = np.argsort(texts, kind="stable")
    new = np.empty(len(texts), dtype=np.int32)
    new[order] = np.arange(len(texts))
    return new[numbers], pd.Index([texts[at] for at in order], dtype=object)


def _taken(texts: Sequence[str], numbers: npt.NDArray[np.int64], separator: str) -> pa.Array:
    fields = pa.array([quoted(text, separator) for text in texts], pa.large_string())
    return fields.take(pa.array(numbers))


def quoted(text: str, separator: str) -> str:
    if any(sign in text for sign in (separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())
