"""What requests leave behind goes when its time is over: files, packages, opposition entries."""

import dagster as dg

from assets import naming
from assets.door import Door, safe_errors
from retention.requests.book.retiring import retire
from retention.settings import Mode

_COUNTED = {
    "requests": "files_forgotten",
    "packages": "packages_made_unreadable",
    "opposition": "opposition_entries_removed",
    "emptied": "files_reduced_to_evidence",
    "waiting": "files_kept_beyond_their_day",
    "holds": "released_holds_forgotten",
    "reviews": "review_cases_of_rows_that_are_gone",
}


def retired_assets() -> list[dg.AssetsDefinition]:
    """``requests/retired``."""

    @dg.asset(
        key=naming.RETIRED,
        group_name=naming.REQUESTS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Files of answered and refused requests, packages and entries of the opposition list "
            "go on the day the policy says; a package's key is destroyed. Who asked goes once the "
            "letter is marked as sent, or as long after it as a package is kept. A file stays beyond "
            "its day while a hold, a restriction or an untold recipient needs it. "
            "(Purge des dossiers.)"
        ),
        pool=naming.WRITER_POOL,
    )
    def retired(retention: dg.ResourceParam[Door]) -> dg.MaterializeResult:
        with safe_errors():
            installation, day = retention.installation(), retention.day()
            retention.announce("requests", "", 0)
            if installation.settings.mode is Mode.observe:
                return dg.MaterializeResult(metadata={"mode": "observe: nothing is touched"})
            done = retire(installation, day, retention.now())
            counts = {name: done[what] for what, name in _COUNTED.items()}
            return dg.MaterializeResult(metadata={"as_of": day.isoformat(), **counts})

    return [retired]
