"""How many rows a second are measured: k, ℓ and t, with and without subjects.

    python -m benchmarks.anonymizers_risk FILE [--repeat 3]

The columns of the file are measured as categoricals, then as texts. Two subject columns of whole
numbers are made up: one row for each subject, and two anywhere in the file.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from anonymizers.recoding import risk
from benchmarks.anonymizers import QUASI_IDENTIFIERS, SENSITIVE
from benchmarks.anonymizers_csv import frame_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    frame = frame_of(options.file, ";")
    order = np.random.default_rng(1).permutation(len(frame))
    frame["one row"], frame["two rows"] = order, order // 2
    texts = frame.astype(dict.fromkeys([*QUASI_IDENTIFIERS, SENSITIVE], "str"))
    print(f"{len(frame):,} rows\n")
    print("| measured | million rows/s | by CPU time |\n| --- | --- | --- |", flush=True)
    for name, data, sensitive, subject in (
        ("k", frame, [], None),
        ("k, ℓ, t", frame, [SENSITIVE], None),
        ("k, ℓ, t, subjects of one row", frame, [SENSITIVE], "one row"),
        ("k, ℓ, t, subjects of two rows", frame, [SENSITIVE], "two rows"),
        ("k, ℓ, t of columns of text", texts, [SENSITIVE], None),
    ):
        seconds, cpu = [], []
        for _ in range(options.repeat):
            start = time.perf_counter(), time.process_time()
            risk.measure(data, QUASI_IDENTIFIERS, sensitive, subject)
            seconds.append(time.perf_counter() - start[0])
            cpu.append(time.process_time() - start[1])
        speed = [len(frame) / statistics.median(each) / 1e6 for each in (seconds, cpu)]
        print(f"| {name} | {speed[0]:.1f} | {speed[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
