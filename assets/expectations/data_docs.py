"""Data Docs: what an audit has found, as pages to browse.

Great Expectations renders the sentences, figures and tables; the page around them is ours.
Its own loads styles and scripts from other people's servers, which would tell them who reads
an audit and when, and does not work where there is no way out. Ours loads nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from great_expectations.render import (
    RenderedDocumentContent,
    RenderedSectionContent,
    RenderedStringTemplateContent,
    RenderedTableContent,
    TextContent,
)
from great_expectations.render.renderer.content_block.validation_results_table_content_block import (
    ValidationResultsTableContentBlockRenderer,
)
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader

from assets import naming
from assets.expectations.proof import Proof

INDEX = "index.html"
LIMITS = (
    "What this says: the checks below were made on exactly the bytes with this digest, and came "
    "out as shown. What it does not say: k-anonymity alone is no proof of anonymity; what "
    "somebody may learn depends on what else they know. The attacks measure three ways of "
    "learning, each against people who are not in the release."
)
_TEMPLATES = Path(__file__).parent / "templates"


def write_data_docs(statistics: Path, proof: Proof) -> Path:
    """Write the page of ``proof``, and the index anew. Returns the page.

    They go into a folder of their own in ``statistics``, that of the published releases. Beside
    each page lies what the index says of it, as JSON.
    """
    page = naming.data_docs_page(statistics, proof.release, proof.month, proof.digest)
    folder = statistics / naming.DATA_DOCS
    page.parent.mkdir(parents=True, exist_ok=True)
    _replace(page.with_suffix(".json"), json.dumps(_summary(proof), indent=1) + "\n")
    _replace(page, _page(proof))
    _replace(folder / INDEX, _index(folder))
    return page


class OfflinePageView(DefaultJinjaPageView):
    """Great Expectations' view with our page around its content blocks."""

    def __init__(self) -> None:
        super().__init__()
        own = FileSystemLoader(_TEMPLATES)
        self.env.loader = ChoiceLoader([own, self.env.loader])


def _page(proof: Proof) -> str:
    passed = proof.passed
    facts = [
        ("Release", f"{proof.title} ({proof.release})"),
        ("Month", proof.month),
        ("Built for", proof.as_of.isoformat()),
        ("Digest", proof.digest),
        ("Audited at", _moment(proof.at)),
        ("Expectations met", f"{proof.met} of {proof.made}"),
    ]
    sections = [
        _section(
            "Outcome",
            _status("passed: it may be published" if passed else "not published", good=passed),
            _table([[_plain(name), _plain(value)] for name, value in facts]),
            TextContent(text=[_plain(LIMITS)]),
        )
    ]
    for part in proof.parts:
        rendered = ValidationResultsTableContentBlockRenderer.render(list(part.results))
        sections.append(_section(part.title, _heading(part.title), rendered))
    return _render(f"{proof.title}, {proof.month}", sections, home="../../" + INDEX)


def _index(folder: Path) -> str:
    lines = [
        _read(path) | {"page": path.with_suffix(".html")} for path in folder.glob("*/*/*.json")
    ]
    lines.sort(key=lambda line: line["at"], reverse=True)
    lines.sort(key=lambda line: line["release"])
    lines.sort(key=lambda line: line["month"], reverse=True)
    header = ["Month", "Release", "Outcome", "Expectations", "Audited at", "Red checks", "Digest"]
    rows = [
        [
            _plain(line["month"]),
            _plain(line["title"]),
            _outcome(passed=line["passed"]),
            _plain(f"{line['met']} of {line['made']} met"),
            _plain(_moment(datetime.fromisoformat(line["at"]))),
            _plain(", ".join(line["red"]).replace("_", " ") or "none"),
            _link(line["digest"][:16], line["page"].relative_to(folder).as_posix()),
        ]
        for line in lines
    ]
    about = TextContent(text=[_plain("Every audit of a release, the newest month first.")])
    table = _table(rows, header) if rows else TextContent(text=[_plain("Nothing was audited yet.")])
    return _render("Audits of the statistics releases", [_section("Audits", about, table)])


def _summary(proof: Proof) -> dict[str, Any]:
    return {
        "release": proof.release,
        "title": proof.title,
        "month": proof.month,
        "as_of": proof.as_of.isoformat(),
        "digest": proof.digest,
        "at": proof.at.isoformat(),
        "passed": proof.passed,
        "met": proof.met,
        "made": proof.made,
        "red": list(proof.red),
    }


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _replace(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it."""
    written = path.with_name(path.name + ".new")
    written.write_text(text, encoding="utf-8")
    os.replace(written, path)  # noqa: PTH105 - Path.replace does not say so


def _render(title: str, sections: Sequence[Any], home: str | None = None) -> str:
    document = RenderedDocumentContent(
        renderer_type="ReleaseAudit", page_title=title, sections=list(sections), utm_medium=""
    )
    text: str = OfflinePageView().render(document, home=home)
    return text


def _section(name: str, *blocks: Any) -> Any:
    return RenderedSectionContent(section_name=name, content_blocks=list(blocks))


def _heading(text: str) -> Any:
    return _string("$text", {"text": text}, tag="h5")


def _plain(text: str) -> Any:
    return _string("$text", {"text": text})


def _outcome(*, passed: bool) -> Any:
    return _status("passed" if passed else "not passed", good=passed)


def _status(text: str, *, good: bool) -> Any:
    look = {"classes": ["met" if good else "failed"]}
    return _string("$text", {"text": text}, styling={"params": {"text": look}})


def _link(text: str, target: str) -> Any:
    look = {"tag": "a", "attributes": {"href": target}}
    return _string("$text", {"text": text}, styling={"params": {"text": look}})


def _string(template: str, params: Mapping[str, str], **more: Any) -> Any:
    content = {"template": template, "params": dict(params), **more}
    return RenderedStringTemplateContent(
        content_block_type="string_template", string_template=content
    )


def _table(rows: Sequence[Sequence[Any]], header: Sequence[str] | None = None) -> Any:
    return RenderedTableContent(
        content_block_type="table", table=[list(row) for row in rows], header_row=header
    )


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M %Z").strip()
