"""Records that requests took out, and that are there again since a backup was restored.

The very rows of an erasure are taken up again by a request of their own; the others wait for a
person. Opaque ids and counts only: which records they are is asked with
``retention request returned``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import dagster as dg

from assets import metadata, naming
from assets.door import Door, safe_errors
from retention.errors import SourceError
from retention.requests.doing.again import redo
from retention.requests.model import RequestId
from retention.requests.proving.returning import Returned, returned
from retention.settings import Mode

_ABOUT = (
    "No record that a request erased or restricted is there again. A warning while the program "
    "sees to it by itself (the very same rows, erased once more), an error where a person has to: "
    "'retention request returned'."
)
_COLUMNS = ("request", "table", "rows", "what_they_are", "seen_to_by")
_SHORT = 12


def returned_assets() -> list[dg.AssetsDefinition]:
    """``requests/returned``."""

    @dg.asset(
        key=naming.RETURNED,
        group_name=naming.REQUESTS,
        owners=naming.OWNERS,
        kinds={"python"},
        description=(
            "Looks whether records that were erased at a person's request are there again, brought "
            "back by a restored backup, and has the very same rows erased once more. "
            "(Retour de données effacées.)"
        ),
        check_specs=[
            dg.AssetCheckSpec(
                naming.THE_ERASED_STAY_AWAY, asset=naming.RETURNED, description=_ABOUT
            )
        ],
    )
    def back(retention: dg.ResourceParam[Door]) -> dg.MaterializeResult:
        with safe_errors():
            installation = retention.installation()
            retention.announce("requests", "", 0)
            try:
                found = returned(installation)
            except SourceError as error:
                return dg.MaterializeResult(check_results=[_check([], {}, str(error))])
            may = installation.settings.mode is not Mode.observe
            wanted = may and installation.settings.requests.redo_returned
            made = redo(installation, found, retention.now()) if wanted else {}
            return dg.MaterializeResult(
                metadata={
                    "records": len(found),
                    "taken_up_again": len(made),
                    "returned": metadata.table(_rows(found, made), _COLUMNS),
                },
                check_results=[_check(found, made)],
            )

    return [back]


def _rows(
    found: Sequence[Returned], made: Mapping[RequestId, RequestId]
) -> list[dict[str, str | int]]:
    counted = Counter((item.request_id, item.table, item.unchanged) for item in found)
    return [
        {
            "request": number[:_SHORT],
            "table": str(table),
            "rows": rows,
            "what_they_are": "the very same" if unchanged else "like them",
            "seen_to_by": f"request {made[number][:_SHORT]}"
            if unchanged and number in made
            else "a person",
        }
        for (number, table, unchanged), rows in sorted(counted.items())
    ]


def _check(
    found: Sequence[Returned], made: Mapping[RequestId, RequestId], failed: str | None = None
) -> dg.AssetCheckResult:
    left = [item for item in found if not (item.unchanged and item.request_id in made)]
    said = failed
    if found:
        said = (
            f"{len(found)} record(s) that requests took out are there again: "
            f"{len(found) - len(left)} taken up by new requests, {len(left)} for a person to see "
            "to ('retention request returned')"
        )
    return dg.AssetCheckResult(
        asset_key=naming.RETURNED,
        check_name=naming.THE_ERASED_STAY_AWAY,
        passed=said is None,
        severity=dg.AssetCheckSeverity.ERROR if left or failed else dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"records": len(found), "for_a_person": len(left)},
    )
