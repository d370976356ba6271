"""Rules of the house that a machine can keep."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGES = ("anonymizers", "assets", "cli", "demo", "pipelines", "retention", "sensors")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
NOT_OURS = {".git", ".venv", "var", "build", "node_modules"}
# Assembled, so that this file does not name what it looks for.
INDEX = re.compile(
    rb"pypi\.(?:org|python)|pythonhosted|--(?:extra-)?index-url|--find-links|/simp" rb"le/",
    re.IGNORECASE,
)


def files_of_the_repository() -> list[Path]:
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and not NOT_OURS & set(path.relative_to(ROOT).parts)
        and not any(
            (part.startswith(".") and part.endswith("_cache")) or part.endswith((".egg-info", "__"))
            for part in path.relative_to(ROOT).parts
        )
    ]


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 20


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
    }

    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_file_names_a_package_index() -> None:
    mine = Path(__file__)
    naming = [
        str(path.relative_to(ROOT))
        for path in files_of_the_repository()
        if path != mine and INDEX.search(path.read_bytes())
    ]

    assert naming == []


def test_every_pinned_package_has_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", lock, flags=re.IGNORECASE)

    assert len(entries) > 80
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry.splitlines()[0] for entry in entries if "==" not in entry.splitlines()[0]] == []


def test_the_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"Contracts: [4-9] kept, 0 broken", done.stdout), done.stdout


@pytest.mark.parametrize("package", ["retention", "anonymizers"])
def test_the_engine_reads_neither_clock_nor_environment(package: str) -> None:
    """``as_of``, ``now`` and settings are handed in at the door."""
    asks = re.compile(
        r"\b(?:date\.today|datetime\.(?:now|utcnow)|time\.time|os\.environ|os\.getenv|getenv)\("
        r"|os\.environ\b"
    )
    asking = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]

    assert asking == []


def test_no_test_takes_the_day_of_the_machine_for_that_of_the_policy() -> None:
    """They differ for an hour or two a day, and so would the test's outcome."""
    asks = re.compile(r"\bdate\.today\(|\bnow\([^()]*\)\.date\(")
    asking = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]

    assert asking == []


def test_dagster_sends_nothing_home_and_finds_its_definitions() -> None:
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    (location,) = workspace["load_from"]

    assert instance["telemetry"] == {"enabled": False}
    assert (ROOT / location["python_file"]["relative_path"]).is_file()


def test_every_make_target_with_a_description_is_listed_by_make() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for target in (
        "demo",
        "test",
        "ui",
        "lint",
        "types",
        "unit",
        "sweeps",
        "crash-matrix",
        "clean",
    ):
        assert f"make {target} " in listed, target
