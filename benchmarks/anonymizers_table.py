"""The table of recodings in docs/benchmarks.md: ours and a peer, side by side in one run.

    python -m benchmarks.anonymizers_table --adult FILE --hierarchies DIR [--repeat 3]
        [--rows 1000000 10000000] [--peer-rows 1000000] [--work build/benchmarks]

Every figure is of a process of its own, from CSV to CSV; of several runs the median is given.
The peer, and the oracle that measures our releases anew, get environments of their own, made from
``peers.txt`` and ``oracle.txt`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizers.recoding import risk
from benchmarks import anonymizers_csv
from benchmarks.anonymizers import QUASI_IDENTIFIERS, SENSITIVE, conditions

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A recoding to be run: ``rows`` None is the file itself."""

    name: str
    options: tuple[str, ...]
    rows: int | None = None


def cases(sizes: Sequence[int]) -> list[Case]:
    found = []
    for k in (5, 10, 50):
        found.append(Case(f"local, k = {k}", ("--k", str(k))))
        found.append(Case(f"global, k = {k}", ("--k", str(k), "--global")))
        found.append(Case(f"Mondrian, k = {k}", ("--k", str(k), "--mondrian")))
    for name, options in (
        ("distinct ℓ = 3", ("--l", "3", "--l-kind", "distinct")),
        ("entropy ℓ = 3", ("--l", "3")),
        ("t = 0.2", ("--t", "0.2")),
    ):
        found.append(Case(f"local, k = 10, {name}", ("--k", "10", *options)))
    for rows in sizes:
        found += [Case(f"local, k = {k}", ("--k", str(k)), rows) for k in (5, 10, 50)]
        found.append(Case("global, k = 10", ("--k", "10", "--global"), rows))
        found.append(Case("Mondrian, k = 10", ("--k", "10", "--mondrian"), rows))
        found.append(Case("local, k = 10, entropy ℓ = 3", ("--k", "10", "--l", "3"), rows))
    return found


def main() -> None:
    options = _parser().parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    sources: dict[int | None, Path] = {None: options.adult}
    for rows in options.rows:
        sources[rows] = options.work / f"bootstrap-{rows}.csv"
        if not sources[rows].exists():
            command = [sys.executable, "-m", "benchmarks.anonymizers_bootstrap"]
            _run([*command, str(options.adult), str(rows), str(sources[rows])])
    print(f"{conditions()}\n")
    header = ("rows", "what", "s", "CPU s", "GB", "NCP", "suppressed", "classes", "DM", "k")
    _line(header)
    _line(["---"] * len(header))
    peer: dict[int | None, dict[str, Any]] = {}
    for rows in (None, *options.peer_rows):
        for k in (5, 10, 50) if rows is None else (10,):
            found = _peer(options, sources[rows], k)
            peer[rows] = found if k == 10 else peer.get(rows, {})
            _line(_shown(rows, f"anonypyx, k = {k}", found))
    for case in cases(options.rows):
        found = _ours(options, case, sources[case.rows])
        _line(_shown(case.rows, case.name, found))
        if case.name == "local, k = 10" and case.rows in peer:
            for what in ("recode", "csv to csv"):
                ratios = [
                    peer[case.rows][clock][what] / found[clock][what]
                    for clock in ("seconds", "cpu seconds")
                ]
                print(f"\nanonypyx / local, {what}: {ratios[0]:.0f}, CPU {ratios[1]:.0f}\n")
    _oracle(options)
    for rows in options.rows:
        print("\n" + _run([sys.executable, "-m", "benchmarks.anonymizers_risk", sources[rows]]))


def _ours(options: argparse.Namespace, case: Case, source: Path) -> dict[str, Any]:
    figures = options.work / "figures.json"
    found = []
    for _ in range(options.repeat):
        command = [sys.executable, "-m", "benchmarks.anonymizers", "--adult", str(source)]
        command += ["--hierarchies", str(options.hierarchies), *case.options]
        _run([*command, "--out", str(options.work / "release.csv"), "--json", str(figures)])
        found.append(json.loads(figures.read_text(encoding="utf-8")))
    return found[0] | {
        clock: {
            what: statistics.median(each[clock][what] for each in found) for what in found[0][clock]
        }
        for clock in ("seconds", "cpu seconds")
    }


def _peer(options: argparse.Namespace, source: Path, k: int) -> dict[str, Any]:
    python = _environment(options.work / "peers", HERE / "peers.txt")
    release = options.work / "peer.csv"
    script = HERE / "anonymizers_peer_anonypyx.py"
    found: dict[str, Any] = json.loads(
        _run([python, "-I", script, source, k, release, *QUASI_IDENTIFIERS])
    )
    return found


def _oracle(options: argparse.Namespace) -> None:
    """Our figures of the releases of the file itself beside those of pycanon."""
    python = _environment(options.work / "oracle", HERE / "oracle.txt")
    print()
    _line(("release", "measured by", "k", "distinct ℓ", "entropy ℓ", "t"))
    _line(["---"] * 6)
    for case in cases([]):
        if "k = 10" not in case.name:
            continue
        _ours(argparse.Namespace(**vars(options) | {"repeat": 1}), case, options.adult)
        release = options.work / "release.csv"
        frame = anonymizers_csv.frame_of(release, ";")
        mine = risk.measure(frame, QUASI_IDENTIFIERS, [SENSITIVE])
        worst = mine.sensitive[SENSITIVE]
        theirs = json.loads(
            _run(
                [
                    python,
                    "-I",
                    HERE / "anonymizers_oracle.py",
                    release,
                    SENSITIVE,
                    *QUASI_IDENTIFIERS,
                ]
            )
        )
        entropy, close = f"{worst.entropy:.4f}", f"{worst.closeness['equal']:.6f}"
        theirs["equal"] = f"{theirs['equal']:.6f}"
        _line((case.name, "risk.measure", mine.k, worst.distinct, entropy, close))
        _line((case.name, "pycanon", *theirs.values()))


def _environment(folder: Path, requirements: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            requirements,
        ]
        _run(install)
    return python


def _run(command: Sequence[object]) -> str:
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _shown(rows: int | None, name: str, found: dict[str, Any]) -> list[object]:
    report = found.get("report")
    lost: list[object] = ["", "", "", "", ""]
    if report:
        lost = [
            f"{report['ncp']:.4f}",
            f"{report['suppressed'] / report['rows']:.2%}",
            f"{report['classes']:,}",
            f"{report['discernibility']:.3g}",
            found["release"]["k"],
        ]
    seconds, cpu = found["seconds"]["csv to csv"], found["cpu seconds"]["csv to csv"]
    memory = found["peak memory, GB"]
    return [f"{rows or 30162:,}", name, f"{seconds:.2f}", f"{cpu:.2f}", f"{memory:.2f}", *lost]


def _line(cells: Sequence[object]) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anonymizers_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--adult", type=Path, required=True, metavar="FILE")
    parser.add_argument("--hierarchies", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--peer-rows", type=int, nargs="*", default=[])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    return parser


if __name__ == "__main__":
    main()
