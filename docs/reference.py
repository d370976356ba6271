"""``python docs/reference.py``: writes the reference pages from the models themselves.

``catalogue.md``, ``settings.md``, ``policy.md`` and ``statistics.md`` list every key of the four
documents a user writes. What a key means is its docstring in the model; ``NOTES`` says it where the name
was thought to speak for itself. ``tests/test_docs.py`` fails where a page is out of date.
"""

# ruff: noqa: INP001 - a script beside the pages it writes

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from retention.catalogue.model import Catalogue
from retention.policy.calendar import Period
from retention.policy.table import Policy, Term
from retention.releases.model import Releases
from retention.settings import Settings

FOLDER = Path(__file__).resolve().parent

NOT_WRITTEN = {"Settings": {"folder", "environment"}, "Purpose": {"id", "financial_year_end"}}
"""Fields the program fills in itself."""

UNKNOWN = (
    "A key that is not listed here is an error, and so is one that is missing where *required* "
    "stands. Faults are named with file, line and key."
)

NOTES: dict[str, str] = {
    "Catalogue.catalogue": "Its name.",
    "Catalogue.links": "Which columns of two systems name the same person, each link by name.",
    "Catalogue.systems": "The source systems, by name. The name is the first part of `system.table`.",
    "Catalogue.recipients": (
        "Who was given data of which tables, each by name: told of corrections, erasures and "
        "restrictions (GDPR art. 19)."
    ),
    "Recipient.label": "What the recipient is called, in English.",
    "Recipient.label_fr": "In French.",
    "System.label": "What the system is called where people read it.",
    "System.url": (
        "A SQLAlchemy URL without secrets. A relative SQLite path is relative to the folder of "
        "`retention.yaml`."
    ),
    "System.schema": "The database schema; by default the database's own.",
    "System.time_zone": "The zone that dates without one are local to, as `Europe/Paris`.",
    "System.tables": "The governed tables, by the name they have in the database.",
    "Table.label": "What the table holds, in English.",
    "Table.label_fr": "The same in French.",
    "Table.key": "The column that names one row, or a list of them.",
    "Table.owner": "The table whose rows own this table's rows.",
    "Table.references": "Foreign keys that are not ownership: a row referred to is not deleted.",
    "Table.purposes": (
        "The purposes of the policy that its rows are held for: `always`, or a condition on a "
        "column. At least one must be `always`. A dependant has none."
    ),
    "Table.origin_fr": "The origin, in French.",
    "Table.events": "Where each event of the policy is found: one source, or a list of them.",
    "Table.columns": "Every column of the table, by name. One that is missing here is an error.",
    "Table.accumulators": "Counts and sums that a row is added to when it leaves, by name.",
    "Table.description": "Anything else worth knowing.",
    "Reference.via": "This table's column, or a list of them in the order of the other table's key.",
    "Link.normaliser": (
        "`exact`; `email` (spaces around it dropped, ASCII letters lowered); `digits` (the "
        "digits only, as for telephone numbers)."
    ),
    "Column.format": "How the column writes dates.",
    "Column.sentinels": "Values that stand for no date.",
    "Column.archive": "`drop`: the column is not taken along into the archive.",
    "Column.pseudonymise": (
        "When the row is pseudonymised in place: `keep` it, replace it by a `token` (a "
        "pseudonym), or `clear` it."
    ),
    "Sentinels.unknown": "Written values that mean that the date is not known.",
    "Sentinels.open": 'Written values that mean "no end".',
    "EventSource.column": "The column with the day or instant of the event.",
    "EventSource.start": "For an interval, such as a contract: the column with its first day.",
    "EventSource.end": "The column with its last day; null there means that it is in force.",
    "EventSource.table": "A table owned by this one (with `link`: by the link's far table).",
    "EventSource.link": "A link of this catalogue: the event is found in another system.",
    "Condition.column": "A column of the row.",
    "Condition.equals": "It holds this value.",
    "Condition.one_of": "It holds one of these.",
    "Condition.is_null": "`true`: it holds nothing; `false`: it holds something.",
    "Coordinate.column": "A column of the table; one that identifies only on a level above its value.",
    "Coordinate.rule": "How it is generalised.",
    "ValueRule.kind": "The value as it is.",
    "DateRule.kind": "Dates.",
    "PostcodeRule.kind": "French postcodes.",
    "BandsRule.kind": "Numbers.",
    "BandsRule.edges": "Where a band ends and the next one begins.",
    "BandsRule.width": "How wide each band is.",
    "UserAgentRule.kind": "User agents.",
    "AddressRule.kind": "IP addresses.",
    "TableRule.kind": "Values listed in a file.",
    "TableRule.separator": "What stands between the fields of a line.",
    "Accumulator.by": "The coordinates of a cell.",
    "Accumulator.sums": "Columns that are summed; rows are counted in any case.",
    "Settings.policy": "The policy table. Relative paths are relative to this file's folder.",
    "Settings.catalogue": "The catalogue.",
    "Settings.stores": "The orchestrator's own databases: PostgreSQL, or SQLite files.",
    "Settings.master_key": "Where the master key is.",
    "Settings.mode": "`observe` plans and reports, and touches nothing.",
    "Settings.chunk_rows": "Rows of one chunk, that is of one transaction on a source.",
    "Settings.max_review_share": (
        "Where more than this share of a table cannot be decided on, its owner tree stops."
    ),
    "Settings.caps": "What a run may do without approval.",
    "Settings.backlog": "A daily quota instead of the caps, while years of backlog go.",
    "Settings.pace": "By system: hours and speed.",
    "Settings.keys_backup_days": (
        "How many days backups of the keys store are kept: until they lapse, a destroyed key "
        "can be found in one. For the record; nothing reads it yet."
    ),
    "Settings.requests": "How data subjects' requests are taken in.",
    "Settings.lease_seconds": (
        "How long the lock on writing lasts when nobody renews it. A run renews it before "
        "each chunk: allow for the longest one."
    ),
    "Settings.dagster_home": "The folder of Dagster's instance (`DAGSTER_HOME`).",
    "Stores.control": "Plans, journal, ledger, accumulators, lease. No personal data in clear.",
    "Stores.cases": "Holds, review cases, what certificates need. Restricted: keys in clear.",
    "Stores.archive": "The intermediate archive: encrypted payloads under pseudonyms.",
    "Stores.vault": "The identities that belong to the archive, encrypted.",
    "Stores.keys": "One wrapped key for each archive unit.",
    "StoreAddress.url": "A SQLAlchemy URL. Keep passwords out of the file: use `url_env`.",
    "StoreAddress.url_env": "The environment variable whose URL goes before `url`.",
    "MasterKey.file": "A file that holds it.",
    "MasterKey.env": "An environment variable that holds it.",
    "Caps.rows": "Rows of one table.",
    "Caps.share_from_rows": "The share is not asked below so many rows.",
    "SystemPace.window_from": "The hour from which chunks are begun.",
    "SystemPace.window_to": "The hour from which none is begun any more.",
    "SystemPace.rows_per_second": "A run waits after a chunk that was faster.",
    "Releases.statistics": "Its name.",
    "Releases.releases": "The releases, by name: the name of the folder they are published in.",
    "Labelled.label": "In English.",
    "Labelled.label_fr": "In French.",
    "Labelled.description": "Anything else worth knowing.",
    "Release.cadence": "How often it is made.",
    "Release.cubes": "Counts and sums by cell, by name: the name of their file.",
    "Release.microdata": "Tables of rows, by name: the name of their file.",
    "Release.utility": "What is not worth publishing.",
    "ReleaseColumn.name": "What it is called in the release.",
    "ReleaseColumn.label": "In English.",
    "ReleaseColumn.label_fr": "In French.",
    "CubeDeclaration.dimensions": "What a cell is told apart by.",
    "CubeDeclaration.measures": "What is summed; rows and subjects are counted in any case.",
    "CubeDeclaration.protection": "How the cells are protected.",
    "Measure.name": "What it is called in the release.",
    "Measure.column": "The column that is summed.",
    "Measure.label": "In English.",
    "Measure.label_fr": "In French.",
    "Threshold.kind": "Small cells are suppressed.",
    "DifferentialPrivacy.kind": "Noise is added.",
    "DifferentialPrivacy.delta": "Above 0 the noise is Gaussian, else Laplace's.",
    "MicrodataDeclaration.quasi_identifiers": "Columns by which a person could be recognised.",
    "MicrodataDeclaration.sensitive": "Columns that nobody must learn of a person.",
    "MicrodataDeclaration.models": "What every equivalence class satisfies.",
    "MicrodataDeclaration.recoding": "How the classes are found.",
    "MicrodataDeclaration.max_suppressed": "The share of rows that may be left out to find them.",
    "PrivacyModels.k": "Subjects in every class.",
    "PrivacyModels.l_kind": "How diversity is measured.",
    "PrivacyModels.distance": "Between two values: 1, their steps apart, or their common label's height.",
    "Policy.policy": "Its name.",
    "Policy.controller": "Who is responsible for the data.",
    "Policy.source": "The published text that the table makes executable.",
    "Policy.time_zone": "The zone whose days count, as `Europe/Paris`.",
    "Policy.financial_year_end": "Month and day on which the financial year closes, as `12-31`.",
    "Policy.events": "The events that clocks start from, by name.",
    "Policy.data_categories": "The notice's categories of data, by name.",
    "Policy.uncovered": "Data the notice names without a duration: rows that hold them go to review.",
    "Policy.custom_categories": "Data categories beyond those of the Fides taxonomy.",
    "Policy.requests": "How long what data subjects' requests leave behind is kept.",
    "Policy.versions": "The table by the day it takes effect, in order.",
    "Event.label": "In English.",
    "Event.label_fr": "In French.",
    "DataCategory.label": "In English.",
    "DataCategory.label_fr": "In French.",
    "DataCategory.covers": "The taxonomy's names that fall under it, those below them included.",
    "Uncovered.label": "In English.",
    "Uncovered.label_fr": "In French.",
    "Uncovered.categories": "The data categories meant.",
    "Uncovered.citation": "Where the notice names them.",
    "PolicyVersion.effective_from": "The first day it governs; the first version governs all earlier days too.",
    "PolicyVersion.purposes": "The rows of the table, by name.",
    "Purpose.label": "In English.",
    "Purpose.label_fr": "In French.",
    "Purpose.legal_basis": "On what ground the data are processed (GDPR art. 6).",
    "Purpose.active": "The active phase.",
    "Purpose.archive": "The archive phase.",
    "Rule.for": "The duration: whole days, months or years, as `3 years` or `13 months`.",
    "Rule.from_latest": "The clock starts at the latest of these events.",
    "Rule.from_first": "The clock starts at the first of these events and is not restarted.",
    "Rule.since_latest": "With `from_first`: only what came on or after the latest of this event counts.",
    "Rule.basis": "Who chose the duration.",
    "Rule.citation": "The sentence or article it rests on.",
    "Term.for": "The duration: whole days, months or years.",
    "Term.basis": "Who chose the duration.",
    "Term.citation": "The sentence or article it rests on.",
    "Term.confirm": "What the data-protection officer or a lawyer still has to confirm.",
    "ArchiveRule.counted_from": "The event itself, or the close of the financial year it falls in.",
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One reference page."""

    file: str
    title: str
    opening: str
    root: type[BaseModel]


PAGES = (
    Page(
        "catalogue.md",
        "The catalogue",
        "`catalogue.yaml` says where personal data are: systems, tables, columns, and what each "
        "means. [Concepts](concepts.md) explains the words, [Add a source](how-to/add-a-source.md) "
        "how to write one; `demo/catalogue.yaml` is an example of everything. Data categories are "
        "names of the Fides taxonomy (`user.contact.email`), or the policy's own.",
        Catalogue,
    ),
    Page(
        "settings.md",
        "The settings",
        "`retention.yaml` describes one installation: where its files and stores are, and how "
        "bold it may be. The command line and Dagster find it by `RETENTION_CONFIG`.",
        Settings,
    ),
    Page(
        "policy.md",
        "The policy table",
        "The policy says how long each purpose may keep data, and which line of a notice or of "
        "law says so. [Change a duration](how-to/change-a-duration.md) shows how to edit it; "
        "`policies/callimedia.yaml` is the whole of one.",
        Policy,
    ),
    Page(
        "statistics.md",
        "The statistics",
        "`statistics.yaml` declares what is published of the data: anonymised releases, each with "
        "its privacy model. The settings name it (`statistics.declaration`); "
        "[Concepts](concepts.md) explains the words, `demo/statistics.yaml` is an example.",
        Releases,
    ),
)


def page(wanted: Page) -> str:
    """The whole page, in Markdown."""
    lines = [
        f"# {wanted.title}\n",
        "<!-- Written by `python docs/reference.py` from the models themselves: change those. -->\n",
        f"{wanted.opening}\n",
        f"{UNKNOWN}\n",
    ]
    for model in models(wanted.root):
        lines += [f"## {model.__name__}\n", f"{_about(model)}\n"]
        lines += ["| key | what it holds | default | what it is |", "| --- | --- | --- | --- |"]
        for name, field in _written(model):
            cells = (f"`{name}`", _type(field.annotation), _default(field), described(model, name))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """``root`` and every model that can stand in it, in the order of their first mention."""
    found = [root]
    for model in found:  # grows while it is read
        for _, field in _written(model):
            found += [item for item in _models_in(field.annotation) if item not in found]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _written(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys a user writes, with their fields."""
    left_out = NOT_WRITTEN.get(model.__name__, set())
    for name, field in model.model_fields.items():
        if name not in left_out:
            yield field.alias or name, field


def described(model: type[BaseModel], key: str) -> str:
    """What a key means: its docstring, or the note on it here.

    Raises:
        LookupError: there is neither.
    """
    for owner in model.__mro__:
        if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
            continue
        names = [name for name, field in owner.model_fields.items() if (field.alias or name) == key]
        texts = _docstrings(owner)
        for text in (NOTES.get(f"{owner.__name__}.{key}"), *(texts.get(name) for name in names)):
            if text:
                return text
    raise LookupError(f"{model.__name__}.{key}: neither a docstring nor a note says what it is")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings that stand below the fields in the class's source."""
    if not model.__module__.startswith("retention."):
        return {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = _plain(str(after.value.value))
    return found


def _about(model: type[BaseModel]) -> str:
    return _plain(inspect.cleandoc(model.__doc__ or ""))


def _plain(text: str) -> str:
    """A docstring as Markdown: single backquotes, one line a paragraph."""
    paragraphs = text.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_NAMES = {
    str: "text", int: "whole number", float: "number", Decimal: "number", bool: "true or false",
    Path: "path",
}  # fmt: skip


def _type(annotation: Any) -> str:
    """A type in words, as a writer of YAML understands it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        kinds = [_type(part) for part in parts if part is not NoneType]
        return " or ".join(dict.fromkeys(kinds))
    if origin is dict:
        inner = parts[1]
        always = NoneType in get_args(inner) or NoneType in get_args((get_args(inner) or (0,))[0])
        return f"by name: {_type(inner)}{' or `always`' if always else ''}"
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{item.value}`" for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if annotation is Period:
        return "duration"
    return _NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, Term):
        return f"`{value.lasts}`"
    if isinstance(value, BaseModel):
        return "its defaults" if value.model_fields_set == set() else str(value)
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Write the pages."""
    for wanted in PAGES:
        (FOLDER / wanted.file).write_text(page(wanted), encoding="utf-8")
        sys.stdout.write(f"docs/{wanted.file}: {len(models(wanted.root))} models\n")


if __name__ == "__main__":
    main()
