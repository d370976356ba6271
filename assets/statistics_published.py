"""Stage 6, publish: a release that passed leaves quarantine, all of it or nothing.

This asset trusts no step before it: the engine computes the bytes' digest again and looks in
the control store for an audit of exactly these that passed. On any failure the last good
release stays where it is.
"""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets import metadata, naming
from assets.blueprint import Blueprint
from assets.door import Door, safe_errors
from assets.statistics_quarantine import at_statistics, of_release
from retention.releases.building import find_built
from retention.releases.built import DICTIONARY, Published, Record
from retention.releases.files import SUFFIX, read_parquet
from retention.releases.model import MicrodataDeclaration, Release
from retention.releases.publishing import publish, records

_SHOWN_ROWS = 12


def published_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """``statistics/<release>`` for each declared release."""
    return [_published(blueprint, name) for name in blueprint.release_names]


def _published(blueprint: Blueprint, name: str) -> dg.AssetsDefinition:
    declared = blueprint.release(name)
    about = f" {declared.description.strip()}" if declared.description else ""

    @dg.asset(
        key=naming.of_release(naming.PUBLISHED, name),
        deps=[naming.of_release(naming.QUARANTINE, name)],
        **of_release(blueprint, name),
        description=(
            f"{blueprint.release_title(name)}: anonymised, audited, for analysts to use "
            f"(données publiées).{about} "
            f"{_shape(declared)}. A release that fails a check is not published; the last good "
            "one stays."
        ),
    )
    def published(
        context: dg.AssetExecutionContext, retention: dg.ResourceParam[Door]
    ) -> dg.MaterializeResult:
        with safe_errors():
            installation, releases = at_statistics(retention)
            month = context.partition_key
            retention.announce("publish", name, 0)
            built = find_built(installation, name, month)
            out = publish(
                installation,
                releases,
                built,
                clock=retention.now,
                run_id=context.run.run_id,
            )
            known = [record for record in records(installation, name) if _is(record, out)]
            return dg.MaterializeResult(metadata=_told(releases.releases[name], out, known[-1]))

    return published


def _is(record: Record, out: Published) -> bool:
    return (record.month, record.digest) == (out.month, out.digest)


def _shape(declared: Release) -> str:
    cubes, rows = ", ".join(declared.cubes), ", ".join(declared.microdata)
    told = [f"Counts and sums: {cubes}" if cubes else "", f"Rows: {rows}" if rows else ""]
    return ". ".join(part for part in told if part)


def _told(declared: Release, out: Published, record: Record) -> dict[str, Any]:
    statistics = out.folder.parent.parent
    page = naming.data_docs_page(statistics, out.release, out.month, out.digest)
    found: metadata.Metadata = {
        "as_of": record.as_of.isoformat(),
        "revision": out.revision,
        "digest": out.digest,
        "folder": dg.MetadataValue.path(str(out.folder)),
        "data_docs": dg.MetadataValue.path(str(page)),
    }
    meanings = json.loads((out.folder / DICTIONARY).read_text(encoding="utf-8"))["files"]
    for place, (part, form) in enumerate(declared.parts):
        file = part + SUFFIX
        frame = read_parquet(out.folder / file)
        schema = _schema(frame, meanings[file]["columns"])
        found["dagster/column_schema" if place == 0 else f"columns_of_{part}"] = schema
        found["dagster/row_count" if place == 0 else f"rows_of_{part}"] = len(frame)
        found[f"some_rows_of_{part}"] = _preview(
            frame, spread=isinstance(form, MicrodataDeclaration)
        )
    return found | metadata.figures(record.figures)


def _schema(frame: Any, meanings: Sequence[dict[str, Any]]) -> dg.TableSchema:
    """The columns of a file that is out, as its data dictionary explains them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                meaning["name"],
                str(frame[meaning["name"]].dtype),
                description=_meaning(meaning),
                tags={"role": meaning["role"].replace(" ", "_")},
            )
            for meaning in meanings
        ]
    )


def _meaning(meaning: dict[str, Any]) -> str:
    french = f" ({meaning['label_fr']})" if meaning.get("label_fr") else ""
    note = f". {meaning['description']}" if meaning.get("description") else ""
    return f"{meaning['label']}{french}{note}"


def _preview(frame: Any, *, spread: bool) -> Any:
    """Some rows, for everybody: they are published. Nothing stands where a number is hidden.

    The first ones, which of a cube are its totals; or, ``spread``, some from all over the file.
    """
    step = max(1, len(frame) // _SHOWN_ROWS) if spread else 1
    head = frame.iloc[::step].head(_SHOWN_ROWS).astype(object)
    rows = head.where(head.notna(), "").to_dict("records")
    lines = [{name: _cell(value) for name, value in row.items()} for row in rows]
    return metadata.table(lines, frame.columns)


def _cell(value: Any) -> str | int:
    return value if isinstance(value, str) else f"{value:,}"
