"""Recode a CSV file, and say what that took and what it lost.

    python -m benchmarks.anonymizers --adult FILE --hierarchies DIR --k 10 \
        [--l 3 --l-kind entropy] [--t 0.2] [--global | --mondrian] [--rows N] \
        --out RELEASE.csv --json FIGURES.json

FILE has a header; DIR has a file named ``…hierarchy_COLUMN.csv`` (or ``COLUMN.csv``) for each
quasi-identifier: one path from leaf to ``*`` a line. Labels in the release are those of the
hierarchies; the other columns stay as they are. With ``--rows N`` a bootstrap of FILE of that many
rows is recoded instead (see ``anonymizers_bootstrap``). What is timed is CSV to CSV; afterwards
the release is read again and measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anonymizers.hierarchies import Hierarchy, HierarchyError
from anonymizers.recoding import risk
from anonymizers.recoding.axes import CategoryAxis
from anonymizers.recoding.full_domain import GlobalRecoding
from anonymizers.recoding.local import LocalRecoding
from anonymizers.recoding.models import (
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    PrivacyModel,
    RecursiveDiversity,
    TCloseness,
)
from anonymizers.recoding.mondrian import Mondrian
from anonymizers.recoding.recode import Recoding, RecodingError
from benchmarks import anonymizers_csv

QUASI_IDENTIFIERS = (
    "sex",
    "age",
    "race",
    "marital-status",
    "education",
    "native-country",
    "workclass",
    "salary-class",
)
SENSITIVE = "occupation"


def main() -> None:
    options = _parser().parse_args()
    try:
        with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=".bootstrap") as folder:
            source = options.adult
            if options.rows:
                source = Path(folder) / "bootstrap.csv"
                _bootstrap(options.adult, options.rows, source)
            figures = run(options, source)
    except (HierarchyError, RecodingError, ValueError, OSError, pa.ArrowInvalid) as error:
        raise SystemExit(f"error: {error}") from error
    text = json.dumps(_finite(figures), indent=2, allow_nan=False)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)


def run(options: argparse.Namespace, source: Path) -> dict[str, Any]:
    """Read, recode, write; then measure what was written."""
    start = _clock()
    trees = hierarchies(options.hierarchies, options.quasi_identifiers)
    models, recoding = _chosen(options, trees)
    sensitive = sorted({model.sensitive for model in models if model.sensitive})
    axes = [CategoryAxis(tree) for tree in trees]
    table = anonymizers_csv.read(source, options.separator, axes, sensitive)
    have_read = _clock()
    found = recoding.fit_tuples(axes, table.tuples)
    have_fit = _clock()
    anonymizers_csv.write(options.out, options.separator, table, recoding, found)
    have_written = _clock()
    peak = _peak()
    del table, found
    steps = {"read": (start, have_read), "recode": (have_read, have_fit)}
    steps |= {"write": (have_fit, have_written), "csv to csv": (start, have_written)}
    return {
        "models": [str(model) for model in models],
        "report": asdict(recoding.report_),
        "release": _measured(options, trees),
        "seconds": {name: round(end[0] - begin[0], 3) for name, (begin, end) in steps.items()},
        "cpu seconds": {name: round(end[1] - begin[1], 3) for name, (begin, end) in steps.items()},
        "peak memory, GB": round(peak, 3),
        "conditions": conditions(),
    }


def hierarchies(folder: Path, columns: list[str]) -> list[Hierarchy]:
    """The hierarchies of a folder, in the order of the columns."""
    found = []
    for column in columns:
        paths = [*folder.glob(f"*hierarchy_{column}.csv"), *folder.glob(f"{column}.csv")]
        if not paths:
            raise SystemExit(f"error: {folder} has no hierarchy of {column}")
        found.append(Hierarchy.from_csv(paths[0], column))
    return found


def conditions() -> dict[str, Any]:
    """What the figures depend on, besides the data."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 1),
    }


def _measured(options: argparse.Namespace, trees: list[Hierarchy]) -> dict[str, Any]:
    frame = anonymizers_csv.frame_of(options.out, options.separator)
    start = time.perf_counter()
    kept = [name for name in [options.sensitive] if name in frame]
    figures = risk.measure(frame, options.quasi_identifiers, kept)
    seconds = time.perf_counter() - start
    lost = 0.0
    for tree in trees:
        loss = {
            label: penalty
            for level in reversed(range(tree.depth))
            for label, penalty in zip(tree.labels[level], tree.ncp(level).tolist(), strict=True)
        }
        counts = frame[tree.column].value_counts()
        lost += sum(loss[label] * count for label, count in counts.items()) / len(trees)
    found = asdict(figures)
    found["mean loss of the cells released"] = lost / max(len(frame), 1)
    found["rows measured a second"] = round(len(frame) / max(seconds, 1e-9))
    return found


def _finite(figures: Any) -> Any:
    """JSON knows no infinity: a ratio that is infinite becomes a text."""
    if isinstance(figures, dict):
        return {str(name): _finite(value) for name, value in figures.items()}
    return "infinite" if isinstance(figures, float) and figures == float("inf") else figures


def _chosen(
    options: argparse.Namespace, trees: list[Hierarchy]
) -> tuple[list[PrivacyModel], Recoding]:
    models: list[PrivacyModel] = [KAnonymity(options.k)]
    if options.l is not None:
        column = options.sensitive
        models.append(
            {
                "distinct": lambda: DistinctDiversity(column, int(options.l)),
                "entropy": lambda: EntropyDiversity(column, options.l),
                "recursive": lambda: RecursiveDiversity(column, options.c, int(options.l)),
            }[options.l_kind]()
        )
    if options.t is not None:
        tree = None
        if options.t_distance != "equal":
            (tree,) = hierarchies(options.hierarchies, [options.sensitive])
        models.append(TCloseness(options.sensitive, options.t, options.t_distance, tree))
    if options.full_domain:
        share = 0.05 if options.max_suppressed is None else options.max_suppressed
        return models, GlobalRecoding(trees, models, max_suppressed=share)
    if options.mondrian:
        return models, Mondrian(trees, models)
    share = 0.002 if options.max_suppressed is None else options.max_suppressed
    return models, LocalRecoding(trees, models, max_suppressed=share)


def _bootstrap(source: Path, rows: int, target: Path) -> None:
    # In a process of its own: the peak memory of this one is a figure.
    command = [sys.executable, "-m", "benchmarks.anonymizers_bootstrap"]
    subprocess.run([*command, str(source), str(rows), str(target)], check=True)


def _clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _peak() -> float:
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anonymizers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--adult", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hierarchies", type=Path, required=True, metavar="DIR")
    parser.add_argument("--separator", default=";")
    parser.add_argument("--quasi-identifiers", nargs="+", default=list(QUASI_IDENTIFIERS))
    parser.add_argument("--sensitive", default=SENSITIVE)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--l", type=float, help="ℓ of --l-kind")
    parser.add_argument("--l-kind", choices=["distinct", "entropy", "recursive"], default="entropy")
    parser.add_argument("--c", type=float, default=2.0, help="c of recursive diversity")
    parser.add_argument("--t", type=float)
    parser.add_argument(
        "--t-distance", choices=["equal", "ordered", "hierarchical"], default="equal"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--global", dest="full_domain", action="store_true", help="global recoding")
    how.add_argument("--mondrian", action="store_true")
    parser.add_argument("--max-suppressed", type=float, help="share of the rows")
    parser.add_argument("--rows", type=int, help="recode a bootstrap of so many rows")
    parser.add_argument("--out", type=Path, required=True, metavar="RELEASE.csv")
    parser.add_argument("--json", type=Path, metavar="FIGURES.json")
    return parser


if __name__ == "__main__":
    main()
