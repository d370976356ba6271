"""A larger file like a small one: rows drawn with replacement, 10 % of the cells drawn again.

    python -m benchmarks.anonymizers_bootstrap FILE ROWS OUT

Each cell is, with a chance of one in ten, replaced by a draw from its column's distribution.
The seed is fixed, so two files of one size are the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from benchmarks.anonymizers_csv import header_of, quoted

SEED = 20_261_124
AGAIN = 0.1
PIECE = 500_000
_TEXT = pa.large_string()


def bootstrap(source: Path, rows: int, target: Path, separator: str = ";") -> None:
    table = csv.read_csv(
        source,
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(header_of(source, separator), pa.string())
        ),
    )
    columns = [
        pa.array([quoted(text, separator) for text in table.column(name).to_pylist()], _TEXT)
        for name in table.column_names
    ]
    chance = np.random.default_rng(SEED)
    with target.open("wb") as file:
        names = [quoted(name, separator) for name in table.column_names]
        file.write((separator.join(names) + "\n").encode())
        for start in range(0, rows, PIECE):
            size = min(PIECE, rows - start)
            drawn = chance.integers(0, len(table), size)
            fields = []
            for column in columns:
                again = chance.random(size) < AGAIN
                chosen = np.where(again, chance.integers(0, len(table), size), drawn)
                fields.append(column.take(pa.array(chosen)))
            fields[-1] = pc.binary_join_element_wise(fields[-1], _text("\n"), _text(""))
            lines = pc.binary_join_element_wise(*fields, _text(separator))
            _, offsets, data = lines.buffers()
            file.write(data[: np.frombuffer(offsets, dtype=np.int64)[size]])


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)


if __name__ == "__main__":
    bootstrap(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
