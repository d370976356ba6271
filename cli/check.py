"""``retention check``: is the installation fit to run?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from cli.door import door
from cli.options import Config, Json
from cli.output import Advance, progress, say, show_table, write_json
from retention.errors import SourceError

if TYPE_CHECKING:
    from retention.catalogue.findings import Finding
    from retention.installation import Installation


def check(ctx: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Check configuration, connections, and whether the catalogue still fits the databases.

    Nothing is changed in any source. Each finding is an error, which stops the owner tree it
    is in, or a warning. Faults of the configuration itself are listed on standard error (exit
    code 2), a store out of reach too (4); with any error among the findings the exit code is 3.
    """
    with door(ctx, config).installation() as installation:
        systems = installation.catalogue.systems
        with progress("checking", len(systems)) as advance:
            found = list(findings(installation, advance))
        errors = sum(item.severity == "error" for item in found)
        tables = sum(1 for _ in installation.catalogue.tables())
        if as_json:
            write_json(
                {
                    "policy": installation.policy.policy,
                    "catalogue": installation.catalogue_digest(),
                    "mode": installation.settings.mode,
                    "systems": list(systems),
                    "tables": tables,
                    "errors": errors,
                    "warnings": len(found) - errors,
                    "findings": found,
                }
            )
        else:
            say(
                f"policy {installation.policy.policy}, mode {installation.settings.mode}: "
                f"{len(systems)} systems, {tables} governed tables, 5 stores"
            )
            if found:
                rows = [(item.severity, item.place, item.problem) for item in found]
                show_table("Findings", ["severity", "place", "problem"], rows)
            say(f"{errors} errors, {len(found) - errors} warnings" if found else "all is well")
    if errors:
        raise SourceError(f"{errors} error(s) found: the owner trees they are in cannot be touched")


def findings(installation: Installation, advance: Advance) -> Iterator[Finding]:
    """What is wrong or worth knowing, system by system; errors of each before its warnings."""
    # Imported when it runs: what the engine needs is slow to import.
    from retention.catalogue.coherence import coherent
    from retention.catalogue.drift import check_system
    from retention.catalogue.findings import Finding
    from retention.execution.counting import redeclared
    from retention.releases.reading import declared_releases

    settings, catalogue = installation.settings, installation.catalogue
    yield from coherent(catalogue, installation.policy, settings.path(settings.catalogue))
    declared_releases(installation)  # its faults are faults of the configuration
    for table, reason in redeclared(installation).items():
        yield Finding(table, reason.removeprefix(f"{table}: "), "error", table)
    for system in catalogue.systems:
        advance(system)
        try:
            found = check_system(installation.sources, catalogue, system)
        except SourceError as error:
            yield Finding(system, str(error).removeprefix(f"{system}: "), "error", None)
            continue
        yield from sorted(found, key=lambda item: item.severity)
