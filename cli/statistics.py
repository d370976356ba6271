"""``retention statistics``: anonymised releases, published, listed, shown and verified."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.door import door
from cli.failure import exit_unless, warn
from cli.options import AsOf, Config, Json
from cli.output import progress, say, show_table, write_json
from retention.errors import ConfigurationError, RetentionError

if TYPE_CHECKING:
    import pandas as pd

    from retention.installation import Installation
    from retention.releases.built import Published, Record
    from retention.releases.model import Releases

app = typer.Typer(
    no_args_is_help=True, help="Anonymised statistics: what is published of the active base."
)

ROWS_SHOWN = 10
"""Of each file, by ``show`` without ``--csv``."""

ReleaseArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A release, as 'retention statistics list' shows.")
]


def launcher() -> Callable[..., Any]:
    """What runs the monthly job: the Dagster job, in this process."""
    from pipelines.launch import run_statistics

    return run_statistics


@app.command("list")
def list_releases(ctx: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """List what is published, release by release, newest month first.

    A declared release that is not out yet is listed too, and so is a build that its audit
    has refused.
    """
    from retention.releases.publishing import published, records

    with door(ctx, config).installation() as installation:
        declared = _declared(installation)
        out = published(installation)
        refused = _refused(records(installation))
    if as_json:
        write_json(
            {
                "declared": list(declared.releases),
                "published": [_as_json(item) for item in out],
                "refused": [_record_as_json(item) for item in refused],
            }
        )
        return
    rows: list[Sequence[object]] = []
    for name, release in declared.releases.items():
        mine = sorted((item for item in out if item.release == name), key=_month, reverse=True)
        rows += [
            (name, release.label, item.month, f"published {item.published_at:%Y-%m-%d}",
             item.digest[:12], item.revision, len(item.files))
            for item in mine
        ]  # fmt: skip
        if not mine:
            rows.append((name, release.label, None, "not published yet", None, None, None))
    rows += [
        (item.release, "", item.month, f"refused {item.audited_at:%Y-%m-%d}", item.digest[:12],
         None, None)
        for item in refused
    ]  # fmt: skip
    columns = ["release", "label", "month", "state", "digest", "revision", "files"]
    show_table("Statistics", columns, rows, numbers=2, fixed=("month", "digest"))


def _month(item: Published) -> str:
    return item.month


def _refused(found: Sequence[Record]) -> list[Record]:
    return [item for item in found if item.passed is False and item.published_at is None]


def _declared(installation: Installation) -> Releases:
    from retention.releases.reading import declared_releases

    found = declared_releases(installation)
    if found is None:
        raise ConfigurationError("the settings name no 'statistics': there is nothing to release")
    return found


def _as_json(item: Published) -> dict[str, Any]:
    return {
        "release": item.release,
        "month": item.month,
        "revision": item.revision,
        "digest": item.digest,
        "folder": str(item.folder),
        "files": list(item.files),
        "published_at": item.published_at,
    }


def _record_as_json(item: Record) -> dict[str, Any]:
    return {
        "release": item.release,
        "month": item.month,
        "digest": item.digest,
        "audited_at": item.audited_at,
        "figures": dict(item.figures),
    }


@app.command()
def show(
    ctx: typer.Context,
    *,
    name: ReleaseArgument,
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="By default the newest that is out."),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="NAME", help="One cube, or one table of microdata."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Write the whole of a file as CSV on standard output.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a published release: what it is, how it was audited, its first rows.

    With --csv the rows of one file (--file, where there are several) are written as CSV:
    a suppressed number is empty. With --json the manifest and the data dictionary.
    """
    with door(ctx, config).installation() as installation:
        found = _find(installation, name, month)
    files = _chosen(found, file)
    if as_csv:
        if len(files) > 1:
            names = ", ".join(path.stem for path in files)
            raise ConfigurationError(f"{name} has several files: give --file, one of {names}")
        _write_csv(_frame(files[0]))
    elif as_json:
        write_json(
            {"manifest": _document(found, "manifest"), "dictionary": _document(found, "dictionary")}
        )
    else:
        _show(found, files)


def _find(installation: Installation, name: str, month: str | None) -> Published:
    from retention.releases.publishing import published

    out = [item for item in published(installation) if item.release == name]
    if month is not None:
        out = [item for item in out if item.month == month]
    if not out:
        of_month = f" of {month}" if month else ""
        raise ConfigurationError(
            f"no release '{name}'{of_month} is published; 'retention statistics list' shows what is"
        )
    return max(out, key=_month)


def _chosen(found: Published, file: str | None) -> list[Path]:
    paths = [found.folder / name for name in found.files]
    if file is None:
        return paths
    chosen = [path for path in paths if file in (path.name, path.stem)]
    if not chosen:
        names = ", ".join(path.stem for path in paths)
        raise ConfigurationError(f"{found.release} has no file '{file}', but {names}")
    return chosen


def _frame(path: Path) -> pd.DataFrame:
    from retention.releases.files import read_parquet

    return read_parquet(path)


def _document(found: Published, name: str) -> dict[str, Any]:
    from retention.releases.files import read_bytes

    document: dict[str, Any] = json.loads(read_bytes(found.folder / f"{name}.json"))
    return document


def _write_csv(frame: pd.DataFrame) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(_plain(frame))


def _plain(frame: pd.DataFrame) -> Iterator[list[object]]:
    """Rows of plain values; nothing where a number is suppressed."""
    for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
        yield list(row)


def _show(found: Published, files: Sequence[Path]) -> None:
    manifest = _document(found, "manifest")
    say(
        f"{manifest['label']} / {manifest['label_fr']}",
        f"{found.release} {found.month}, revision {found.revision}, of {manifest['as_of']}",
        f"digest {found.digest}",
        f"folder {found.folder}",
    )
    if manifest["description"]:
        say(manifest["description"])
    for path in files:
        frame = _frame(path)
        rows = list(_plain(frame.head(ROWS_SHOWN)))
        more = f", the first {ROWS_SHOWN} of {len(frame)} rows" if len(frame) > ROWS_SHOWN else ""
        numbers = sum(1 for name in frame.columns if frame[name].dtype == "Int64")
        shown = [name for name in frame.columns if frame[name].dtype != "Int64"]
        shown += [name for name in frame.columns if frame[name].dtype == "Int64"]
        order = [list(frame.columns).index(name) for name in shown]
        show_table(
            f"\n{path.stem}{more}",
            shown,
            [[row[place] for place in order] for row in rows],
            numbers=numbers,
        )
    audit = manifest["audit"]
    checks = [
        (check, ", ".join(f"{name} {value}" for name, value in figures.items()))
        for check, figures in audit["checks"].items()
    ]
    show_table(f"Audit, passed {audit['passed_at'][:10]}", ["check", "figures"], checks)


@app.command()
def verify(ctx: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Verify what is published: every byte, the manifests, the ledger; exit code 1 for a problem.

    Checks that need no source are repeated on the published bytes.
    """
    from retention.releases.publishing import published
    from retention.releases.verifying import verify as verified

    with door(ctx, config).installation() as installation:
        found = verified(installation, _declared(installation))
        out = published(installation)
    if as_json:
        lines = [
            {"check": f.check, "problem": f.problem, "figures": dict(f.figures)} for f in found
        ]
        write_json({"sound": not found, "published": len(out), "findings": lines})
    elif not found:
        say(f"all {len(out)} published releases are as they were audited")
    if found:
        for finding in found if not as_json else ():
            warn(str(finding))
        raise RetentionError(f"statistics: {len(found)} problem(s) found")


@app.command()
def publish(
    ctx: typer.Context,
    *,
    release: Annotated[
        list[str] | None,
        typer.Option("--release", metavar="NAME", help="Only this one; may be given repeatedly."),
    ] = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write, audit and publish the releases of this month.

    This is the same job that Dagster's schedule starts, in this process. Statistics are made of
    the data as they stand: a month that is over cannot be published any more. A release that
    fails a check is not published, its last good one stays, and the others go on (exit code 1).
    """
    at = door(ctx, config)
    result = _launch(at, as_of, tuple(release or ()))
    if as_json:
        write_json(
            {
                "success": result.success,
                "run_id": result.run_id,
                "exit_code": result.exit_code,
                "as_of": result.as_of,
                "failures": list(result.failures),
                "published": [_as_json(item) for item in result.published],
            }
        )
    else:
        for item in result.published:
            say(
                f"{item.release} {item.month}: published, revision {item.revision}, in {item.folder}"
            )
    exit_unless(result)


def _launch(at: Any, as_of: Any, releases: tuple[str, ...]) -> Any:
    launch = launcher()
    with progress("statistics", None) as advance:

        def on_event(stage: str, name: str, rows: int) -> None:
            advance(f"{stage} {name}", 0 if rows else 1)

        return launch(
            at.required_config(),
            at.environment,
            as_of=as_of,
            releases=releases,
            on_event=on_event,
        )
