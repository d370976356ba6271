"""README and docs: references are current, links lead somewhere, commands and examples are real."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from cli.reference import commands
from demo.write import write_demo
from retention.catalogue.coherence import coherent
from retention.catalogue.drift import check_system
from retention.catalogue.model import TableName, read_catalogue
from retention.errors import ConfigurationError
from retention.installation import opened
from retention.planning.explain import explain
from retention.policy.table import Purpose, read_policy
from retention.releases.model import DifferentialPrivacy
from retention.releases.reading import read_releases
from retention.settings import Settings, Stores

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CATALOGUE = ROOT / "demo" / "catalogue.yaml"
POLICY = ROOT / "policies" / "callimedia.yaml"
DAY = date(2026, 11, 24)
CLIENTS = TableName("shop.clients")

_FENCE = re.compile(
    r"(?:<!-- example: (?P<kind>[a-z ]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)\n```", re.DOTALL
)
_COMMANDS = dict(commands())


def the_reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module  # its dataclasses look their own module up by name
    spec.loader.exec_module(module)
    return module


REFERENCE = the_reference()


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[tuple[str | None, str]]:
    """The fenced blocks of a page: what each is marked as, and its text."""
    found = _FENCE.finditer(path.read_text(encoding="utf-8"))
    return [(block["kind"], block["text"]) for block in found if block["language"] == language]


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


# --- references --------------------------------------------------------------------------


@pytest.mark.parametrize("page", REFERENCE.PAGES, ids=lambda page: page.file)
def test_a_reference_page_is_what_the_models_say(page: Any) -> None:
    written = (ROOT / "docs" / page.file).read_text(encoding="utf-8")

    assert written == REFERENCE.page(page), "run: python docs/reference.py"


def test_every_note_is_on_a_key_that_there_is() -> None:
    known = {
        f"{owner.__name__}.{field.alias or key}"
        for page in REFERENCE.PAGES
        for model in REFERENCE.models(page.root)
        for owner in model.__mro__
        if issubclass(owner, BaseModel)
        for key, field in owner.model_fields.items()
    }

    assert set(REFERENCE.NOTES) - known == set()


def test_a_key_that_nobody_described_is_an_error() -> None:
    class Undescribed(BaseModel):
        key: str

    with pytest.raises(LookupError, match=r"Undescribed\.key"):
        REFERENCE.described(Undescribed, "key")


# --- links -------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """A heading's anchor, as Git hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in prose(path).splitlines() if line.startswith("#")}


def broken_links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    assert list(broken_links(path)) == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        at = ahead.pop()
        if at in seen or at.suffix != ".md" or not at.exists():
            continue
        seen.add(at)
        targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose(at))
        ahead += [(at.parent / t).resolve() for t in targets if "://" not in t]

    assert [name(path) for path in PAGES if path not in seen] == []


# --- commands ----------------------------------------------------------------------------


def spoken(path: Path, program: str) -> Iterator[str]:
    """Every mention of a command of ``program``: a line to type, or a span of code."""
    for _, text in blocks(path, "sh"):
        yield from (line for line in text.splitlines() if line.startswith(f"{program} "))
    yield from re.findall(rf"`({program} [^`]+)`", prose(path))


def unknown_command(line: str) -> str | None:
    """What is wrong with a ``retention …`` line; ``None`` where it exists as it is written."""
    words = shlex.split(line, comments=True)
    command, at = _COMMANDS["retention"], "retention"
    rest = words[1:]
    while rest and f"{at} {rest[0]}" in _COMMANDS:
        at = f"{at} {rest.pop(0)}"
        command = _COMMANDS[at]
    if getattr(command, "commands", None) and rest:
        return f"{line}: there is no '{at} {rest[0]}'"
    options = {o for param in command.params for o in (*param.opts, *param.secondary_opts)}
    missing = [word for word in rest if word.startswith("--") and word not in options]
    return f"{line}: no option {missing[0]}" if missing else None


WRITTEN_BY_HAND = [path for path in PAGES if path.name != "cli.md"]


@pytest.mark.parametrize("path", WRITTEN_BY_HAND, ids=name)
def test_every_command_that_is_named_exists(path: Path) -> None:
    assert [fault for line in spoken(path, "retention") if (fault := unknown_command(line))] == []


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert unknown_command("retention hold drop 1")
    assert unknown_command("retention plan --when 2027-01-01")
    assert unknown_command("retention plan --as-of 2027-01-01") is None


def test_the_documents_name_commands() -> None:
    named = {line.split()[1] for path in WRITTEN_BY_HAND for line in spoken(path, "retention")}

    assert {"demo", "check", "plan", "approve", "run", "explain", "hold", "review"} <= named


@pytest.mark.parametrize("path", WRITTEN_BY_HAND, ids=name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert {line.split()[1] for line in spoken(path, "make")} - targets == set()


# --- examples ----------------------------------------------------------------------------


def merged(base: Any, more: Any) -> Any:
    """``base`` with what ``more`` adds or replaces, mapping by mapping."""
    if not (isinstance(base, dict) and isinstance(more, dict)):
        return more
    return base | {key: merged(base.get(key), value) for key, value in more.items()}


def catalogue_with(*fragments: str) -> str:
    document: Any = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    for fragment in fragments:
        document = merged(document, yaml.safe_load(fragment))
    return yaml.safe_dump(document, sort_keys=False)


def policy_with(version: str) -> str:
    text = POLICY.read_text(encoding="utf-8")
    before, purposes, after = text.partition("    purposes:\n")
    assert purposes
    return f"{before}    purposes: &promised\n{after.rstrip()}\n{version}\n"


def validate(kind: str, text: str, before: list[str], folder: Path) -> None:
    """Read an example as the program would, in its place. Raises where it does not fit.

    ``before`` are the fragments of the catalogue that stand above it on its page.
    """
    catalogue, policy = CATALOGUE, POLICY
    if kind == "settings":
        Settings.model_validate(yaml.safe_load(text))
    elif kind == "settings fragment":
        stores = {store: {"url": "sqlite:///x"} for store in Stores.model_fields}
        base = {"policy": "p", "catalogue": "c", "stores": stores, "master_key": {"env": "KEY"}}
        Settings.model_validate(base | yaml.safe_load(text))
    elif kind == "purpose":
        Purpose.model_validate(yaml.safe_load(text))
    elif kind == "policy version":
        policy = folder / "policy.yaml"
        policy.write_text(policy_with(text), encoding="utf-8")
    elif kind == "catalogue fragment":
        catalogue = folder / "catalogue.yaml"
        catalogue.write_text(catalogue_with(*before, text), encoding="utf-8")
    elif kind == "statistics":
        declaration = folder / "statistics.yaml"
        declaration.write_text(text, encoding="utf-8")
        read_releases(declaration, read_catalogue(CATALOGUE), CATALOGUE.parent)
    elif kind == "protection":
        DifferentialPrivacy.model_validate(yaml.safe_load(text))
    else:
        pytest.fail(f"an example is marked as '{kind}', which nobody checks")
    coherent(read_catalogue(catalogue), read_policy(policy), catalogue)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_example_is_marked_and_valid(path: Path, tmp_path: Path) -> None:
    before: list[str] = []
    for kind, text in blocks(path, "yaml"):
        assert kind is not None, f"say above it what it is an example of:\n{text}"
        validate(kind, text, before, tmp_path)
        if kind == "catalogue fragment":
            before.append(text)


def test_an_example_that_does_not_fit_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        validate("settings fragment", "caps: {lines: 3}", [], tmp_path)
    with pytest.raises(ConfigurationError):
        validate("catalogue fragment", "links: {a: {near: crm.x.y, far: web.x.y}}", [], tmp_path)
    with pytest.raises(ConfigurationError):
        validate("policy version", "  - {effective_from: 2028-01-01, purposes: {}}", [], tmp_path)
    with pytest.raises(ConfigurationError):
        validate("statistics", "statistics: x\nreleases: {a: {label: A}}", [], tmp_path)
    with pytest.raises(ValidationError):
        validate("protection", "{kind: differential_privacy, epsilon: 0}", [], tmp_path)


def test_a_source_added_as_the_guide_says_passes_the_check(tmp_path: Path) -> None:
    guide = ROOT / "docs" / "how-to" / "add-a-source.md"
    write_demo(tmp_path, people=20, as_of=DAY)
    ((_, script),) = blocks(guide, "sql")
    connection = sqlite3.connect(tmp_path / "shop.sqlite")
    connection.executescript(script)
    connection.close()
    fragments = [text for kind, text in blocks(guide, "yaml") if kind == "catalogue fragment"]
    catalogue = tmp_path / "catalogue.yaml"

    catalogue.write_text(catalogue_with(fragments[0]), encoding="utf-8")
    with opened(tmp_path / "retention.yaml", {}) as installation:
        findings = check_system(installation.sources, installation.catalogue, "shop")
    assert {finding.place for finding in findings} == {
        "shop.clients",
        "shop.orders",
        "shop.products",
    }

    catalogue.write_text(catalogue_with(*fragments), encoding="utf-8")
    with opened(tmp_path / "retention.yaml", {}) as installation:
        assert check_system(installation.sources, installation.catalogue, "shop") == []
        stays = explain(installation, CLIENTS, ["1"], DAY)
        goes = explain(installation, CLIENTS, ["2"], DAY)
    assert (stays.phase, str(stays.changes_on)) == ("active", "2029-10-02")
    assert goes.phase == "expired"


# --- what must not stand there -----------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_path_of_a_machine_and_no_emoji(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert re.findall(r"/(?:work|tmp|home|root)/\S*", text) == []
    assert [c for c in text if ord(c) > 0x2BFF] == []


def test_the_graph_is_shown() -> None:
    assert "docs/images/asset-graph.png" in (ROOT / "README.md").read_text(encoding="utf-8")
